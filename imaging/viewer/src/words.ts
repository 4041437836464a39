/**
 * The catalogue. Every text the reader sees comes from locale/<language>.json by key; `{name}` is
 * filled in, and a key with `.one` / `.other` forms is chosen by the language's own plural rule. The
 * pseudo-locale is English with every letter accented, so that a run in it shows any text that is not in
 * the catalogue.
 */

export type Catalogue = Readonly<Record<string, string>>;
type Filling = Readonly<Record<string, string | number>>;

let catalogue: Catalogue = {};
let language = 'en';
let zone: string | undefined;

const PLAIN = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ACCENTED = [...'áƀçđéƒǧĥíĵķłɱñóþɋŕšťúṽŵẋýžÁƁÇĐÉƑǦĤÍĴĶŁḾÑÓÞɊŔŠŤÚṼŴẊÝŽ'];
const PSEUDO = /^(pseudo|qps|en-XA)/i;

/** Fetches the catalogue of the page's language; anything unknown reads English. */
export async function speak(wanted: string, timeZone?: string): Promise<void> {
  const chinese = wanted.toLowerCase().startsWith('zh');
  language = chinese ? 'zh-CN' : 'en-GB';
  zone = timeZone || undefined;
  const words: Catalogue = (chinese ? await import('./locale/zh.json') : await import('./locale/en.json')).default;
  use(PSEUDO.test(wanted) ? pseudo(words) : words, language);
}

export function use(words: Catalogue, locale: string): void {
  catalogue = words;
  language = locale;
}

export function t(key: string, filling: Filling = {}): string {
  const form = catalogue[key] ?? catalogue[`${key}.${plural(filling['count'])}`] ?? catalogue[`${key}.other`];
  if (form === undefined) return `⟦${key}⟧`;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => String(filling[name] ?? whole));
}

function plural(count: string | number | undefined): Intl.LDMLPluralRule {
  return new Intl.PluralRules(language).select(Number(count ?? 0));
}

export function pseudo(words: Catalogue): Catalogue {
  const accent = (text: string) => text.replace(/\{\w+\}|[A-Za-z]/g, (hit) => (hit.length === 1 ? ACCENTED[PLAIN.indexOf(hit)]! : hit));
  return Object.fromEntries(Object.entries(words).map(([key, text]) => [key, accent(text)]));
}

export function decimal(value: number, digits: number): string {
  return value.toLocaleString(language, { minimumFractionDigits: digits > 1 ? 0 : digits, maximumFractionDigits: digits });
}

/** Relative and exact together, the exact time in the reader's zone. */
export function moment(iso: string, now: Date = new Date()): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  return t('time-both', { ago: ago(at, now), exact: exact(at, now) });
}

function ago(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
  if (Math.abs(seconds) < 60) return t('time-now');
  if (Math.abs(seconds) < 3600) return relative.format(Math.trunc(seconds / 60), 'minute');
  if (Math.abs(seconds) < 86400) return relative.format(Math.trunc(seconds / 3600), 'hour');
  return relative.format(Math.trunc(seconds / 86400), 'day');
}

function exact(at: Date, now: Date): string {
  const today = at.toDateString() === now.toDateString();
  return at.toLocaleString(language, {
    ...(today ? {} : { month: 'short', day: 'numeric' }),
    ...(at.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    ...(zone ? { timeZone: zone } : {}),
  });
}

/** A day and time for a picture's caption. */
export function takenAt(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  return at.toLocaleString(language, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    ...(iso.length > 10 ? { hour: '2-digit', minute: '2-digit' } : {}),
    ...(zone ? { timeZone: zone } : {}),
  });
}

export function spokenLanguage(): string {
  return language;
}
