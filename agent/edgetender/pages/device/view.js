// How each part of the page looks: data in, elements out.
import { draw as svg } from "/page/charts.js";
import { h, size, table, time, word } from "/page/elements.js";

function pull(progress) {
  if (!progress) return null;
  const done = `${size(progress.doneBytes)} of ${progress.totalBytes ? size(progress.totalBytes) : "?"}`;
  const text = h("span", { class: "soft" }, `${done}, ${size(progress.bytesPerSecond)}/s`);
  if (!progress.totalBytes) return text;
  const bar = h("progress", { max: progress.totalBytes, value: progress.doneBytes, "aria-label": `fetched: ${done}` });
  return h("div", {}, bar, text);
}

function spark(values, label) {
  const most = Math.max(...values, 0.01);
  const points = values.map((value, i) => `${120 - values.length + i + 1},${23 - (22 * value) / most}`);
  return svg("svg", { class: "spark", viewBox: "0 0 120 24", role: "img", "aria-label": label }, svg("polyline", { points: points.join(" ") }));
}

function cpu(module, values) {
  if (module.cpu === null) return "–";
  const text = `${Math.round(module.cpu * 100)}\u00a0%`;
  return values.length > 1 ? [text, spark(values, `CPU, now ${text}`)] : text;
}

function why(module) {
  const ended = module.lastExit && module.state !== "running" ? module.lastExit : null;
  const lines = ended ? h("pre", {}, [`ended: ${ended.reason}`, ...ended.log.slice(-5)].join("\n")) : null;
  return [module.why || (module.pull ? "" : "–"), pull(module.pull), lines];
}

function head(status) {
  const up = status.upstream;
  const trip = up.roundTripSeconds == null ? "" : ` (rtt ${(up.roundTripSeconds * 1000).toFixed(up.roundTripSeconds < 0.01 ? 1 : 0)} ms)`;
  const line = up.endpoint === "none" ? "no upstream" : `${up.endpoint} ${up.connected ? `online${trip}` : `offline: ${up.detail}`}`;
  const version = status.version === null ? "nothing accepted yet" : `${status.deployment ?? ""} version ${status.version}`;
  const coming = status.candidate === null ? "" : ` → ${status.candidate}, not accepted yet`;
  return [
    h("h1", {}, status.device),
    h("p", { role: "status", "aria-live": "polite" }, word(status.health), ` · ${version}${coming}`),
    h("p", { class: "soft" }, `agent ${status.agent} · ${line} · ${up.queued} queued, ${up.dropped} dropped`),
    status.engine.down ? h("p", { class: "bad" }, `▲ engine: ${status.engine.down}`) : null,
    desired(status),
    ...paused(status).map((line) => h("p", { class: "mind" }, `! ${line}`)),
    ...status.notes.map((note) => h("p", { class: "mind" }, `! ${note}`)),
  ].filter(Boolean);
}

// What an operator holds, and what a new version waits for, each reason once.
function paused(status) {
  const until = (moment) => (moment ? ` until ${moment}` : "");
  const held = status.holds.map((hold) =>
    `${hold.module ?? "the device"} is held by ${hold.by}${until(hold.until)}${hold.reason ? `: ${hold.reason}` : ""}`);
  const reasons = new Set(Object.values(status.waits).map((shut) => `${shut.why}${until(shut.until)}`));
  return [...held, ...[...reasons].map((why) => `version ${status.candidate} waits: ${why}`)];
}

function desired(status) {
  const last = status.lastDesiredStatus;
  if (!last || [200, 406].includes(last.code)) return null;
  const problems = last.problems.map((one) => h("li", {}, `${one.path}: ${one.message}`));
  return h("div", { class: "bad" }, `▲ version ${status.lastDesiredVersion ?? "?"} (${last.code}): ${last.description}`,
    problems.length ? h("ul", {}, ...problems) : null);
}

function modules(status, samples) {
  const rows = status.modules.map((one) => [
    one.name, word(one.state), one.variant || "–", String(one.version ?? "–"), one.ready ? "yes" : "no",
    String(one.restarts), cpu(one, samples[one.name] ?? []), size(one.memoryBytes), time(one.since), why(one),
  ]);
  const heads = ["Module", "State", "Variant", "Version", "Ready", "Restarts", "CPU", "Memory", "Since", "Why"];
  return [h("h2", {}, "Modules"), rows.length ? table("Modules", heads, rows) : h("p", {}, "Nothing is deployed yet.")];
}

function plan(found) {
  const steps = [...found.steps, ...found.held.map((one) => `${one.module} waits: ${one.why}`)];
  return [
    h("h2", {}, "Plan"),
    steps.length ? h("ul", {}, ...steps.map((text) => h("li", {}, text))) : h("p", {}, "Nothing to do: it is as it should be."),
  ];
}

function checks(document) {
  const rows = document.checks.map((one) => [
    one.id, word(one.severity), [one.said, ["warn", "error"].includes(one.severity) ? remedy(one) : null],
  ]);
  return [h("h2", {}, "Checks"), rows.length ? table("Checks", ["Check", "State", "Found"], rows) : h("p", {}, "They run a minute after the start, or with ", h("code", {}, "edgetender check"), ".")];
}

function remedy(one) {
  return h("p", {}, h("span", { class: "soft" }, `${one.why} `), "Fix: ", h("code", {}, one.repair));
}

function variants(found) {
  const rows = found.map((one) => [`${one.module} / ${one.variant}`, word(one.verdict), one.because || "–"]);
  return rows.length ? [h("h2", {}, "Variants"), table("Variants", ["Variant", "Verdict", "Because"], rows)] : [];
}

function hardware(found) {
  const rows = found.map((one) => [one.name, one.value === null ? "unknown" : one.name.endsWith("_bytes") ? size(one.value) : String(one.value), one.detail || "–"]);
  return rows.length ? [h("h2", {}, "Hardware"), table("Hardware", ["Fact", "Value", "Detail"], rows)] : [];
}

function events(found) {
  const rows = [...found].reverse().map((one) => {
    const { id, type, device, at, log, ...said } = one;
    const told = Object.entries(said).filter(([, value]) => value !== null && value !== "");
    return [time(at), type, told.map(([key, value]) => `${key}: ${value}`).join(", ") || "–"];
  });
  return [h("h2", {}, "Events"), rows.length ? table("Events", ["When", "What", "Details"], rows) : h("p", {}, "Nothing happened since the agent started.")];
}

// [the section's id, what it depends on, how it is drawn]
export function draw(page, samples) {
  const { uptimeSeconds, modules: _, ...about } = page.status;
  return [
    ["head", about, () => head(page.status)],
    ["modules", page.status.modules, () => modules(page.status, samples)],
    ["plan", page.plan, () => plan(page.plan)],
    ["checks", page.checks, () => checks(page.checks)],
    ["variants", page.variants, () => variants(page.variants)],
    ["hardware", page.hardware, () => hardware(page.hardware)],
    ["events", page.events, () => events(page.events)],
  ];
}
