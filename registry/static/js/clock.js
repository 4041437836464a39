// Running clocks and "minutes ago" go on counting from what the server said, whatever the device's clock says.

const opened = performance.now();
const running = new WeakMap();

const span = (minutes, words) => {
  if (minutes < 60) return words.minutes.replace("{m}", minutes);
  return words.hours.replace("{h}", Math.floor(minutes / 60)).replace("{m}", String(minutes % 60).padStart(2, "0"));
};

export const tick = (root) => {
  for (const element of root.querySelectorAll("[data-minutes]")) {
    if (!running.has(element)) running.set(element, { minutes: Number(element.dataset.minutes), since: performance.now() });
  }
};

setInterval(() => {
  const words = document.body.dataset;
  if (!words.spanMinutes || performance.now() - opened < 5000) return;
  for (const element of document.querySelectorAll("[data-minutes]")) {
    const from = running.get(element);
    if (!from) continue;
    const minutes = from.minutes + Math.floor((performance.now() - from.since) / 60000);
    if (minutes < 6000) element.textContent = span(minutes, { minutes: words.spanMinutes, hours: words.spanHours });
  }
}, 15000);
