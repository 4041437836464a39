// What every page does once a script runs. Nothing here is needed to read or to send a form.

import { autosave } from "./autosave.js";
import { tick } from "./clock.js";
import { figure } from "./figure.js";
import { keys } from "./keys.js";
import { narrow } from "./narrow.js";
import { forget, push } from "./push.js";

const start = (root) => {
  for (const form of root.querySelectorAll("form[data-autosave]")) autosave(form);
  for (const list of root.querySelectorAll("select[data-within]")) narrow(list);
  for (const drawn of root.querySelectorAll("[data-figure]")) figure(drawn);
  for (const form of root.querySelectorAll("form[data-push]")) push(form);
  tick(root);
};

document.querySelector("[data-focus]")?.focus();
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.parentElement;
  row.scrollLeft += tab.getBoundingClientRect().left - row.getBoundingClientRect().left - (row.clientWidth - tab.offsetWidth) / 2;
}
for (const form of document.querySelectorAll("form[action='/sign-out']")) forget(form);
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
// A form is sent once, however often it is tapped.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 8000);
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
document.addEventListener("htmx:after:swap", ({ detail }) => {
  start(document);
  if (detail.ctx?.response?.status < 400) trouble("");
});

// Where a part of the page was asked for and did not come, the page stays as it is and says why.
const trouble = (kind) => {
  const place = document.getElementById("trouble");
  place.hidden = !kind;
  place.querySelector("strong").textContent = place.dataset[kind] ?? "";
  place.querySelector("a").hidden = kind !== "ended";
  if (kind) place.scrollIntoView({ block: "nearest" });
};
document.addEventListener("htmx:response:error", ({ detail }) => {
  const { status } = detail.ctx.response;
  if (status === 401) trouble("ended");
  else if (status === 403 || status === 429 || status >= 500) trouble("failed");
});
document.addEventListener("htmx:error", () => trouble("failed"));
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    button.textContent = button.dataset.done;
  });
}

// A preview that is still being made is asked for again; until then its place says so.
document.addEventListener(
  "error",
  (event) => {
    const image = event.target;
    if (!(image instanceof HTMLImageElement) || !image.closest(".shot")) return;
    const tries = Number(image.dataset.tries ?? 0);
    image.closest(".shot").classList.add("making");
    if (tries >= 12) return;
    image.dataset.tries = tries + 1;
    setTimeout(() => {
      const { src } = image;
      image.src = src;
    }, 2000 + 1000 * tries);
  },
  true,
);
document.addEventListener("load", (event) => event.target instanceof HTMLImageElement && event.target.closest(".shot")?.classList.remove("making"), true);

start(document);
keys();
