/** The stage with what stands around and over the picture: captions, badge, edges, preview, failure, slices. */

import { inWords, isTurned, type Turn } from '../turn';
import type { Sides } from '../stage/sides';
import { t } from '../words';
import { el, mark, say } from './dom';
import { icon } from './icons';

export interface Caption {
  readonly title: string;
  readonly taken: string;
  /** Quality and spacing, in one quiet line. */
  readonly quality: string;
  readonly window: string;
  readonly slice: string;
}

export interface Slices {
  readonly index: number;
  readonly count: number;
  readonly loaded: (index: number) => boolean;
}

/** What keeps a picture from being worked on, and what may help. */
export interface FailureWords {
  readonly title: string;
  readonly hint: string;
  readonly again: boolean;
  readonly signIn: boolean;
}

export interface Preset {
  readonly label: string;
  readonly chosen: boolean;
  choose(): void;
}

export interface StageActions {
  upright(): void;
  retry(): void;
  slice(index: number): void;
}

export class StageFrame {
  readonly canvas = el('div', { class: 'canvas' });
  readonly surface: HTMLElement;
  readonly root: HTMLElement;
  private readonly preview = el('img', { class: 'preview', alt: '', draggable: 'false', hidden: true });
  private readonly title = el('p', { class: 'caption caption-title' });
  private readonly slice = el('p', { class: 'caption caption-slice' });
  private readonly quality = el('p', { class: 'caption caption-quality', role: 'status' });
  private readonly window = el('p', { class: 'caption caption-window' });
  private readonly badge: HTMLButtonElement;
  private readonly badgeText = el('span');
  private readonly sides = (['top', 'right', 'bottom', 'left'] as const).map((side) => ({ side, letter: el('span', { class: `side side-${side}`, 'aria-hidden': 'true' }) }));
  private readonly failure: HTMLElement;
  private readonly failureTitle = el('p', { class: 'failure-title' });
  private readonly failureHint = el('p', { class: 'failure-hint' });
  private readonly again: HTMLButtonElement;
  private readonly signIn: HTMLAnchorElement;
  private readonly slider: HTMLInputElement;
  private readonly slicesTrack = el('div', { class: 'slices-track', 'aria-hidden': 'true' });
  private readonly slices: HTMLElement;
  private readonly heard = el('p', { class: 'hush', role: 'status' });
  private readonly presetBox = el('div', { class: 'presets', role: 'group', 'aria-label': t('presets') });

  constructor(layer: SVGSVGElement, signInUrl: string, actions: StageActions) {
    this.badge = el('button', { class: 'badge', type: 'button', hidden: true, onclick: () => actions.upright() }, icon('warn'), this.badgeText, el('span', { class: 'badge-undo' }, t('turn-undo')));
    this.again = el('button', { class: 'button', type: 'button', onclick: () => actions.retry() }, t('try-again'));
    this.signIn = el('a', { class: 'link', href: signInUrl, target: '_blank', rel: 'noopener' }, t('sign-in-again'));
    this.failure = el('div', { class: 'failure', role: 'alert', hidden: true }, icon('warn'), this.failureTitle, this.failureHint, this.signIn, this.again);
    this.slider = el('input', {
      type: 'range',
      class: 'slices-input',
      min: '1',
      step: '1',
      'aria-label': t('slices'),
      'aria-orientation': 'vertical',
      oninput: () => actions.slice(Number(this.slider.value) - 1),
    });
    this.slices = el('div', { class: 'slices', hidden: true }, this.slicesTrack, this.slider);
    this.surface = el(
      'div',
      { class: 'surface', tabindex: '0', role: 'application', 'aria-roledescription': t('stage-role'), 'aria-label': t('stage') },
      this.canvas,
      this.preview,
      layer,
    );
    this.root = el(
      'section',
      { class: 'stage', 'aria-label': t('stage') },
      this.surface,
      ...this.sides.map(({ letter }) => letter),
      this.title,
      this.slice,
      this.quality,
      this.window,
      this.presetBox,
      this.slices,
      this.badge,
      this.failure,
      this.heard,
    );
  }

  caption({ title, taken, quality, window, slice }: Caption): void {
    say(this.title, [title, taken].filter(Boolean).join(' · '));
    say(this.quality, quality);
    say(this.window, window);
    say(this.slice, slice);
    mark(this.surface, 'aria-label', [t('stage'), title, slice].filter(Boolean).join(', '));
  }

  /** For whoever listens instead of looking. */
  announce(words: string): void {
    say(this.heard, words);
  }

  turn(turn: Turn): void {
    const turned = isTurned(turn);
    this.badge.hidden = !turned;
    this.root.classList.toggle('is-turned', turned);
    if (!turned) return;
    const { across, down, rotation } = inWords(turn);
    const parts = [across && t('turn-across'), down && t('turn-down'), rotation !== 0 && t('turn-rotated', { degrees: rotation })];
    say(this.badgeText, parts.filter(Boolean).join(' · '));
  }

  edges(sides: Sides | null): void {
    for (const { side, letter } of this.sides) say(letter, sides?.[side] ?? '');
  }

  /** Something to look at until the pixels are there; null takes it away. */
  showPreview(url: string | null): void {
    if (url === null) {
      this.preview.hidden = true;
      this.preview.removeAttribute('src');
      return;
    }
    this.preview.onload = () => (this.preview.hidden = false);
    this.preview.onerror = () => (this.preview.hidden = true);
    if (this.preview.getAttribute('src') !== url) this.preview.src = url;
  }

  get previewShows(): boolean {
    return !this.preview.hidden;
  }

  /** What keeps the picture from being worked on; null clears the stage for work. */
  fail(words: FailureWords | null): void {
    this.failure.hidden = words === null;
    this.root.classList.toggle('has-failed', words !== null);
    if (!words) return;
    say(this.failureTitle, words.title);
    say(this.failureHint, words.hint);
    this.again.hidden = !words.again;
    this.signIn.hidden = !words.signIn;
  }

  work(ready: boolean): void {
    this.root.classList.toggle('is-ready', ready);
    mark(this.surface, 'aria-busy', ready ? null : 'true');
  }

  presets(presets: readonly Preset[]): void {
    while (this.presetBox.childElementCount > presets.length) this.presetBox.lastElementChild!.remove();
    while (this.presetBox.childElementCount < presets.length) this.presetBox.append(el('button', { class: 'preset', type: 'button' }));
    presets.forEach(({ label, chosen, choose }, i) => {
      const button = this.presetBox.children[i] as HTMLButtonElement;
      say(button, label);
      mark(button, 'aria-pressed', String(chosen));
      button.onclick = choose;
    });
  }

  stack({ index, count, loaded }: Slices): void {
    this.slices.hidden = count < 2;
    if (count < 2) return;
    this.slider.max = String(count);
    this.slider.value = String(index + 1);
    mark(this.slider, 'aria-valuetext', t('slice', { number: index + 1, count }));
    while (this.slicesTrack.childElementCount > count) this.slicesTrack.lastElementChild!.remove();
    while (this.slicesTrack.childElementCount < count) this.slicesTrack.append(el('i'));
    for (let i = 0; i < count; i++) {
      const tick = this.slicesTrack.children[i]!;
      tick.className = i === index ? 'is-here' : loaded(i) ? 'is-loaded' : '';
    }
  }
}
