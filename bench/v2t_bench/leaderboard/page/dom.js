"use strict";

/* Elements made of strings that are never parsed as markup: a name is shown as it is spelled. */

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

/* Options of a select, kept at `chosen` where that is still offered. */
function offer(select, options, chosen) {
  select.replaceChildren(
    ...options.map(([value, label]) => make("option", { value }, label)),
  );
  const there = options.some(([value]) => value === chosen);
  select.value = there ? chosen : options.length ? options[0][0] : "";
  select.disabled = options.length < 2;
}

/* Told to screen readers once typing has paused, or every key would be answered. */
const announce = (() => {
  let waiting = 0;
  return (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      byId("status").textContent = text;
    }, 250);
  };
})();
