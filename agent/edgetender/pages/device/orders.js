// The few orders that the page gives, where the agent has a token for it. It is kept nowhere: a reload forgets it.
import { h } from "/page/elements.js";

const token = h("input", { id: "token", type: "password", autocomplete: "off", size: "34" });
const module = h("select", { id: "module" });
const answer = h("p", { id: "answer", role: "status" });

async function order(path, said, what) {
  const headers = { Authorization: `Bearer ${token.value.trim()}`, "Content-Type": "application/json" };
  answer.textContent = `${what} …`;
  try {
    const got = await fetch(path, { method: "POST", headers, body: JSON.stringify(said) });
    answer.textContent = got.ok ? `✓ ${what}: taken; what comes of it is shown above` : `✗ ${(await got.json()).error.message}`;
  } catch {
    answer.textContent = `✗ ${what}: the agent does not answer`;
  }
}

function button(what, act) {
  const made = h("button", { type: "button" }, what);
  made.addEventListener("click", act);
  return made;
}

function section() {
  const restarted = () => order(`/v1/modules/${encodeURIComponent(module.value)}/restart`, {}, `Restart ${module.value}`);
  return [
    h("h2", {}, "Orders"),
    h("p", {}, h("label", { for: "token" }, "Token "), token),
    h("p", {}, h("label", { for: "module" }, "Module "), module, " ", button("Restart", restarted)),
    h("p", {}, "The device: ",
      button("Check now", () => order("/v1/checks", {}, "Check")), " ",
      button("Hold", () => order("/v1/hold", { reason: "from the page" }, "Hold")), " ",
      button("Release", () => order("/v1/release", {}, "Release")), " ",
      button("Roll back", () => order("/v1/rollback", {}, "Roll back"))),
    answer,
  ];
}

// Drawn once, so that nothing typed is lost; only the modules' names change.
export function orders(page) {
  document.getElementById("readonly").hidden = page.orders;
  const place = document.getElementById("orders");
  if (!page.orders) return place.replaceChildren();
  if (!place.children.length) place.replaceChildren(...section());
  const names = page.status.modules.map((one) => one.name);
  if (names.join() === [...module.options].map((one) => one.value).join()) return undefined;
  return module.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
}
