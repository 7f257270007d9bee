// How the last day looks: a strip of states, and lines that break where nothing is known.
import { h, size } from "/page/elements.js";

const KINDS = { running: "good", starting: "mind", pulling: "mind", waiting: "mind", stopped: "soft" };
const HIGH = 48;

function draw(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function picture(label, wide, high, ...children) {
  return draw("svg", { class: "trend", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...children);
}

// Equal neighbours are one piece: [value, first, count]
function runs(values) {
  const found = [];
  values.forEach((value, place) => {
    const last = found.at(-1);
    if (last && last[0] === value) last[2] += 1;
    else found.push([value, place, 1]);
  });
  return found;
}

function strip(states) {
  const known = states.filter((state) => state !== null);
  const well = known.filter((state) => state === "running").length;
  const label = known.length ? `running in ${Math.round((100 * well) / known.length)} % of the time that is known` : "nothing is known yet";
  const pieces = runs(states).filter(([state]) => state !== null)
    .map(([state, first, count]) => draw("rect", { class: KINDS[state] ?? "bad", x: first, y: 0, width: count, height: 10 }));
  return h("figure", {}, h("figcaption", {}, `Last 24 h: ${label}`), picture(label, states.length, 10, ...pieces));
}

function line(title, values, spelled) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const most = Math.max(...known);
  const label = `${title}: now ${spelled(known.at(-1))}, at most ${spelled(most)}`;
  const scale = (value) => HIGH - 1 - ((HIGH - 2) * value) / (most || 1);
  const pieces = runs(values.map((value) => value !== null)).filter(([here]) => here).map(([, first, count]) => {
    const part = values.slice(first, first + count);
    const points = (count === 1 ? [part[0], part[0]] : part).map((value, i) => `${first + i},${scale(value).toFixed(1)}`);
    return draw("polyline", { points: points.join(" ") });
  });
  return h("figure", {}, h("figcaption", {}, label), picture(label, values.length, HIGH, ...pieces));
}

const number = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2)).replace(/\.0$/, "");

function module(name, said) {
  const figures = [
    strip(said.state),
    line("Requests", said.requestsPerSecond, (value) => `${number(value)}/s`),
    line("Failed", said.errorsPerSecond, (value) => `${number(value)}/s`),
    line("Answers", said.meanMilliseconds, (value) => `${number(value)} ms`),
    line("CPU", said.cpu, (value) => `${Math.round(value * 100)} %`),
    line("Memory", said.memoryBytes, size),
  ];
  return h("div", { class: "trends" }, h("h3", {}, name), ...figures.filter(Boolean));
}

export function trends(document) {
  const found = Object.entries(document.modules);
  return found.length ? [h("h2", {}, "Last 24 hours"), ...found.map(([name, said]) => module(name, said))] : [];
}
