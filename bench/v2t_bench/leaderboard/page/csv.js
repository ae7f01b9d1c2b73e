"use strict";

/* A table as CSV, with the rules of the files that `leaderboard build` writes. */

const ESCAPES = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function escaped(character) {
  const code = character.codePointAt(0).toString(16);
  return ESCAPES[character] || (code.length < 3 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`);
}

/* What a spreadsheet would take for a formula begins with an apostrophe; a row is one line. */
function safeText(text) {
  const isFormula = /^[=+\-@\t\r\n]/.test(text) && !/^[+-][0-9]+$/.test(text);
  return (isFormula ? `'${text}` : text).replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, escaped);
}

function csvCell(value) {
  if (value === null || value === undefined) {
    return "";
  }
  // A number below zero begins with a sign and is a number all the same.
  const text = typeof value === "string" ? safeText(value) : String(value);
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
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
