/** The corner that never goes away: case number, its clocks, and whether everything drawn is saved. */

import type { CaseClock, Manifest } from '../manifest';
import type { Saver } from '../marks/saver';
import { t } from '../words';
import { el, mark, say } from './dom';
import { icon } from './icons';

/** The corner has room for the warm and the cold clock of one unit; the rest are on the case page. */
const CLOCKS_SHOWN = 2;

export interface BarActions {
  toggleMarks(): void;
  help(): void;
  retry(): void;
}

export class Bar {
  readonly root: HTMLElement;
  private readonly clocks: readonly { clock: CaseClock; reading: HTMLElement }[];
  private readonly read = performance.now();
  private readonly saving = el('span', { class: 'saving-words', role: 'status' });
  private readonly retry: HTMLButtonElement;
  private readonly signIn: HTMLAnchorElement;
  private readonly savingBox: HTMLElement;
  private readonly marksButton: HTMLButtonElement;
  private readonly marksCount = el('span', { class: 'count' });

  constructor(manifest: Manifest, back: string, signInUrl: string, actions: BarActions) {
    const clocks = manifest.case.clocks ?? [];
    const more = clocks.length - CLOCKS_SHOWN;
    this.clocks = clocks.slice(0, CLOCKS_SHOWN).map((clock) => ({ clock, reading: el('time', { class: 'clock-reading' }) }));
    this.retry = el('button', { class: 'link', type: 'button', hidden: true, onclick: () => actions.retry() }, t('save-now'));
    this.signIn = el('a', { class: 'link', href: signInUrl, target: '_blank', rel: 'noopener', hidden: true }, t('sign-in-again'));
    this.savingBox = el('div', { class: 'saving' }, this.saving, this.retry, this.signIn);
    this.marksButton = el(
      'button',
      { class: 'plain bar-button', type: 'button', 'aria-controls': 'marks', onclick: () => actions.toggleMarks() },
      icon('marks'),
      this.marksCount,
    );
    this.root = el(
      'header',
      { class: 'bar' },
      el('a', { class: 'back', href: back, 'aria-label': t('back') }, icon('back')),
      el(
        'div',
        { class: 'case' },
        el('h1', { class: 'case-number' }, manifest.case.number),
        manifest.case.title ? el('span', { class: 'case-title' }, manifest.case.title) : null,
      ),
      el('div', { class: 'clocks' }, ...this.clocks.map(({ clock, reading }) => clockOf(clock, reading)), more > 0 && el('a', { class: 'clocks-more', href: back }, t('clocks-more', { count: more }))),
      this.savingBox,
      this.marksButton,
      el('button', { class: 'plain bar-button bar-help', type: 'button', 'aria-label': t('do-help'), onclick: () => actions.help() }, icon('help')),
    );
    this.tick();
    window.setInterval(() => this.tick(), 15_000);
  }

  private tick(): void {
    const passed = (performance.now() - this.read) / 1000;
    for (const { clock, reading } of this.clocks) say(reading, inWords(clock.seconds + (clock.running ? passed : 0)));
  }

  updateMarks(open: boolean, count: number): void {
    mark(this.marksButton, 'aria-expanded', String(open));
    mark(this.marksButton, 'aria-label', [t('do-marks-list'), count > 0 ? count : ''].join(' ').trim());
    say(this.marksCount, count > 0 ? String(count) : '');
  }

  updateSaving(saver: Saver, mayDraw: boolean, drew: boolean): void {
    const count = saver.unsaved;
    const state = saver.saving;
    const waiting = count > 0 && state === 'waiting';
    const out = state === 'signed-out';
    const refused = count > 0 && state === 'idle';
    mark(this.savingBox, 'data-state', out ? 'out' : waiting ? 'waiting' : refused ? 'refused' : count > 0 ? 'sending' : 'saved');
    this.retry.hidden = !waiting;
    this.signIn.hidden = !out;
    if (out) say(this.saving, t('save-signed-out', { count }));
    else if (waiting) say(this.saving, t('save-waiting', { count }));
    else if (refused) say(this.saving, t('save-refused', { count }));
    else if (count > 0) say(this.saving, t('save-sending'));
    else say(this.saving, mayDraw ? (drew ? t('save-done') : '') : t('save-reader'));
  }
}

/** The kind of clock always reads in full; the unit it belongs to gives way where there is little room. */
function clockOf({ label }: CaseClock, reading: HTMLElement): HTMLElement {
  const [kind = label, ...unit] = label.split(' · ');
  return el(
    'span',
    { class: 'clock', title: label },
    el('span', { class: 'clock-label' }, kind),
    unit.length > 0 && el('span', { class: 'clock-unit' }, unit.join(' · ')),
    reading,
  );
}

function inWords(seconds: number): string {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  const hours = Math.floor(minutes / 60);
  if (hours >= 72) return t('clock-days', { days: Math.floor(hours / 24), hours: hours % 24 });
  return hours > 0 ? t('clock-hours', { hours, minutes: minutes % 60 }) : t('clock-minutes', { minutes });
}
