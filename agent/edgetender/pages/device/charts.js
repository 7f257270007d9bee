// The lines of the page: they break where nothing is known.
import { h } from "/page/elements.js";

const HIGH = 48;

export function draw(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function picture(label, wide, high, ...children) {
  return draw("svg", { class: "trend", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...children);
}

// Equal neighbours are one piece: [value, first, count]
export function runs(values) {
  const found = [];
  values.forEach((value, place) => {
    const last = found.at(-1);
    if (last && last[0] === value) last[2] += 1;
    else found.push([value, place, 1]);
  });
  return found;
}

// The picture of *values* between *low* and *high*, with a dashed line at *limit* where there is one.
export function plot(label, values, low, high, limit = null) {
  const scale = (value) => (HIGH - 1 - ((HIGH - 2) * (value - low)) / (high - low || 1)).toFixed(1);
  const pieces = runs(values.map((value) => value !== null)).filter(([here]) => here).map(([, first, count]) => {
    const part = values.slice(first, first + count);
    const points = (count === 1 ? [part[0], part[0]] : part).map((value, i) => `${first + i},${scale(value)}`);
    return draw("polyline", { points: points.join(" ") });
  });
  const marked = limit === null ? [] : [draw("line", { x1: 0, x2: values.length, y1: scale(limit), y2: scale(limit) })];
  return picture(label, values.length, HIGH, ...marked, ...pieces);
}

export function line(title, values, spelled) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const most = Math.max(...known);
  const label = `${title}: now ${spelled(known.at(-1))}, at most ${spelled(most)}`;
  return h("figure", {}, h("figcaption", {}, label), plot(label, values, 0, most));
}

export const number = (value, digits = 2) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(digits))));
export const percent = (value) => `${Math.round(value * 100)} %`;
