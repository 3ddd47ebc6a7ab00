// plot: lines over time, as SVG. Each line has a name at its end and a dash of its own, so that colour is not needed.
import {clock, el, svg, time} from "./dom.js";

const WIDTH = 440, HEIGHT = 170, LEFT = 52, RIGHT = 112, TOP = 12, BOTTOM = 24;
const DAY_MS = 86400000;
const LINES_MAX = 5; // the largest; more cannot be told from each other

// A round number at or above the largest.
function above(most) {
  if (most <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * step).find((n) => n >= most);
}

// lines: [{name, points: [[ms, value], …]}]; write(value): as text with its unit; the scale goes to `least` at least.
// Lines that are zero all the time are told in words, not drawn.
export function plot(title, lines, write, least = 1) {
  const most = (line) => Math.max(0, ...line.points.map(([, value]) => value));
  const told = lines.filter((line) => line.points.length > 1), flat = told.filter((line) => most(line) === 0);
  const shown = told.filter((line) => most(line) > 0).sort((a, b) => most(b) - most(a)).slice(0, LINES_MAX);
  const figure = el("figure", {class: "plot"}, el("figcaption", {}, title));
  if (!shown.length) {
    figure.append(el("p", {class: "wait"}, flat.length ? "Zero all the time." : "Not enough to draw yet."));
    return figure;
  }
  const all = shown.flatMap((line) => line.points), top = above(Math.max(least, ...all.map(([, value]) => value)));
  const from = Math.min(...all.map(([at]) => at)), to = Math.max(...all.map(([at]) => at));
  const x = (at) => LEFT + (WIDTH - LEFT - RIGHT) * (at - from) / Math.max(1, to - from);
  const y = (value) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
  const label = `${title}: ` + shown.map((line) => `${line.name} is ${write(line.points.at(-1)[1])} now, at most ${write(most(line))}`).join("; ");
  const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label});
  for (const part of [0, 0.5, 1]) {
    picture.append(svg("line", {class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(part * top), y2: y(part * top)}),
      svg("text", {class: "tick", x: LEFT - 6, y: y(part * top) + 4, "text-anchor": "end"}, write(part * top)));
  }
  const when = (at) => (to - from < DAY_MS ? clock(at) : time(at).slice(0, 16));
  picture.append(svg("text", {class: "tick", x: LEFT, y: HEIGHT - 6}, when(from)),
    svg("text", {class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end"}, when(to)));
  const ends = shown.map((line) => y(line.points.at(-1)[1]));
  const places = spread(ends);
  shown.forEach((line, at) => {
    const path = line.points.map(([when, value], i) => `${i ? "L" : "M"}${x(when).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    picture.append(svg("path", {class: `line line-${at}`, d: path}), svg("text", {class: `name line-${at}`, x: WIDTH - RIGHT + 6, y: places[at] + 4}, line.name));
  });
  const more = told.length - flat.length - shown.length;
  figure.append(picture);
  if (flat.length || more) figure.append(el("p", {class: "hint"}, [flat.length ? `${flat.length} others at zero all the time. ` : "", more ? `${more} smaller ones are not drawn.` : ""]));
  return figure;
}

// Names that would lie on each other are moved apart, in their order.
function spread(wanted) {
  const order = wanted.map((y, at) => [y, at]).sort((a, b) => a[0] - b[0]), places = [];
  let free = TOP;
  order.forEach(([y, at], i) => {
    const left = order.length - 1 - i;
    places[at] = Math.min(Math.max(y, free), HEIGHT - BOTTOM - left * 14);
    free = places[at] + 14;
  });
  return places;
}
