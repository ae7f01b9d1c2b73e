"use strict";

/* What ties the parts together: controls, the chart, both tables and the texts. */

const GRIDS = {};
let chosenRelease = null;

function optionsOf(field) {
  const values = [...new Set(DATA.tables.map((table) => String(table[field])))];
  return values.map((value) => [value, value]);
}

function showControls() {
  const table = DATA.tables[STATE.table];
  for (const [name, field] of CHOOSING) {
    offer(byId(`choose-${name}`), optionsOf(field), String(table[field]));
  }
  const alike = DATA.tables.filter((other) => CHOOSING.every(([, field]) => other[field] === table[field]));
  offer(byId("choose-sample"), alike.map((other) => [sampleName(other), sampleName(other)]), sampleName(table));
  const releases = releasesOf(STATE.table);
  const readings = releases.flatMap((release) => DATA.releases[release].readings);
  const attacks = [...new Set(readings.map(([attack]) => attack))].sort();
  const threats = [...new Set(readings.map(([, threat]) => threat))].sort();
  offer(byId("choose-attack"), [["", "the strongest"], ...attacks.map((name) => [name, name])], STATE.attack);
  offer(byId("choose-threat"), [["", "the most"], ...threats.map((name) => [name, name])], STATE.threat);
  STATE.attack = byId("choose-attack").value;
  STATE.threat = byId("choose-threat").value;
  byId("search").value = STATE.q;
  byId("scope").checked = STATE.scope === "all";
  byId("columns").checked = STATE.columns === "all";
}

