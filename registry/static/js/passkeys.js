// Passkeys: the browser makes one or shows one, and the form the button stands in carries the answer, so that
// what comes after is a page like any other. Without this script the buttons stay hidden and the ways beside them do.

const RENEW = 4 * 60 * 1000; // a challenge is good for five minutes

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

// A browser bears one ceremony at a time: the one that waits in the name field ends when a button is pressed.
let running = new AbortController();
const begin = () => {
  running.abort();
  running = new AbortController();
  return running.signal;
};

const asked = async (button) => {
  const secret = button.form.elements.namedItem("secret")?.value;
  const answer = await fetch(button.dataset.passkey, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: secret ? new URLSearchParams({ secret }) : null,
    credentials: "same-origin",
  });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail), { problem: told.code });
  return told;
};

// The JSON of WebAuthn Level 3 §5.1, also where the browser cannot write it itself.
const answered = async (options, how) => {
  const challenge = bytes(options.challenge);
  const given = options.user
    ? await navigator.credentials.create({
        publicKey: {
          ...options,
          challenge,
          user: { ...options.user, id: bytes(options.user.id) },
          excludeCredentials: known(options.excludeCredentials),
        },
        ...how,
      })
    : await navigator.credentials.get({ publicKey: { ...options, challenge, allowCredentials: known(options.allowCredentials) }, ...how });
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (given.response[name]) response[name] = text(given.response[name]);
  }
  if (given.response.getTransports) response.transports = given.response.getTransports();
  return JSON.stringify({ id: given.id, rawId: text(given.rawId), type: given.type, response });
};

const send = (button, answer) => {
  button.form.elements.namedItem("passkey").value = answer;
  button.form.noValidate = true;
  button.form.requestSubmit();
};

const said = (button) => button.form.querySelector("[data-passkey-said]");
const WHY = { NotAllowedError: "cancelled", InvalidStateError: "known", SecurityError: "elsewhere" };

const press = async (button) => {
  const place = said(button);
  place.hidden = true;
  if (button.dataset.passkeyChecks !== undefined && !button.form.reportValidity()) return;
  button.disabled = true;
  try {
    send(button, await answered(await asked(button), { signal: begin() }));
  } catch (fault) {
    // a step-up that has run out is asked for by the page itself
    if (fault.problem === "step-up-needed") return location.reload();
    place.textContent = fault.problem ? fault.message : place.dataset[WHY[fault.name] ?? "failed"];
    place.hidden = false;
  } finally {
    button.disabled = false;
  }
};

// The browser offers passkeys in the name field, before anything is typed or pressed.
const offer = async (button) => {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  let since = 0;
  const wait = async () => {
    since = Date.now();
    try {
      const options = await asked(button);
      send(button, await answered(options, { mediation: "conditional", signal: begin() }));
    } catch {
      // nobody chose one there, or none can be offered: the button says what went wrong when it is pressed
    }
  };
  const renew = () => {
    if (document.visibilityState === "visible" && !button.disabled && Date.now() - since >= RENEW) wait();
  };
  setInterval(renew, RENEW);
  document.addEventListener("visibilitychange", renew);
  await wait();
};

if (window.PublicKeyCredential && navigator.credentials) {
  for (const place of document.querySelectorAll("[data-passkey-way]")) place.hidden = false;
  for (const place of document.querySelectorAll("[data-passkey-missing]")) place.hidden = true;
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", () => press(button));
    if (button.dataset.passkeyOffer !== undefined) offer(button);
  }
}
