"use strict";

/* What a reader has chosen. It stands in the address, so that a link shows the same. */

const CHOOSING = [
  ["corpus", "corpus"],
  ["track", "track"],
  ["tokens", "max_tokens"],
  ["embedder", "embedder"],
];
const DEFAULTS = {
  table: DATA.first,
  attack: "",
  threat: "",
  q: "",
  scope: "table",
  columns: "few",
  "frontier.sort": "",
  "frontier.page": 0,
  "rows.sort": "",
  "rows.page": 0,
  size: 50,
  defense: "",
  reader: "",
};
const STATE = { ...DEFAULTS };

/* What tells tables apart that agree in everything that has a control of its own. */
function sampleName(table) {
  const seed = table.sample_seed === null ? "" : `, sample ${table.sample_seed}`;
  const texts = table.n_texts === null ? "none attacked" : `${table.n_texts} texts${seed}`;
  return `${texts} (${table.fingerprint})`;
}

/* The table that has `value` in `field`, and as much as possible of the present one. */
function tableWith(field, value) {
  const present = DATA.tables[STATE.table];
  let best = STATE.table;
  let agreeing = -1;
  DATA.tables.forEach((table, at) => {
    const own = field === "sample" ? sampleName(table) : String(table[field]);
    const agrees = [...CHOOSING.map(([, name]) => name), "n_texts", "sample_seed"].filter(
      (name) => table[name] === present[name],
    ).length;
    if (own === value && agrees > agreeing) {
      best = at;
      agreeing = agrees;
    }
  });
  return best;
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  Object.assign(STATE, DEFAULTS);
  for (const [name, field] of [...CHOOSING, ["sample", "sample"]]) {
    if (given.has(name)) {
      STATE.table = tableWith(field, given.get(name));
    }
  }
  for (const name of Object.keys(DEFAULTS)) {
    if (name !== "table" && given.has(name)) {
      const value = given.get(name);
      STATE[name] = typeof DEFAULTS[name] === "number" ? Math.max(0, Math.trunc(Number(value)) || 0) : value;
    }
  }
  STATE.size = Math.min(Math.max(STATE.size, 10), 1000);
}

function writeAddress() {
  const told = new URLSearchParams();
  const table = DATA.tables[STATE.table];
  if (STATE.table !== DATA.first) {
    for (const [name, field] of CHOOSING) {
      told.set(name, String(table[field]));
    }
    told.set("sample", sampleName(table));
  }
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    if (name !== "table" && STATE[name] !== usual) {
      told.set(name, String(STATE[name]));
    }
  }
  const hash = told.toString();
  // Replaced and not pushed: the way back leads out of the page, not through every key typed.
  history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
}

/* An anchor of the page, such as that of the skip link, is no choice. */
function addressHoldsState() {
  return location.hash.includes("=");
}
