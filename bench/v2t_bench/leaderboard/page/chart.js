"use strict";

/* The frontier: search kept against text read, one mark a defense. */

const SHAPES = {
  additive: "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
  lossy: "M-4.6,-4.6H4.6V4.6H-4.6Z",
  keyed: "M0,-6L5.6,4.4H-5.6Z",
  mask: "M0,-6.4L6.4,0L0,6.4L-6.4,0Z",
  opaque: "M-5.5,-2H-2V-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5Z",
  other: "M0,6L5.6,-4.4H-5.6Z",
  undefended: "M0,-9L2.2,-3L8.6,-2.8L3.6,1.2L5.3,7.3L0,3.8L-5.3,7.3L-3.6,1.2L-8.6,-2.8L-2.2,-3Z",
};
const KEPT_TICKS = [1, 0, 0.5, 0.9, 0.95, 0.8, 0.98, 0.25, 0.7, 0.99, 0.6, 1.02, 1.05, 1.1, 1.2, 1.5, 2];
const BEYOND = 1.008; // some defenses rank a little better than none

function looksOf({ undefended, family }) {
  const name = undefended ? "undefended" : Object.hasOwn(SHAPES, family) ? family : "other";
  return { name, shape: SHAPES[name] };
}

/* Half of the axis is for what is above 0.75: there the choices are made. */
function keptScale(points, left, right) {
  const kept = points.map((point) => point.kept);
  const beyond = Math.max(BEYOND, Math.max(...kept, 0) + 0.004);
  const least = Math.min(...kept, 0.9) - 0.01;
  const low = Math.max(0, ...[0, 0.25, 0.5, 0.6, 0.7, 0.8].filter((tick) => tick <= least));
  const drawn = (value) => -Math.sqrt(Math.max(beyond - value, 0));
  const from = drawn(low);
  const scale = (value) => left + ((drawn(Math.max(value, low)) - from) / (0 - from)) * (right - left);
  const ticks = [];
  for (const tick of KEPT_TICKS) {
    const apart = ticks.every((other) => Math.abs(scale(other) - scale(tick)) >= 44);
    if (tick >= low && tick <= beyond && apart) {
      ticks.push(tick);
    }
  }
  return { scale, ticks };
}

function readScale(points, floor, top, bottom) {
  const highest = Math.max(5, floor || 0, ...points.map(({ read, high }) => Math.max(read, high || 0)));
  const step = [1, 2, 5, 10, 20, 25].find((size) => highest / size <= 7) || 25;
  const end = Math.ceil((highest * 1.06) / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, at) => at * step);
  return { scale: (value) => bottom - (Math.max(value, 0) / end) * (bottom - top), ticks };
}

