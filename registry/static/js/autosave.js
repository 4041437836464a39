// Saves a form as it is filled in. What was typed stays in the page until the server has it, whether the
// link breaks or the session ends; the words to say so come from the page, in the reader's language. Once
// the form itself is sent nothing follows it, or what it held would be waiting in the next form.

const QUIET = 1200;
const AGAIN = 8000;

export const autosave = (form) => {
  if (form.dataset.saving) return;
  form.dataset.saving = "ready";
  const status = form.querySelector("[data-saved]");
  let timer = 0;
  let busy = false;
  let dirty = false;
  let leaving = false;
  let sending = null;

  const say = (state) => {
    if (!status) return;
    status.dataset.state = state;
    const link = status.querySelector("a");
    const text = status.querySelector("span") ?? status;
    text.textContent = status.dataset[state] ?? form.dataset[state] ?? "";
    if (link) link.hidden = state !== "ended";
  };

  const save = async () => {
    clearTimeout(timer);
    if (busy || !dirty || leaving) return;
    busy = true;
    sending = new AbortController();
    dirty = false;
    say("busy");
    try {
      const answer = await fetch(form.dataset.autosave, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        signal: sending.signal,
        keepalive: document.visibilityState === "hidden",
      });
      if (answer.status === 401) throw new Error("ended");
      if (answer.status === 409 || answer.status === 412) throw new Error("elsewhere");
      if (!answer.ok) throw new Error("failed");
      const told = await answer.json();
      if (told.entered) throw new Error("entered");
      for (const [name, value] of Object.entries(told.fields ?? {})) {
        const field = form.elements.namedItem(name);
        if (field) field.value = value;
      }
      say(dirty ? "busy" : "done");
    } catch (fault) {
      dirty = true;
      if (leaving) return;
      say(["ended", "elsewhere", "entered"].includes(fault.message) ? fault.message : "failed");
      if (!["elsewhere", "entered"].includes(fault.message)) timer = setTimeout(save, AGAIN);
    } finally {
      busy = false;
    }
    if (dirty && status?.dataset.state === "busy") timer = setTimeout(save, QUIET);
  };

  const soon = () => {
    dirty = true;
    leaving = false;
    clearTimeout(timer);
    timer = setTimeout(save, QUIET);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("submit", () => {
    leaving = true;
    clearTimeout(timer);
    sending?.abort();
  });
  window.addEventListener("online", save);
  window.addEventListener("focus", save);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && save());
  window.addEventListener("beforeunload", (event) => {
    if (dirty && !leaving) event.preventDefault();
  });
};
