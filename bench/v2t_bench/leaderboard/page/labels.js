"use strict";

/* Where names of points can stand without covering a point or each other. */

const CHARACTER = 6.1; // pixels, of the chart's small type; a little wide rather than narrow
const LINE = 13;
const LONGEST = 26;

function shortened(name) {
  return name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
}

function overlap(one, other) {
  return one.left < other.right && one.right > other.left && one.top < other.bottom && one.bottom > other.top;
}

/* Places for the names of `marks` ({x, y, name}), first come first served; null: none is free. */
function placeLabels(marks, box, taken = []) {
  // More than the first hundred find no place in any case.
  const named = marks.slice(0, 100);
  const occupied = marks.map(({ x, y }) => ({ left: x - 7, right: x + 7, top: y - 7, bottom: y + 7 }));
  occupied.push(...taken);
  return named.map(({ x, y, name }) => {
    const width = shortened(name).length * CHARACTER;
    const choices = [
      [x + 9, y - 4, "start"],
      [x - 9, y - 4, "end"],
      [x + 9, y + 12, "start"],
      [x - 9, y + 12, "end"],
      [x, y - 11, "middle"],
      [x, y + 20, "middle"],
    ];
    for (const [left, baseline, anchor] of choices) {
      const start = anchor === "start" ? left : anchor === "end" ? left - width : left - width / 2;
      const area = { left: start, right: start + width, top: baseline - LINE + 3, bottom: baseline + 3 };
      const inside = area.left >= box.left && area.right <= box.right && area.top >= box.top && area.bottom <= box.bottom;
      if (inside && !occupied.some((other) => overlap(area, other))) {
        occupied.push(area);
        return { x: left, y: baseline, anchor, text: shortened(name) };
      }
    }
    return null;
  });
}
