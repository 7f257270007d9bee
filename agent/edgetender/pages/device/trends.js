// How the last day looks: of each module a strip of its states and its lines, then the device and its GPUs.
import { draw, line, number, percent, picture, runs } from "/page/charts.js";
import { drift } from "/page/drift.js";
import { h, size } from "/page/elements.js";

const KINDS = { running: "good", starting: "mind", pulling: "mind", waiting: "mind", stopped: "soft" };

function strip(states) {
  const known = states.filter((state) => state !== null);
  const well = known.filter((state) => state === "running").length;
  const label = known.length ? `running in ${Math.round((100 * well) / known.length)} % of the time that is known` : "nothing is known yet";
  const pieces = runs(states).filter(([state]) => state !== null)
    .map(([state, first, count]) => draw("rect", { class: KINDS[state] ?? "bad", x: first, y: 0, width: count, height: 10 }));
  return h("figure", {}, h("figcaption", {}, `Last 24 h: ${label}`), picture(label, states.length, 10, ...pieces));
}

function group(name, figures) {
  const known = figures.filter(Boolean);
  return known.length ? h("div", { class: "trends" }, h("h3", {}, name), ...known) : null;
}

function module(name, said) {
  return group(name, [
    strip(said.state),
    line("Requests", said.requestsPerSecond, (value) => `${number(value)}/s`),
    line("Failed", said.errorsPerSecond, (value) => `${number(value)}/s`),
    line("Mean answer", said.meanMilliseconds, (value) => `${number(value)} ms`),
    line("95 % of answers begin within", said.p95Milliseconds, (value) => `${number(value)} ms`),
    line("CPU", said.cpu, percent),
    line("Memory", said.memoryBytes, size),
  ]);
}

function machine(name, busy, said) {
  return group(name, [
    line(busy, said.busy, percent),
    line("Memory in use", said.memoryBytes, size),
    line("Temperature", said.celsius, (value) => `${Math.round(value)} °C`),
  ]);
}

export function trends(document) {
  const found = [
    ...Object.entries(document.modules).flatMap(([name, said]) => [module(name, said), ...drift(name, document)]),
    document.device && machine("This device", "CPU, of all cores", document.device),
    ...Object.entries(document.gpus).map(([card, said]) => machine(card, "Busy", said)),
  ].filter(Boolean);
  return found.length ? [h("h2", {}, "Last 24 hours"), ...found] : [];
}
