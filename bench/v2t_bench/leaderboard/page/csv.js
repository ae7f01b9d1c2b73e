"use strict";

/* A table as CSV: what a spreadsheet would take for a formula begins with an apostrophe. */

function csvCell(value) {
  if (value === null || value === undefined) {
    return "";
  }
  // A number below zero begins with a sign and is a number all the same.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvText(source, rows) {
  const names = source.columns.flatMap(({ name, low, high }) => [name, low, high]).filter((name) => name !== undefined);
  const lines = rows.map((row) => names.map((name) => csvCell(source.value(row, name))));
  return [names.map(csvCell), ...lines].map((cells) => `${cells.join(",")}\n`).join("");
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  make("a", { href: address, download: name }).click();
  // The browser reads the blob after the click has returned.
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
