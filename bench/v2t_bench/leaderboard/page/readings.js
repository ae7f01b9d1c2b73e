"use strict";

/* What is drawn of each release of a table: search kept, and what is read under a choice. */

const SILENT = "silent";

function releasesOf(table) {
  return DATA.releases.flatMap((release, at) => (release.table === table ? [at] : []));
}

function readingsOf(release, attack, threat) {
  const { readings, undefended } = DATA.releases[release];
  // Where nothing is defended there is nothing to adapt to: whoever would is oblivious there.
  const wanted = undefended && threat.startsWith("adaptive") ? "oblivious" : threat;
  return readings.filter(
    ([name, knowing]) => (attack === "" || name === attack) && (wanted === "" || knowing === wanted),
  );
}

function worstOfAll(release) {
  const read = FRONTIER.value(release, "worst_bleu_norm");
  return {
    read,
    low: FRONTIER.value(release, "worst_lo"),
    high: FRONTIER.value(release, "worst_hi"),
    attack: shortAttack(FRONTIER.value(release, "worst_attack") || ""),
    threat: FRONTIER.value(release, "worst_threat") || "",
  };
}

/* The strongest of the readings that a choice allows; none where one of them is missing. */
function chosenReading(release, attack, threat, required) {
  if (attack === "" && threat === "") {
    return worstOfAll(release);
  }
  const found = readingsOf(release, attack, threat);
  const names = new Set(found.map(([name]) => name));
  const lacking = attack === "" && required.some((name) => !names.has(name));
  if (found.length === 0 || lacking || found.some(([, , value]) => value === null)) {
    return { read: null, low: null, high: null, attack: "", threat: "" };
  }
  const [name, knowing, read, low, high] = found.reduce((best, one) => (one[2] > best[2] ? one : best));
  return { read, low, high, attack: name, threat: knowing };
}

/* Attacks without which a worst case would only tell what was not tried. */
function requiredAttacks(table, threat) {
  const found = new Set();
  for (const release of releasesOf(table)) {
    for (const [name] of readingsOf(release, "", threat)) {
      if (name !== SILENT) {
        found.add(name);
      }
    }
  }
  return [...found];
}

function pointsOf(table, attack, threat) {
  const required = attack === "" && threat !== "" ? requiredAttacks(table, threat) : [];
  return releasesOf(table).map((release) => ({
    release,
    defense: FRONTIER.value(release, "defense"),
    name: shortDefense(FRONTIER.value(release, "defense")),
    family: DATA.releases[release].family,
    undefended: DATA.releases[release].undefended,
    kept: FRONTIER.value(release, "ndcg_kept"),
    keptLow: FRONTIER.value(release, "kept_lo"),
    keptHigh: FRONTIER.value(release, "kept_hi"),
    ...chosenReading(release, attack, threat, required),
  }));
}

function isDrawn({ kept, read }) {
  return typeof kept === "number" && typeof read === "number";
}

/* The points that no other one beats in both: of the worst case the board itself says which. */
function frontOf(points, attack, threat) {
  if (attack === "" && threat === "") {
    return points.filter(({ release }) => FRONTIER.value(release, "pareto") === true);
  }
  const sorted = [...points].sort((one, other) => other.kept - one.kept || one.read - other.read);
  const front = [];
  for (const point of sorted) {
    const last = front.at(-1);
    // Equals of a point of the front are not beaten either.
    if (last === undefined || point.read < last.read || (point.read === last.read && point.kept === last.kept)) {
      front.push(point);
    }
  }
  return front;
}

/* What looking up a similar public text gets of the undefended vectors. */
function floorOf(points) {
  const base = points.find(({ undefended }) => undefended);
  if (base === undefined) {
    return null;
  }
  const found = DATA.releases[base.release].readings.filter(
    ([name, threat, value]) => /^nearest($|:)/.test(name) && threat === "oblivious" && value !== null,
  );
  return found.length === 0 ? null : Math.max(...found.map(([, , value]) => value));
}
