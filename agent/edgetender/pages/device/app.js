// Listens to the agent and shows what it says; a section is drawn again only when its part changed.
import { orders } from "/page/orders.js";
import { trends } from "/page/trends.js";
import { draw } from "/page/view.js";

const AGAIN_MS = 60000;

const link = document.getElementById("link");
const shown = {};
const samples = {};

function remember(status) {
  for (const module of status.modules) {
    const mine = (samples[module.name] ??= []);
    if (module.cpu !== null) mine.push(module.cpu);
    if (mine.length > 120) mine.shift();
  }
}

function show(page) {
  remember(page.status);
  for (const [id, part, nodes] of draw(page, samples)) {
    const text = JSON.stringify(part);
    if (shown[id] === text) continue;
    shown[id] = text;
    document.getElementById(id).replaceChildren(...nodes());
  }
  orders(page);
  document.title = `${page.status.device}: ${page.status.health}`;
  document.body.dataset.shown = String(Number(document.body.dataset.shown ?? 0) + 1);
}

const source = new EventSource("/v1/live");
source.addEventListener("page", (event) => {
  link.textContent = "";
  show(JSON.parse(event.data));
});
source.addEventListener("error", () => {
  link.textContent = "▲ The agent does not answer; what is shown below is old. It is asked again.";
});

async function remembered() {
  try {
    const answer = await fetch("/v1/trends");
    if (answer.ok) document.getElementById("trends").replaceChildren(...trends(await answer.json()));
  } catch {
    // the line above the modules says that nobody answers
  }
  setTimeout(remembered, AGAIN_MS);
}

remembered();
