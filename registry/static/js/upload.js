// Sends files in pieces that survive a broken link (tus 1.0), one after the other, and says for each what
// became of it. A file is never sent twice: after a break the server is asked how far it has come.

const form = document.getElementById("upload");
const list = document.getElementById("sending");
const words = form.dataset;
const FIRST_PIECE = 256 << 10;
const LAST_PIECE = 8 << 20;
const PIECE_TIME = 4000;
const RETRY = [1000, 3000, 6000, 12000, 20000];

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const pause = (time) => new Promise((done) => setTimeout(done, time));

class Refused extends Error {}

const row = (file) => {
  const item = document.createElement("li");
  const name = document.createElement("p");
  name.className = "name";
  name.textContent = file.name;
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", words.progress.replace("{n}", file.name));
  const said = document.createElement("p");
  said.className = "small";
  said.textContent = words.waiting;
  const stop = document.createElement("button");
  stop.type = "button";
  stop.className = "text-button";
  stop.textContent = words.stop;
  item.append(name, bar, said, stop);
  list.append(item);
  return { item, bar, said, stop };
};

const request = (method, url, headers, body, signal) =>
  fetch(url, { method, body, signal, credentials: "same-origin", headers: { "Tus-Resumable": "1.0.0", Accept: "application/json", ...headers } });

const refusal = async (answer) => {
  if (answer.status === 401) return new Error("ended");
  if (answer.status >= 500 || answer.status === 429 || answer.status === 409 || answer.status === 423) return new Error("broken");
  const told = await answer.json().catch(() => ({}));
  return new Refused(told.detail ?? words.failed);
};

const begin = async (job) => {
  const metadata = `filename ${encode(job.file.name)},case_id ${encode(words.case)}`;
  const answer = await request("POST", "/files", { "Upload-Length": String(job.file.size), "Upload-Metadata": metadata }, null, job.stopped.signal);
  if (!answer.ok) throw await refusal(answer);
  job.url = answer.headers.get("Location");
  job.offset = 0;
};

const append = (job, piece) => {
  const headers = { "Upload-Offset": String(job.offset), "Content-Type": "application/offset+octet-stream" };
  return request("PATCH", job.url, headers, piece, job.stopped.signal);
};

const resume = async (job) => {
  const answer = await request("HEAD", job.url, {}, null, job.stopped.signal);
  // An upload that was let go meanwhile is not begun again unasked; HEAD has no words for it, so a piece of nothing asks.
  if (answer.status === 404 || answer.status === 410) throw await refusal(await append(job, ""));
  if (!answer.ok) throw await refusal(answer);
  job.offset = Number(answer.headers.get("Upload-Offset"));
};

const send = async (job) => {
  if (job.url) await resume(job);
  else await begin(job);
  while (job.offset < job.file.size) {
    const piece = job.file.slice(job.offset, job.offset + job.piece);
    const begun = performance.now();
    const answer = await append(job, piece);
    if (!answer.ok) throw await refusal(answer);
    job.offset = Number(answer.headers.get("Upload-Offset"));
    job.tries = 0;
    const took = performance.now() - begun;
    job.piece = Math.min(LAST_PIECE, Math.max(FIRST_PIECE, took < PIECE_TIME ? job.piece * 2 : job.piece / 2));
    const percent = Math.floor((100 * job.offset) / job.file.size);
    job.shown.bar.value = percent;
    job.shown.said.textContent = words.sending.replace("{p}", percent);
  }
};

const whole = async (job) => {
  const { said, bar, stop } = job.shown;
  for (;;) {
    try {
      await send(job);
      bar.value = 100;
      said.textContent = words.looking;
      stop.remove();
      job.id = job.url.split("/").pop();
      waiting.add(job);
      watch();
      return;
    } catch (fault) {
      if (job.stopped.signal.aborted) {
        if (job.url) request("DELETE", job.url).catch(() => {});
        said.textContent = words.stopped;
        stop.remove();
        return;
      }
      if (fault instanceof Refused) {
        said.textContent = fault.message;
        said.className = "alarm";
        stop.remove();
        bar.remove();
        return;
      }
      said.textContent = fault.message === "ended" ? words.ended : words.broken;
      if (fault.message === "ended" && !said.nextElementSibling?.matches?.("a")) {
        const link = Object.assign(document.createElement("a"), { href: "/sign-in?next=/signed-in", target: "_blank", rel: "noopener", textContent: words.sign });
        said.append(" ", link);
      }
      await pause(RETRY[Math.min(job.tries++, RETRY.length - 1)]);
    }
  }
};

// The server looks into each file after the last byte; ask until it has said what became of it.
const waiting = new Set();
let watching = false;
const watch = async () => {
  if (watching) return;
  watching = true;
  for (let turn = 0; waiting.size; turn += 1) {
    await pause(turn < 5 ? 1000 : 3000);
    const answer = await fetch(`/cases/${words.case}/uploads?poll=1`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) continue;
    const { uploads } = await answer.json();
    for (const job of [...waiting]) {
      const told = uploads.find((one) => one.id === job.id);
      if (!told?.settled) continue;
      job.shown.said.textContent = told.words;
      job.shown.said.className = told.state === "refused" ? "alarm" : told.state === "held" ? "caution" : "ok";
      job.shown.bar.remove();
      waiting.delete(job);
    }
  }
  watching = false;
};

const queue = [];
let busy = false;
const work = async () => {
  if (busy) return;
  busy = true;
  while (queue.length) await whole(queue.shift());
  busy = false;
};

const take = (files) => {
  for (const file of files) {
    const shown = row(file);
    if (file.size > Number(words.limit)) {
      shown.said.textContent = words.large;
      shown.said.className = "alarm";
      shown.stop.remove();
      continue;
    }
    const job = { file, shown, stopped: new AbortController(), piece: FIRST_PIECE, offset: 0, tries: 0, url: "" };
    shown.stop.addEventListener("click", () => job.stopped.abort());
    queue.push(job);
  }
  work();
};

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
}
form.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  take([...event.dataTransfer.files]);
});
window.addEventListener("beforeunload", (event) => {
  if (queue.length || busy) event.preventDefault();
});
