// Single keys for people who live in the list: / search, g l list, n new, ? the keys themselves.
// They can be turned off on the same sheet (WCAG 2.1.4) and are silent while something is typed.

const OFF = "keys-off";
const typing = (element) => element.closest("input, textarea, select, [contenteditable], dialog");

export const keys = () => {
  const sheet = document.getElementById("keys");
  if (!sheet) return;
  const box = sheet.querySelector("input");
  box.checked = localStorage.getItem(OFF) !== "yes";
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "no" : "yes"));
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "?") return sheet.showModal();
    if (!box.checked) return;
    const pressed = before === "g" ? `g ${event.key}` : event.key;
    before = event.key === "g" ? "g" : "";
    if (pressed === "g l") location.assign("/");
    if (pressed === "/" || pressed === "n") {
      const target = document.querySelector(pressed === "/" ? "[type=search]" : "[data-key=n]");
      if (!target) return;
      event.preventDefault();
      pressed === "/" ? target.focus() : target.click();
    }
  });
};
