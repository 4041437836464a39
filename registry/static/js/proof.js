// Checks the proof of a signed opinion by itself, as docs/formats.md (Opinions) says. Nothing leaves the page: it works
// without a network, and from a file. What the proof says is shown as text, and only once its signatures hold.

const SCHEMA = "shanhai/opinion-proof/1";
const OPINIONS = ["shanhai/opinion/1", "shanhai/opinion/2", "shanhai/opinion/3"];
const TRAINEE = OPINIONS[1];
const JOINING = "shanhai/joining/1";
const STATEMENT = "shanhai/countersignature/1";
const LARGEST = 16_000_000;
const HEX = /^(?:[0-9a-f]{2}){1,100}$/;

const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const plain = (text) => new TextEncoder().encode(text);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const given = (part) => {
  const names = Object.keys(part).filter((name) => !["schema", "countersignature", "joinings"].includes(name));
  if (!same(names.sort(), ["document", "public_key", "signature"])) throw new SyntaxError("members");
  if (typeof part.document !== "string" || !HEX.test(part.signature) || !HEX.test(part.public_key)) throw new SyntaxError("forms");
  return part;
};

// a key or signature of a wrong length is one that does not hold; a browser that knows no Ed25519 says so
const holds = async ({ document: text, signature, public_key: key }) => {
  try {
    const made = await crypto.subtle.importKey("raw", bytes(key), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", made, bytes(signature), plain(text));
  } catch (error) {
    if (error.name === "NotSupportedError") throw error;
    return false;
  }
};

const who = (person) => `${person.id} ${person.organisation.id}`;

// how each expert asked stands to a joint opinion; somebody whom it does not ask is broken
const joined = async (content, sha256, statements) => {
  const others = (content.joins || []).map(({ giver }) => giver).filter(({ id }) => id !== content.signer.id);
  const found = new Map(others.map((person) => [who(person), { person, good: null }]));
  for (const part of statements) {
    const told = JSON.parse(part.document);
    const asked = found.get(who(told.joiner));
    const fits = told.schema === JOINING && same(told.opinion, { id: content.opinion.id, sha256 }) && asked;
    const good = Boolean(fits) && (await holds(part)) && asked.good !== false;
    found.set(who(told.joiner), { person: told.joiner, good });
  }
  return [...found.values()];
};

export const check = async (text) => {
  const proof = given(JSON.parse(text));
  if (proof.schema !== SCHEMA || proof.countersignature === undefined) throw new SyntaxError("schema");
  const content = JSON.parse(proof.document);
  if (!OPINIONS.includes(content.schema)) throw new SyntaxError("schema");
  const sha256 = hex(await crypto.subtle.digest("SHA-256", plain(proof.document)));
  const second = proof.countersignature && given(proof.countersignature);
  const told = second && JSON.parse(second.document);
  const statements = (proof.joinings || []).map(given);
  const needed = content.schema === TRAINEE;
  const fits =
    told &&
    told.schema === STATEMENT &&
    same(told.opinion, { id: content.opinion.id, sha256 }) &&
    same(told.signer, content.signer) &&
    told.countersigner.id !== content.signer.id &&
    told.countersigner.organisation.id === content.signer.organisation.id;
  return {
    content,
    sha256,
    signature: await holds(proof),
    countersignature: needed ? Boolean(fits) && (await holds(second)) : null,
    countersigner: needed && told ? told.countersigner : null,
    keys: [...new Set([proof.public_key, ...(second ? [second.public_key] : []), ...statements.map((one) => one.public_key)])],
    joined: await joined(content, sha256, statements),
  };
};

const page = document.querySelector("[data-proof]");
const words = page.dataset;
const line = (tag, text, css = "") => Object.assign(document.createElement(tag), { textContent: text, className: css });

const say = (kind, ...parts) => {
  const place = page.querySelector("[role=status]");
  place.className = `note ${kind}`;
  place.replaceChildren(...parts);
  place.hidden = false;
};

const person = ({ name, title, licence_number: licence, organisation }) =>
  [name, title, licence && `${words.licence} ${licence}`, organisation.name].filter(Boolean).join(" · ");

const show = (found, wanted) => {
  const told = page.querySelector("[data-told]");
  told.replaceChildren();
  const list = line("ul", "", "bullets small");
  list.append(line("li", found.signature ? words.signatureHolds : words.signatureBroken));
  if (found.countersignature !== null) list.append(line("li", found.countersignature ? words.secondHolds : words.secondBroken));
  for (const { person: name, good } of found.joined)
    list.append(line("li", `${good ? words.joined : good === null ? words.notJoined : words.joinBroken} ${person(name)}`));
  const known = found.keys.every((key) => wanted.includes(key));
  for (const key of found.keys) {
    const item = line("li", `${wanted.length ? (wanted.includes(key) ? words.keyKnown : words.keyOther) : words.keyUnknown} `);
    item.append(line("code", key, "wrap"));
    list.append(item);
  }
  const whole = found.signature && found.countersignature !== false && found.joined.every(({ good }) => good !== false) && (!wanted.length || known);
  say(whole && known ? "good" : whole ? "warn" : "urgent", line("strong", whole ? (known ? words.whole : words.compare) : words.broken), list);
  if (!whole) return;
  const { content } = found;
  told.append(line("h2", `${content.case.number} · ${content.case.organisation.name}`));
  told.append(line("p", [content.signer, found.countersigner, ...found.joined.filter(({ good }) => good).map(({ person: one }) => one)].filter(Boolean).map(person).join(" / ")));
  told.append(line("p", `${content.signed_at} · SHA-256 ${found.sha256}`, "small quiet"));
  for (const section of content.sections) told.append(line("h3", section.label, "section-label"), line("p", section.text, "prose"));
};

let last = null;
const again = async () => {
  if (last === null) return;
  try {
    show(await check(last), page.querySelector("#key").value.toLowerCase().split(/[\s,;]+/).filter(Boolean));
  } catch (error) {
    page.querySelector("[data-told]").replaceChildren();
    say("urgent", line("strong", error.name === "NotSupportedError" ? words.unsupported : words.unreadable));
  }
};
page.querySelector("#file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  last = file.size <= LARGEST ? await file.text() : "-";
  await again();
});
page.querySelector("#key").addEventListener("input", again);
page.querySelector("[data-ready]").hidden = false;