function drawAxes(box, kept, read) {
  const middle = (box.left + box.right) / 2;
  const group = draw("g", { class: "axes", "aria-hidden": "true" });
  for (const tick of kept.ticks) {
    const x = kept.scale(tick);
    group.append(
      draw("line", { class: tick === 1 ? "grid whole" : "grid", x1: x, x2: x, y1: box.top, y2: box.bottom }),
      draw("text", { x, y: box.bottom + 16, "text-anchor": "middle" }, `${Math.round(100 * tick)} %`),
    );
  }
  for (const tick of read.ticks) {
    const y = read.scale(tick);
    group.append(
      draw("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
      draw("text", { x: box.left - 7, y: y + 4, "text-anchor": "end" }, String(tick)),
    );
  }
  const up = (box.top + box.bottom) / 2;
  group.append(
    draw("text", { class: "title", x: middle, y: box.bottom + 36, "text-anchor": "middle" }, "search kept (NDCG@10) →"),
    draw(
      "text",
      { class: "title", x: 13, y: up, "text-anchor": "middle", transform: `rotate(-90 13 ${up})` },
      "text read (bleu_norm) →",
    ),
  );
  return group;
}

/* From the right: nothing that keeps more is read less until the next point to the left. */
function drawFront(points, kept, read) {
  const line = [...points].sort((one, other) => other.kept - one.kept || one.read - other.read);
  const steps = line.map(({ kept: share, read: value }, at) => {
    const x = kept.scale(share).toFixed(1);
    const y = read.scale(value).toFixed(1);
    return at === 0 ? `M${x},${y}` : `H${x}V${y}`;
  });
  return draw("path", { class: "front", d: steps.join(""), "aria-hidden": "true" });
}

function drawFloor(floor, box, read) {
  const y = read.scale(floor);
  return draw(
    "g",
    { class: "floor", "aria-hidden": "true" },
    draw("line", { x1: box.left, x2: box.right, y1: y, y2: y }),
    draw("text", { x: box.left + 5, y: y - 5 }, "nearest public text"),
  );
}

function spokenPoint(point) {
  const interval = between(point.low, point.high, 1);
  const flags = flagsOf(FRONTIER.value(point.release, "flags")).map((flag) => flagWords(flag)[0]);
  return [
    point.undefended ? "no defense" : point.defense,
    `search kept ${percent(point.kept)}`,
    `text read ${told(point.read, 1)}${interval === MISSING ? "" : `, interval ${interval}`}`,
    `by ${point.attack}, ${point.threat}`,
    ...flags,
  ].join("; ");
}

function drawPoint(point, kept, read, isOnFront) {
  const x = kept.scale(point.kept);
  const y = read.scale(point.read);
  const { name, shape } = looksOf(point);
  const whiskers = [];
  if (typeof point.low === "number" && typeof point.high === "number") {
    const [from, to] = [read.scale(point.low), read.scale(point.high)];
    whiskers.push(draw("path", { class: "whisker", d: `M${x},${from}V${to}M${x - 3},${from}h6M${x - 3},${to}h6` }));
  }
  if (typeof point.keptLow === "number" && typeof point.keptHigh === "number" && !point.undefended) {
    const [from, to] = [kept.scale(point.keptLow), kept.scale(point.keptHigh)];
    whiskers.push(draw("path", { class: "whisker across", d: `M${from},${y}H${to}M${from},${y - 3}v6M${to},${y - 3}v6` }));
  }
  return draw(
    "g",
    {
      class: `point ${name}${isOnFront ? " on-front" : ""}`,
      role: "option",
      tabindex: "-1",
      "aria-selected": "false",
      "aria-label": spokenPoint(point),
      "data-release": point.release,
    },
    ...whiskers,
    draw("circle", { class: "hit", cx: x, cy: y, r: 12 }),
    draw("circle", { class: "ring", cx: x, cy: y, r: 10 }),
    draw("path", { class: "mark", d: shape, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }),
  );
}

/* Marks lie in the order of the keyboard; what lies on the star must not hide it. */
function outlineOfStar(points, kept, read) {
  return points
    .filter(({ undefended }) => undefended)
    .map((point) => {
      const place = `translate(${kept.scale(point.kept).toFixed(1)} ${read.scale(point.read).toFixed(1)})`;
      return draw("path", { class: "star", d: SHAPES.undefended, transform: place, "aria-hidden": "true" });
    });
}

function drawLabels(points, front, box, kept, read, taken) {
  const first = ({ undefended, release }) => (undefended ? 0 : front.has(release) ? 1 : 2);
  const marks = points
    .map((point) => ({ x: kept.scale(point.kept), y: read.scale(point.read), name: point.name, rank: first(point) }))
    .sort((one, other) => one.rank - other.rank || other.x - one.x);
  const places = placeLabels(marks, box, taken).filter((place) => place !== null);
  const texts = places.map(({ x, y, anchor, text }) => draw("text", { x, y, "text-anchor": anchor }, text));
  return draw("g", { class: "labels", "aria-hidden": "true" }, ...texts);
}

/* Arrow keys go from mark to mark in the order of search kept; one mark is in the tab order. */
function moveBetween(nodes, event) {
  const at = nodes.indexOf(document.activeElement);
  const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
  const to = event.key === "Home" ? 0 : event.key === "End" ? nodes.length - 1 : at + (moves[event.key] || 0);
  if (at < 0 || (to === at && !["Home", "End"].includes(event.key))) {
    return;
  }
  event.preventDefault();
  nodes[Math.min(Math.max(to, 0), nodes.length - 1)].focus();
}

function drawChart(host, points, { attack, threat, chosen, onChoose }) {
  const width = Math.max(host.clientWidth, 260);
  const height = width < 560 ? 340 : 440;
  const box = { left: 48, right: width - 14, top: 12, bottom: height - 46 };
  const floor = floorOf(points);
  const drawn = points.filter(isDrawn);
  const front = frontOf(drawn, attack, threat);
  const onFront = new Set(front.map(({ release }) => release));
  const kept = keptScale(drawn, box.left, box.right);
  const read = readScale(drawn, floor, box.top, box.bottom);
  const sorted = [...drawn].sort((one, other) => one.kept - other.kept || other.read - one.read);
  const nodes = sorted.map((point) => drawPoint(point, kept, read, onFront.has(point.release)));
  const list = draw("g", { role: "listbox", "aria-label": "Defenses, by search kept", "aria-describedby": "chart-summary" }, ...nodes);
  const choose = (node) => {
    for (const one of nodes) {
      one.setAttribute("aria-selected", String(one === node));
      one.setAttribute("tabindex", one === node ? "0" : "-1");
    }
    onChoose(sorted[nodes.indexOf(node)]);
  };
  nodes.forEach((node) => {
    node.addEventListener("pointerenter", () => choose(node));
    node.addEventListener("click", () => node.focus());
    node.addEventListener("focus", () => choose(node));
  });
  list.addEventListener("keydown", (event) => moveBetween(nodes, event));
  const taken = [];
  const floorLine = [];
  if (floor !== null) {
    const y = read.scale(floor);
    taken.push({ left: box.left, right: box.left + 125, top: y - 18, bottom: y + 2 });
    floorLine.push(drawFloor(floor, box, read));
  }
  host.replaceChildren(
    draw(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-labelledby": "chart-title" },
      drawAxes(box, kept, read),
      ...floorLine,
      drawFront(front, kept, read),
      drawLabels(drawn, onFront, box, kept, read, taken),
      ...(nodes.length === 0 ? [] : [list]),
      ...outlineOfStar(drawn, kept, read),
    ),
  );
  const first = sorted.findIndex(({ release }) => release === chosen);
  const usual = first >= 0 ? first : sorted.findIndex(({ undefended }) => undefended);
  if (nodes.length > 0) {
    choose(nodes[Math.max(usual, 0)]);
  }
  return { drawn, front, floor, missing: points.filter((point) => !isDrawn(point)) };
}
