/** The entry: reads the page's shell, learns its language, fetches the list of pictures and opens the first. */

import './style/viewer.css';
import { Failure } from './http';
import { commandFor, type Command } from './keys';
import { loadManifest } from './manifest';
import { Reader } from './reader';
import { singleKeys } from './ui/dialogs';
import { el } from './ui/dom';
import { speak, spokenLanguage, t } from './words';

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};
/** Commands that belong to the stage: elsewhere these keys press buttons and scroll lists. */
const STAGE_ONLY: readonly Command[] = ['place', 'frame-next', 'frame-before', 'picture-next', 'picture-before', 'frame-far-next', 'frame-far-before', 'frame-first', 'frame-last'];

async function open(shell: HTMLElement): Promise<void> {
  const { case: caseId = '', language = 'en', instance, timeZone, back, signIn } = shell.dataset;
  const manifest = loadManifest(caseId);
  manifest.catch(() => undefined);
  await speak(language, timeZone);
  try {
    const reader = new Reader(await manifest, { back: back ?? `/cases/${caseId}`, signIn: signIn ?? '/sign-in' });
    shell.replaceChildren(reader.root);
    shell.lang = spokenLanguage();
    listenForKeys(reader);
    await reader.start(instance ?? null);
  } catch (error) {
    shell.replaceChildren(refusal(error, signIn ?? '/sign-in', () => void open(shell)));
    if (!(error instanceof Failure)) throw error;
  }
}

function listenForKeys(reader: Reader): void {
  window.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || isTyping(event.target)) return;
    const arrow = ARROWS[event.key];
    const reach = event.shiftKey ? 1 : 10;
    if (arrow && reader.nudge(arrow[0] * reach, arrow[1] * reach)) return event.preventDefault();
    const command = commandFor(event, singleKeys());
    if (!command || (STAGE_ONLY.includes(command) && isControl(event.target))) return;
    if (document.querySelector('dialog[open]') && command !== 'help') return;
    event.preventDefault();
    reader.run(command);
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type !== 'checkbox' && target.type !== 'range';
}

function isControl(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('button, a, input, .marks') !== null;
}

function refusal(error: unknown, signIn: string, again: () => void): HTMLElement {
  const trouble = error instanceof Failure ? error.trouble : 'server';
  return el(
    'div',
    { class: 'viewer-refusal', role: 'alert' },
    el('p', { class: 'failure-title' }, t(`open-${trouble}`)),
    trouble === 'signed-out' && el('a', { class: 'link', href: signIn, target: '_blank', rel: 'noopener' }, t('sign-in-again')),
    el('button', { class: 'button', type: 'button', onclick: again }, t('try-again')),
  );
}

const shell = document.getElementById('viewer');
if (shell) void open(shell);
