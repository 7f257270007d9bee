// How far requests drifted from what a model was made for, where its module says so: each feature, the worst first.
import { number, plot } from "/page/charts.js";
import { h, table, word } from "/page/elements.js";

const figure = (value) => number(value, 3);
const MOVED = 0.1;
const DRIFTED = 0.25;

function judged(psi) {
  if (psi === null) return "too few rows";
  return psi > DRIFTED ? "drifted" : psi >= MOVED ? "moved" : "steady";
}

// What was told of hours, by the buckets of the day
function spread(told, key, document) {
  const begin = Date.parse(document.from);
  const place = (moment) => Math.floor((Date.parse(moment) - begin) / (document.bucketSeconds * 1000));
  const values = Array(86400 / document.bucketSeconds).fill(null);
  for (const one of told) values.fill(one[key], Math.max(0, place(one.from)), Math.max(0, place(one.to)) + 1);
  return values;
}

function chart(label, values, ...bounds) {
  const known = values.filter((value) => value !== null);
  return known.length ? plot(label, values, Math.min(...known, ...bounds), Math.max(...known, ...bounds), bounds.at(-1) ?? null) : "";
}

function row(feature, told, document) {
  const last = told.at(-1);
  const psi = last.psi === null ? "–" : figure(last.psi);
  return [
    feature, word(judged(last.psi)),
    [psi, chart(`PSI of ${feature}, now ${psi}`, spread(told, "psi", document), 0, DRIFTED)],
    [figure(last.mean), chart(`Mean of ${feature}, now ${figure(last.mean)}`, spread(told, "mean", document))],
    figure(last.stddev), String(last.rows),
  ];
}

export function drift(module, document) {
  const features = Object.entries(document.drift[module] ?? {});
  if (!features.length) return [];
  features.sort(([, one], [, other]) => (other.at(-1).psi ?? -1) - (one.at(-1).psi ?? -1));
  const heads = ["Feature", "Drift", "PSI", "Mean", "Deviation", "Rows"];
  return [
    h("h4", {}, `Drift of what ${module} is asked`),
    h("p", { class: "soft" }, "PSI against the packaged baseline: below 0.1 nothing moved, above 0.25 (dashed) something did. Figures are of the hour told last."),
    table(`Drift of ${module}`, heads, features.map(([feature, told]) => row(feature, told, document))),
  ];
}
