// How the fleet looks: data in, elements out.
import { h, table, time, word } from "/page/elements.js";

const MOST = 300; // rows: who has more devices looks for some

function counted(counts) {
  return Object.entries(counts).map(([what, count]) => `${what} on ${count}`).join(", ");
}

export function head(fleet) {
  const health = Object.entries(fleet.health).flatMap(([state, count]) => [` ${count} `, word(state)]);
  return [
    h("h1", {}, `Fleet of ${fleet.devices.length}`),
    h("p", { role: "status", "aria-live": "polite" }, ...(health.length ? health : ["No device has said anything yet."])),
    fleet.devices.length ? h("p", { class: "soft" }, `version ${counted(fleet.versions)} · agent ${counted(fleet.agents)}`) : null,
  ].filter(Boolean);
}

function version(one) {
  const now = String(one.version ?? "–");
  return one.desiredVersion === null || one.desiredVersion === one.version ? now : `${now} → ${one.desiredVersion} (${one.desiredCode})`;
}

function states(one) {
  const said = Object.entries(one.modules).flatMap(([name, state]) => [h("span", {}, `${name} `), word(state), " "]);
  return said.length ? said : ["–"];
}

export function devices(fleet, search) {
  const wanted = search.trim().toLowerCase();
  const found = fleet.devices.filter((one) => JSON.stringify(one).toLowerCase().includes(wanted));
  const rows = found.slice(0, MOST).map((one) => [
    one.name, word(one.health), version(one), states(one), one.trouble || "–", one.agent || "–", time(one.since),
  ]);
  const more = found.length - rows.length;
  return [
    rows.length ? table("Devices", ["Device", "Health", "Version", "Modules", "Trouble", "Agent", "Since"], rows) : h("p", {}, "None."),
    more > 0 ? h("p", { class: "soft" }, `and ${more} more: name what you look for above`) : null,
  ].filter(Boolean);
}
