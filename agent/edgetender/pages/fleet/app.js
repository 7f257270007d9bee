// Asks for the fleet again and again; what did not change is not sent again, and not drawn again.
import { devices, head } from "/page/view.js";

const AGAIN_MS = 2000;
const link = document.getElementById("link");
const search = document.getElementById("search");
let fleet = null;
let tag = "";

function show() {
  document.getElementById("head").replaceChildren(...head(fleet));
  document.getElementById("devices").replaceChildren(...devices(fleet, search.value));
  document.title = `Fleet: ${Object.entries(fleet.health).map(([health, count]) => `${count} ${health}`).join(", ") || "nobody yet"}`;
  document.body.dataset.shown = String(Number(document.body.dataset.shown ?? 0) + 1);
}

async function ask() {
  try {
    const answer = await fetch("/v1/fleet", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.status === 200) {
      fleet = await answer.json();
      tag = answer.headers.get("ETag") ?? "";
      show();
    }
    link.textContent = fleet.brokerConnected ? "" : "▲ The broker does not answer; what is shown below is old.";
  } catch {
    link.textContent = "▲ No answer; what is shown below is old. It is asked again.";
  }
  setTimeout(ask, AGAIN_MS);
}

search.addEventListener("input", () => fleet && show());
ask();
