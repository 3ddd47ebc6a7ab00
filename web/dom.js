// dom: elements made by code, never from text, and how numbers and times are written: as the command writes them.

// el("td", {class: "bad", onclick: f}, "text", child, …): null and false children are left out.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  put(element, attributes, children);
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  put(element, attributes, children);
  return element;
}

function put(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

export const byId = (id) => document.getElementById(id);

// What has the focus keeps it: elements that are drawn anew are found again by their data-key.
export function replace(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({preventScroll: true});
}

export function table(caption, heads, rows) {
  const head = heads.map((text) => el("th", {scope: "col", class: text.startsWith(">") ? "number" : null}, text.replace(/^>/, "")));
  const body = rows.map((row) => el("tr", {class: row.class || null}, row.cells.map((cell, at) => {
    const label = heads[at].replace(/^>/, "");
    const kind = {class: heads[at].startsWith(">") ? "number" : null, "data-label": label};
    return at === 0 ? el("th", {scope: "row", ...kind}, cell) : el("td", kind, cell);
  })));
  return el("div", {class: "scroll"}, el("table", {class: "list"}, el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

export function duration(ms) {
  const s = Math.trunc(ms / 1000), whole = Math.trunc;
  if (ms < 1000) return `${whole(ms)}ms`;
  if (s < 60) return `${(ms / 1000).toFixed(1)}s`;
  if (s < 3600) return `${whole(s / 60)}m ${s % 60}s`;
  if (s < 86400) return `${whole(s / 3600)}h ${whole(s / 60) % 60}m`;
  return `${whole(s / 86400)}d ${whole(s / 3600) % 24}h`;
}

const two = (n) => String(n).padStart(2, "0");
export function time(ms) {
  if (!ms) return "never";
  const t = new Date(ms);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(ms)}`;
}
export function clock(ms) {
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export const number = (n) => n.toLocaleString("en", {maximumFractionDigits: 0}).replaceAll(",", " ");
export const count = (shard, name) => (shard[`${name}_at_least`] ? ">= " : "") + number(shard[name]);
export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at++; }
  return `${at && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}
