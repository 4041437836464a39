// Being told in this browser: subscribes it, and ends that when its person signs out here.
// A browser without the Push API is told so; the page works as before.

// Push events reach a worker whatever its scope is; this one takes care of no page.
const SCOPE = "/static/js/";
const able = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const written = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = async () => (await navigator.serviceWorker.getRegistration(SCOPE))?.pushManager.getSubscription();

const active = (worker) =>
  worker.active ??
  new Promise((done) => {
    const next = worker.installing ?? worker.waiting;
    next.addEventListener("statechange", () => next.state === "activated" && done());
  });

export const push = (form) => {
  const say = (what) => {
    for (const line of form.querySelectorAll("[data-push-said]")) line.hidden = line.dataset.pushSaid !== what;
  };
  if (!able()) return say("unable");
  form.querySelector("button").hidden = false;
  form.addEventListener("submit", async (event) => {
    if (form.elements.endpoint.value) return;
    event.preventDefault();
    try {
      if ((await Notification.requestPermission()) !== "granted") return say("refused");
      const worker = await navigator.serviceWorker.register(`${SCOPE}push-worker.js`, { scope: SCOPE });
      await active(worker);
      await (await worker.pushManager.getSubscription())?.unsubscribe();
      const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(form.dataset.push) });
      form.elements.endpoint.value = made.endpoint;
      form.elements.p256dh.value = written(made.getKey("p256dh"));
      form.elements.auth.value = written(made.getKey("auth"));
      form.requestSubmit();
    } catch {
      say("failed");
    }
  });
};

export const forget = (form) => {
  if (!able()) return;
  form.addEventListener("submit", async (event) => {
    const here = form.dataset.forgotten ? null : await known();
    if (!here) return;
    event.preventDefault();
    form.dataset.forgotten = "yes";
    await Promise.race([here.unsubscribe().catch(() => {}), new Promise((done) => setTimeout(done, 1500))]);
    form.submit();
  });
};
