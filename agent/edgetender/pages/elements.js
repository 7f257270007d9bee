// What every page is made of. Text is set as text, never as markup.

const MARKS = {
  running: ["●", "good"], starting: ["◐", "mind"], pulling: ["◐", "mind"], waiting: ["◌", "mind"],
  unhealthy: ["▲", "bad"], backoff: ["↻", "bad"], stopped: ["○", "soft"], blocked: ["✗", "bad"],
  ok: ["✓", "good"], warn: ["!", "mind"], error: ["✗", "bad"], skipped: ["–", "soft"],
  chosen: ["✓", "good"], eligible: ["○", "soft"], rejected: ["✗", "soft"], demoted: ["▲", "bad"],
  steady: ["✓", "good"], moved: ["!", "mind"], drifted: ["▲", "bad"],
  healthy: ["●", "good"], degraded: ["▲", "bad"], offline: ["○", "bad"], unknown: ["◌", "mind"], "engine down": ["▲", "bad"],
};

export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export function word(state) {
  const [mark, kind] = MARKS[state] ?? ["◌", "mind"];
  return h("span", { class: `word ${kind}` }, `${mark} ${state}`);
}

export function table(label, heads, rows) {
  const head = h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text))));
  const body = h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map(cell))));
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, h("table", {}, head, body));
}

function cell(content, place) {
  const inside = Array.isArray(content) ? content : [content];
  return place === 0 ? h("th", { scope: "row" }, ...inside) : h("td", inside.length > 1 ? { class: "wide" } : {}, ...inside);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (bytes >= 1024 && place < units.length - 1) { bytes /= 1024; place += 1; }
  return `${place ? bytes.toFixed(1) : bytes}\u00a0${units[place]}`;
}

export function time(text) {
  return text ? h("time", { datetime: text }, new Date(text).toLocaleString()) : "–";
}
