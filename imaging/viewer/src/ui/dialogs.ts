/** The key sheet, the line that asks for a text, and the notes that come and go. */

import { COMMANDS, keyName, type Command } from '../keys';
import { t } from '../words';
import { el } from './dom';
import { icon } from './icons';

const SHEET: readonly (readonly [title: string, commands: readonly Command[]])[] = [
  ['keys-look', ['window', 'zoom', 'pan', 'scroll', 'zoom-in', 'zoom-out', 'fit', 'actual-size', 'invert', 'reset']],
  ['keys-turn', ['rotate-right', 'rotate-left', 'flip-across', 'flip-down', 'upright']],
  ['keys-go', ['frame-next', 'frame-before', 'frame-far-next', 'frame-far-before', 'frame-first', 'frame-last', 'picture-next', 'picture-before']],
  ['keys-draw', ['length', 'angle', 'arrow', 'freehand', 'place', 'remove', 'undo', 'cancel', 'marks-list', 'marks-hide']],
  ['keys-window', ['window-1', 'window-2', 'window-3', 'window-4']],
];
const GESTURES = ['gesture-one', 'gesture-two', 'gesture-tap', 'mouse-right', 'mouse-middle', 'mouse-wheel'] as const;
const SINGLE_KEYS = 'viewer-single-keys';

/** Whether bare letters are commands: they can be switched off, for those who dictate (WCAG 2.1.4). */
export function singleKeys(): boolean {
  return localStorage.getItem(SINGLE_KEYS) !== 'off';
}

export function keySheet(): HTMLDialogElement {
  const choice = el('input', { type: 'checkbox', id: 'single-keys' });
  choice.checked = singleKeys();
  choice.addEventListener('change', () => localStorage.setItem(SINGLE_KEYS, choice.checked ? 'on' : 'off'));
  const dialog = el(
    'dialog',
    { class: 'sheet', 'aria-labelledby': 'sheet-title' },
    el('header', { class: 'sheet-head' }, el('h2', { id: 'sheet-title' }, t('keys')), el('button', { class: 'plain', type: 'button', 'aria-label': t('close'), onclick: () => dialog.close() }, icon('close'))),
    el(
      'div',
      { class: 'sheet-columns' },
      ...SHEET.map(([title, commands]) => el('section', {}, el('h3', {}, t(title)), el('dl', {}, ...commands.flatMap(line)))),
      el('section', {}, el('h3', {}, t('keys-hands')), el('ul', { class: 'gestures' }, ...GESTURES.map((key) => el('li', {}, t(key))))),
    ),
    el('label', { class: 'sheet-choice', for: 'single-keys' }, choice, t('keys-single')),
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  return dialog;
}

function line(command: Command): HTMLElement[] {
  const keys = COMMANDS[command].map((key) => el('kbd', {}, keyName(key)));
  return [el('dt', {}, t(`do-${command}`)), el('dd', {}, ...keys)];
}

/** A line of text beside what was just drawn. Empty keeps the mark without words. */
export class TextLine {
  readonly root: HTMLFormElement;
  private readonly input = el('input', { type: 'text', maxlength: '200', autocomplete: 'off', 'aria-label': t('text-label'), placeholder: t('text-hint') });
  private done: ((text: string | null) => void) | null = null;

  constructor() {
    this.root = el('form', { class: 'text-line', hidden: true }, this.input, el('button', { class: 'button', type: 'submit' }, t('text-done')));
    this.root.addEventListener('submit', (event) => {
      event.preventDefault();
      this.finish(this.input.value.trim());
    });
    this.root.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Escape') this.finish(null);
    });
    this.root.addEventListener('focusout', (event) => {
      if (!this.root.contains(event.relatedTarget as Node | null)) this.finish(this.input.value.trim());
    });
  }

  /** Asks at a place on the stage; calls back with the text, or null when given up. */
  ask(text: string, left: number, top: number, done: (text: string | null) => void): void {
    this.finish(this.input.value.trim());
    this.done = done;
    this.input.value = text;
    this.root.hidden = false;
    const room = this.root.parentElement!;
    this.root.style.insetInlineStart = `${Math.max(8, Math.min(left, room.clientWidth - this.root.offsetWidth - 8))}px`;
    this.root.style.insetBlockStart = `${Math.max(8, Math.min(top, room.clientHeight - this.root.offsetHeight - 8))}px`;
    this.input.focus();
    this.input.select();
  }

  private finish(text: string | null): void {
    const { done } = this;
    if (!done) return;
    this.done = null;
    this.root.hidden = true;
    done(text);
  }
}

/** Notes: what happened, what was kept, and sometimes one thing to do about it. */
export class Notes {
  readonly root = el('div', { class: 'notes', role: 'status', 'aria-live': 'polite' });

  say(text: string, action?: { label: string; run: () => void }): void {
    const note = el('div', { class: 'note' }, el('p', {}, text));
    const close = () => note.remove();
    if (action) {
      note.append(el('button', { class: 'button', type: 'button', onclick: () => (action.run(), close()) }, action.label));
    }
    note.append(el('button', { class: 'plain', type: 'button', 'aria-label': t('close'), onclick: close }, icon('close')));
    this.root.append(note);
    if (!action) window.setTimeout(close, 12_000);
  }
}
