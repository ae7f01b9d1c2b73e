"use strict";

/* A table that sorts and turns pages: only the rows of one page are ever in the document. */

const SIZES = [20, 50, 100, 250];

function shownColumns(source) {
  const wanted = new Set(["always"]);
  if (STATE.scope === "all") {
    wanted.add("table");
  }
  if (STATE.columns === "all") {
    wanted.add("table").add("wide");
  }
  return source.columns.filter(({ shown }) => wanted.has(shown));
}

function sortedRows(source, rows, sort) {
  const descending = sort.startsWith("-");
  const name = descending ? sort.slice(1) : sort;
  if (!source.columns.some((column) => column.name === name)) {
    return rows;
  }
  const keys = new Map(rows.map((row) => [row, source.order(row, name)]));
  return [...rows].sort((one, other) => {
    const [mine, theirs] = [keys.get(one), keys.get(other)];
    // What is missing stands last either way: it is neither the best nor the worst.
    if (mine === null || theirs === null) {
      return (mine === null) - (theirs === null) || one - other;
    }
    return (descending ? theirs - mine : mine - theirs) || one - other;
  });
}

function flagChips(text) {
  return flagsOf(text).map((flag) => {
    const [label, meaning] = flagWords(flag);
    return make("span", { class: "flag", title: meaning }, label);
  });
}

function spaced(parts) {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [" ", part]));
}

function contentOf(source, row, column) {
  const value = source.value(row, column.name);
  if (column.kind === "flags") {
    return spaced(flagChips(value));
  }
  if (column.kind === "answer") {
    return [answer(value)];
  }
  if (column.kind === "number") {
    const interval = column.low === undefined ? MISSING : between(source.value(row, column.low), source.value(row, column.high), column.digits || 0);
    const number = told(value, column.digits || 0);
    const best = flagsOf(source.value(row, "best")).includes(column.name);
    const main = best ? make("strong", {}, number, make("span", { class: "unseen" }, " (best)")) : number;
    return interval === MISSING ? [main] : [main, " ", make("span", { class: "interval" }, interval)];
  }
  if (value === null) {
    return [MISSING];
  }
  const short = column.name === "attack" || column.name === "worst_attack" ? shortAttack(value) : column.name === "defense" ? shortDefense(value) : String(value);
  return short === value ? breakable(short) : [make("span", { title: value }, ...breakable(short))];
}

/* A long spelling is broken between its parameters. */
function breakable(text) {
  return text.split(/(?<=[,+])/).flatMap((part, at) => (at === 0 ? [part] : [make("wbr"), part]));
}

function longestPart(text) {
  return Math.max(...text.split(/[,+\s]/).map((part) => part.length));
}

/* Only what could not stand in a column otherwise is broken within words. */
function textClass(value, name) {
  return ["cell_ids", "plugins"].includes(name) ? "long" : longestPart(String(value)) > 30 ? "broken" : undefined;
}

function cellOf(source, row, column) {
  const content = contentOf(source, row, column);
  if (column.name === "defense") {
    return make("th", { scope: "row", class: textClass(source.value(row, "defense"), column.name) }, ...content);
  }
  const kinds = { number: "number", flags: "flags", answer: "answer" };
  return make("td", { class: kinds[column.kind] || textClass(source.value(row, column.name), column.name) }, ...content);
}

function makeGrid({ id, source, label, onChange }) {
  const sortName = `${id}.sort`;
  const pageName = `${id}.page`;
  const head = make("tr");
  const body = make("tbody");
  const caption = make("caption", {});
  const table = make("table", { id: `${id}-grid` }, caption, make("thead", {}, head), body);
  const scroll = make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);
  const told = make("span", { class: "told" });
  const back = make("button", { type: "button" }, "Previous");
  const forth = make("button", { type: "button" }, "Next");
  const size = make("select", { id: `${id}-size` }, ...SIZES.map((rows) => make("option", { value: rows }, `${rows}`)));
  const save = make("button", { type: "button", id: `${id}-csv` }, "Download these rows (CSV)");
  const bar = make(
    "div",
    { class: "bar" },
    told,
    back,
    forth,
    make("label", { for: `${id}-size` }, "rows a page "),
    size,
    save,
  );
  byId(id).replaceChildren(bar, scroll);
  let columns = [];
  let rows = [];

  function sortBy(column) {
    const natural = column.kind === "number" ? `-${column.name}` : column.name;
    const other = column.kind === "number" ? column.name : `-${column.name}`;
    STATE[sortName] = STATE[sortName] === natural ? other : natural;
    STATE[pageName] = 0;
    onChange(id);
    const way = STATE[sortName].startsWith("-") ? "descending" : "ascending";
    announce(`${label} sorted by ${column.label}, ${way}`);
  }

  function setColumns(next) {
    // A header that is made anew would lose the keyboard's place.
    if (next.map(({ name }) => name).join() !== columns.map(({ name }) => name).join()) {
      columns = next;
      head.replaceChildren(
        ...columns.map((column) => {
          const button = make("button", { type: "button", title: column.what }, column.label);
          button.addEventListener("click", () => sortBy(column));
          return make("th", { scope: "col", class: column.kind === "number" ? "number" : undefined, "data-column": column.name }, button);
        }),
      );
    }
    for (const [at, { name }] of columns.entries()) {
      const sort = STATE[sortName];
      const way = sort === name ? "ascending" : sort === `-${name}` ? "descending" : null;
      if (way === null) {
        head.children[at].removeAttribute("aria-sort");
      } else {
        head.children[at].setAttribute("aria-sort", way);
      }
    }
  }

  function turn(by) {
    STATE[pageName] += by;
    onChange(id);
    announce(told.textContent);
  }

  back.addEventListener("click", () => turn(-1));
  forth.addEventListener("click", () => turn(1));
  size.addEventListener("change", () => {
    STATE.size = Number(size.value);
    STATE["frontier.page"] = 0;
    STATE["rows.page"] = 0;
    onChange();
  });
  save.addEventListener("click", () => download(`${id}.csv`, csvText(source, rows)));

  return {
    update(filtered, title) {
      setColumns(shownColumns(source));
      rows = sortedRows(source, filtered, STATE[sortName]);
      const pages = Math.max(1, Math.ceil(rows.length / STATE.size));
      STATE[pageName] = Math.min(STATE[pageName], pages - 1);
      const from = STATE[pageName] * STATE.size;
      const page = rows.slice(from, from + STATE.size);
      body.replaceChildren(...page.map((row) => make("tr", {}, ...columns.map((column) => cellOf(source, row, column)))));
      if (page.length === 0) {
        body.append(make("tr", {}, make("td", { class: "none", colspan: columns.length }, "No row agrees with the filters.")));
      }
      caption.textContent = title;
      told.textContent = rows.length === 0 ? "0 rows" : `${from + 1} to ${from + page.length} of ${rows.length} rows`;
      back.disabled = STATE[pageName] === 0;
      forth.disabled = STATE[pageName] >= pages - 1;
      size.value = String(STATE.size);
      save.disabled = rows.length === 0;
    },
  };
}
