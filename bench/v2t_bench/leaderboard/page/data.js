"use strict";

/* The boards as the page holds them: columns of values, texts stored once each. */

const DATA = JSON.parse(byId("data").textContent);
const MISSING = "";

const COLLATOR = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function unpacked({ columns, values }) {
  const stored = new Map();
  let length = 0;
  for (const [name, value] of Object.entries(values)) {
    const column = Array.isArray(value)
      ? { values: value }
      : { values: value.at.map((at) => (at === null ? null : value.texts[at])), packed: value };
    stored.set(name, column);
    length = column.values.length;
  }
  return {
    columns,
    length,
    value: (row, name) => (stored.has(name) ? stored.get(name).values[row] : null),
    /* What orders a column: the number itself, or where a text stands among the texts. */
    order: (row, name) => {
      const column = stored.get(name);
      if (column.values[row] === null || column.values[row] === "") {
        return null;
      }
      if (column.packed === undefined) {
        return Number(column.values[row]);
      }
      column.ranks ??= ranked(column.packed.texts);
      return column.ranks[column.packed.at[row]];
    },
  };
}

/* Texts are compared once each and not once a row, and only of columns that are sorted by. */
function ranked(texts) {
  const sorted = texts.map((text, place) => place);
  sorted.sort((one, other) => COLLATOR.compare(texts[one], texts[other]) || one - other);
  const rank = [];
  sorted.forEach((place, position) => {
    rank[place] = position;
  });
  return rank;
}

const FRONTIER = unpacked(DATA.frontier);
const ROWS = unpacked(DATA.rows);

function shortAttack(attack) {
  return Object.hasOwn(DATA.attacks, attack) ? DATA.attacks[attack] : attack;
}

function shortDefense(defense) {
  if (defense === "none") {
    return "no defense";
  }
  return Object.hasOwn(DATA.defenses, defense) ? DATA.defenses[defense] : defense;
}

function told(value, digits) {
  return typeof value === "number" ? value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1") : MISSING;
}

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function percent(value, digits = 1) {
  return typeof value === "number" ? `${(100 * value).toFixed(digits)} %` : MISSING;
}

function between(low, high, digits) {
  return typeof low === "number" && typeof high === "number"
    ? `${told(low, digits)} to ${told(high, digits)}`
    : MISSING;
}

function answer(value) {
  return value === true ? "yes" : value === false ? "no" : value === null ? MISSING : String(value);
}

function flagsOf(text) {
  return (text || "").split(" ").filter((flag) => flag !== "");
}

function flagWords(flag) {
  return Object.hasOwn(DATA.flags, flag) ? DATA.flags[flag] : [flag, MISSING];
}

/* The name of a table for people; what all tables share is left out of it. */
function tableName(at) {
  const { corpus, embedder, max_tokens: tokens, track } = DATA.tables[at];
  return `${corpus}, ${embedder}, ${track}, ${tokens} tokens`;
}