function matches(defense) {
  const text = `${defense} ${shortDefense(defense)}`.toLowerCase();
  return STATE.q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function frontierRows() {
  const own = STATE.scope === "all" ? Array.from({ length: FRONTIER.length }, (_, row) => row) : releasesOf(STATE.table);
  return own.filter((row) => matches(FRONTIER.value(row, "defense")));
}

function belongs(row, table) {
  return ["corpus", "track", "fingerprint", "max_tokens", "embedder"].every((name) => ROWS.value(row, name) === table[name]);
}

function longRows() {
  const table = DATA.tables[STATE.table];
  const found = [];
  for (let row = 0; row < ROWS.length; row += 1) {
    const attack = ROWS.value(row, "attack");
    const threat = ROWS.value(row, "threat");
    if (
      (STATE.scope === "all" || belongs(row, table)) &&
      (STATE.attack === "" || shortAttack(attack) === STATE.attack) &&
      (STATE.threat === "" || threat === STATE.threat || STATE.threat.startsWith(`${threat},`)) &&
      matches(ROWS.value(row, "defense"))
    ) {
      found.push(row);
    }
  }
  return found;
}

function entry(term, ...content) {
  return [make("dt", {}, term), make("dd", {}, ...content)];
}

function measured(value, low, high, digits) {
  const interval = between(low, high, digits);
  return [told(value, digits), ...(interval === MISSING ? [] : [" ", make("span", { class: "interval" }, interval)])];
}

function showRow(point) {
  chosenRelease = point.release;
  const of = (name) => FRONTIER.value(point.release, name);
  const flags = flagsOf(of("flags"));
  const p = of("worst_p");
  byId("row").replaceChildren(
    make("h3", {}, point.undefended ? "No defense" : point.name),
    make("p", { class: "whole" }, point.undefended ? "The vectors as they are." : `${point.defense} · ${DATA.families[point.family]}`),
    make(
      "dl",
      {},
      ...entry("Search kept", ...measured(point.kept, point.keptLow, point.keptHigh, 3)),
      ...entry("Kept within 2 %", answer(of("search_kept")) || "not tested"),
      ...entry("NDCG@10", ...measured(of("ndcg_at_10"), of("ndcg_lo"), of("ndcg_hi"), 3)),
      ...entry("Text read", ...measured(point.read, point.low, point.high, 1)),
      ...entry("Read by", ...breakable(`${point.attack}, ${point.threat}`)),
      ...(typeof p === "number" ? entry("p against no defense", told(p, 4)) : []),
      ...(typeof of("headroom") === "number" ? entry("Headroom", told(of("headroom"), 1)) : []),
      ...entry("On the front", answer(of("pareto")) || "not known"),
      ...(typeof of("snr_db") === "number" ? entry("Signal to noise", `${told(of("snr_db"), 1)} dB`) : []),
      ...(typeof of("bytes_per_vector") === "number" ? entry("Bytes a vector", told(of("bytes_per_vector"), 0)) : []),
    ),
    make(
      "ul",
      { class: "flags-told" },
      ...flags.map((flag) => {
        const [label, meaning] = flagWords(flag);
        return make("li", {}, make("span", { class: "flag" }, label), " ", meaning);
      }),
    ),
  );
}

function summary({ drawn, front, floor, missing }) {
  const base = drawn.find(({ undefended }) => undefended);
  const defended = drawn.filter(({ undefended }) => !undefended);
  const sentences = [`${counted(defended.length, "defense")} of ${tableName(STATE.table)}.`];
  if (base !== undefined) {
    sentences.push(`Without a defense ${told(base.read, 1)} is read (${base.attack.split(":")[0]}).`);
  }
  const good = defended.filter(({ kept }) => kept >= 0.95).sort((one, other) => one.read - other.read);
  if (good.length > 0) {
    sentences.push(`Of those that keep at least 95 % of search, ${good[0].name} lets least be read: ${told(good[0].read, 1)} at ${percent(good[0].kept)}.`);
  }
  if (floor !== null) {
    sentences.push(`Looking up a similar public text gets ${told(floor, 1)}: what lies below that line could be had without the vector.`);
  }
  const steps = [...front].sort((one, other) => other.kept - one.kept).map(({ name }) => name);
  if (steps.length > 0) {
    sentences.push(`On the front, from most search kept: ${steps.join("; ")}.`);
  }
  if (missing.length > 0) {
    const names = missing.map((point) => `${point.name} (${whyMissing(point)})`);
    sentences.push(`Not drawn: ${names.join("; ")}.`);
  }
  return sentences.join(" ");
}

function whyMissing({ release, kept }) {
  const flags = flagsOf(FRONTIER.value(release, "flags"));
  if (flags.includes("not-applicable-unless-key-leaks")) {
    return "nothing is released that could be attacked";
  }
  if (typeof kept !== "number") {
    return "search was not measured";
  }
  return flags.includes("incomplete") ? "a measurement is missing" : "not measured under this choice";
}

/* What a choice other than the worst case leaves out of account. */
function caution() {
  if (STATE.attack === "" && STATE.threat === "") {
    return "Worst case: the strongest attack and threat, chosen on half of the texts and told on the other half. Thin lines are 95 % intervals.";
  }
  const strongest = STATE.attack === "" || STATE.threat === "";
  return [
    "Means over seeds; of several seeds the thin lines go from the lowest to the highest end of their 95 % intervals.",
    strongest ? "The highest of several is shown, chosen on the same texts: a little too high by chance." : "",
  ].join(" ").trim();
}

function showChart() {
  const points = pointsOf(STATE.table, STATE.attack, STATE.threat).filter(({ defense, undefended }) => undefended || matches(defense));
  const told_ = drawChart(byId("chart"), points, {
    attack: STATE.attack,
    threat: STATE.threat,
    chosen: chosenRelease,
    onChoose: showRow,
  });
  byId("chart-title").textContent = `Search kept against text read: ${tableName(STATE.table)}`;
  byId("chart-summary").textContent = summary(told_);
  byId("chart-caution").textContent = caution();
  const families = new Set(told_.drawn.filter(({ undefended }) => !undefended).map(({ family }) => family));
  const keys = ["undefended", ...Object.keys(DATA.families).filter((family) => families.has(family))];
  byId("legend").replaceChildren(
    ...keys.map((name) =>
      make(
        "li",
        {},
        draw("svg", { width: 18, height: 18, viewBox: "-10 -10 20 20", "aria-hidden": "true" }, draw("g", { class: `point ${name}` }, draw("path", { class: "mark", d: SHAPES[name] }))),
        name === "undefended" ? "no defense" : DATA.families[name],
      ),
    ),
    make(
      "li",
      {},
      draw("svg", { width: 22, height: 18, viewBox: "0 0 22 18", "aria-hidden": "true" }, draw("path", { class: "front", d: "M20,3H10V14H2" })),
      "Pareto front",
    ),
  );
}

/* Sorting and turning pages change no more than the table `only`. */
function showTables(only = null) {
  const where = STATE.scope === "all" ? "all collections" : tableName(STATE.table);
  const releases = frontierRows();
  const rows = longRows();
  if (only !== "rows") {
    GRIDS.frontier.update(releases, `One row a defense: ${where}`);
  }
  if (only !== "frontier") {
    GRIDS.rows.update(rows, `One row an attack: ${where}`);
  }
  writeAddress();
  return `${counted(releases.length, "defense")} and ${counted(rows.length, "row")} of ${where}`;
}

function update({ announced = true } = {}) {
  showControls();
  showChart();
  const told_ = showTables();
  showTexts({ onTable: chooseTable });
  if (announced) {
    announce(told_);
  }
}

function chooseTable(at) {
  STATE.table = at;
  chosenRelease = null;
  turnToFirst();
  update();
}

function turnToFirst() {
  STATE["frontier.page"] = 0;
  STATE["rows.page"] = 0;
}

function listen() {
  for (const [name, field] of [...CHOOSING, ["sample", "sample"]]) {
    byId(`choose-${name}`).addEventListener("change", (event) => chooseTable(tableWith(field, event.target.value)));
  }
  const setting = (id, name, read) =>
    byId(id).addEventListener(id === "search" ? "input" : "change", (event) => {
      STATE[name] = read(event.target);
      turnToFirst();
      update();
    });
  setting("choose-attack", "attack", ({ value }) => value);
  setting("choose-threat", "threat", ({ value }) => value);
  setting("search", "q", ({ value }) => value);
  setting("scope", "scope", ({ checked }) => (checked ? "all" : "table"));
  setting("columns", "columns", ({ checked }) => (checked ? "all" : "few"));
  setting("texts-defense", "defense", ({ value }) => value);
  setting("texts-reader", "reader", ({ value }) => value);
  byId("reset").addEventListener("click", () => {
    Object.assign(STATE, DEFAULTS, { table: STATE.table });
    update();
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    if (addressHoldsState()) {
      readAddress();
      update();
    }
  });
  let width = byId("chart").clientWidth;
  new ResizeObserver(() => {
    if (byId("chart").clientWidth !== width) {
      width = byId("chart").clientWidth;
      showChart();
    }
  }).observe(byId("chart"));
}

function listenForTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  // A browser may forbid a file to keep anything; then the theme lasts as long as the page.
  const stored = (work) => {
    try {
      return work();
    } catch {
      return null;
    }
  };
  const kept = stored(() => localStorage.getItem("v2t-bench-theme"));
  if (kept === "dark" || kept === "light") {
    root.dataset.theme = kept;
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored(() => localStorage.setItem("v2t-bench-theme", root.dataset.theme));
    show();
  });
  system.addEventListener("change", show);
  show();
}

function begin() {
  listenForTheme();
  if (DATA.tables.length === 0) {
    byId("empty").hidden = false;
    return;
  }
  for (const section of document.querySelectorAll("[data-scripted]")) {
    section.hidden = false;
  }
  GRIDS.frontier = makeGrid({ id: "frontier", source: FRONTIER, label: "Table of defenses", onChange: showTables });
  GRIDS.rows = makeGrid({ id: "rows", source: ROWS, label: "Table of attacks", onChange: showTables });
  if (addressHoldsState()) {
    readAddress();
  }
  update({ announced: false });
  listen();
}

begin();
