"use strict";

/* Recovered texts beside the originals; words that both have are marked. */

const WORD = /[\p{L}\p{N}]+/gu;

/* As an embedder that sees neither case nor accents would tell words apart. */
function plain(word) {
  return word.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

function wordsOf(text) {
  return (text.match(WORD) || []).map(plain);
}

function markedText(text, known) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(WORD)) {
    if (known.has(plain(found[0]))) {
      parts.push(text.slice(end, found.index), make("mark", {}, found[0]));
      end = found.index + found[0].length;
    }
  }
  parts.push(text.slice(end));
  return parts;
}

function guessesOf(table) {
  return DATA.texts.guesses.filter(({ release }) => DATA.releases[release].table === table);
}

function readerName({ attack, threat }) {
  return `${attack}, ${threat}`;
}

function side(heading, detail, text, known) {
  return make(
    "div",
    { class: "side" },
    make("h4", {}, heading, ...(detail === MISSING ? [] : [" ", make("span", { class: "interval" }, detail)])),
    make("p", { class: "text" }, ...(text === "" ? [make("em", {}, "nothing")] : markedText(text, known))),
  );
}

function readingSide(heading, guess, original) {
  const words = new Set(wordsOf(original));
  const found = new Set(wordsOf(guess[0]));
  const hit = [...words].filter((word) => found.has(word)).length;
  const score = guess[1] === null ? "" : `, bleu_norm ${told(guess[1], 1)}`;
  return side(heading, `${hit} of ${words.size} words${score}`, guess[0], words);
}

function article([id, document_, text], number, base, chosen, name) {
  const guess = (chosen || base)[0];
  const known = new Set(wordsOf(guess));
  const place = id === document_ ? id : `${id}, of ${document_}`;
  return make(
    "article",
    { class: "example" },
    make("h3", {}, `Text ${number} `, make("span", { class: "interval" }, place)),
    make(
      "div",
      { class: "sides" },
      side("Original", MISSING, text, known),
      ...(base === null ? [] : [readingSide("Read without a defense", base, text)]),
      ...(chosen === null ? [] : [readingSide(`Read under ${name}`, chosen, text)]),
    ),
  );
}

/* Texts of this table may not be shown: say so, and lead to one of which some may. */
function withoutTexts(host, onTable) {
  const others = [...new Set(DATA.texts.guesses.map(({ release }) => DATA.releases[release].table))];
  const links = others.slice(0, 4).map((at) => {
    const button = make("button", { type: "button" }, `Show ${tableName(at)}`);
    button.addEventListener("click", () => onTable(at));
    return button;
  });
  host.replaceChildren(
    make("p", {}, "Texts of this collection are not shown: its licence does not allow it, or they were not kept."),
    make("p", { class: "bar" }, ...links),
  );
}

function showTexts({ onTable }) {
  const host = byId("texts-list");
  const found = guessesOf(STATE.table);
  byId("texts-controls").hidden = found.length === 0;
  if (found.length === 0) {
    withoutTexts(host, onTable);
    return;
  }
  const releases = [...new Set(found.map(({ release }) => release))];
  const base = releases.find((release) => DATA.releases[release].undefended);
  const defenses = releases.map((release) => [FRONTIER.value(release, "defense"), shortDefense(FRONTIER.value(release, "defense"))]);
  // Without a choice the first defense is shown: what it takes from the attacker is the point.
  const usual = defenses.find(([defense]) => defense !== "none") || defenses[0];
  offer(byId("texts-defense"), defenses, STATE.defense || usual[0]);
  const release = releases[defenses.findIndex(([defense]) => defense === byId("texts-defense").value)];
  const own = found.filter((one) => one.release === release);
  offer(byId("texts-reader"), own.map((one) => [readerName(one), readerName(one)]), STATE.reader || readerName(own[0]));
  const chosen = own.find((one) => readerName(one) === byId("texts-reader").value) || own[0];
  const plainly = found.find((one) => one.release === base && one.attack === chosen.attack && one.sample === chosen.sample);
  const sample = DATA.texts.samples[chosen.sample];
  const isBase = release === base;
  host.replaceChildren(
    ...sample.originals.map((original, at) =>
      article(
        original,
        at + 1,
        plainly === undefined ? null : plainly.guesses[at],
        isBase && plainly !== undefined ? null : chosen.guesses[at],
        shortDefense(FRONTIER.value(release, "defense")),
      ),
    ),
    make("p", { class: "attribution" }, `Texts: ${sample.attribution}.`),
  );
}
