/** The slim rail of tools; arrow keys walk along it, each tool shows its name and key. */

import { COMMANDS, keyName, type Command } from '../keys';
import { t } from '../words';
import { el, mark } from './dom';
import { icon, type IconName } from './icons';

type Button = Command & IconName;

const GROUPS: readonly (readonly Button[])[] = [
  ['window', 'zoom', 'pan', 'scroll'],
  ['length', 'angle', 'arrow', 'freehand', 'undo'],
  ['rotate-right', 'flip-across', 'flip-down', 'invert', 'fit', 'reset'],
];
const DRAWING: readonly Button[] = ['length', 'angle', 'arrow', 'freehand'];
const CHOICES: readonly Button[] = ['window', 'zoom', 'pan', 'scroll', ...DRAWING];

export interface ToolbarState {
  readonly tool: string;
  /** Pixels are there to work on. */
  readonly ready: boolean;
  readonly mayDraw: boolean;
  readonly isStack: boolean;
  readonly canUndo: boolean;
  /** Which of the switches are on. */
  readonly pressed: Partial<Record<Button, boolean>>;
}

export class Toolbar {
  readonly root = el('div', { class: 'toolbar', role: 'toolbar', 'aria-label': t('toolbar'), 'aria-orientation': 'vertical' });
  private readonly buttons = new Map<Button, HTMLButtonElement>();

  constructor(run: (command: Command) => void) {
    for (const group of GROUPS) {
      const box = el('div', { class: 'toolbar-group', role: 'group' });
      for (const name of group) {
        const button = toolButton(name, () => button.ariaDisabled !== 'true' && run(name));
        this.buttons.set(name, button);
        box.append(button);
      }
      this.root.append(box);
    }
    this.root.addEventListener('keydown', (event) => this.walk(event));
  }

  update(state: ToolbarState): void {
    for (const [name, button] of this.buttons) {
      const draws = DRAWING.includes(name);
      button.hidden = (name === 'scroll' && !state.isStack) || ((draws || name === 'undo') && !state.mayDraw);
      mark(button, 'aria-disabled', (name === 'undo' ? state.canUndo : state.ready) ? null : 'true');
      if (CHOICES.includes(name)) mark(button, 'aria-pressed', String(state.tool === name));
      else if (name in state.pressed) mark(button, 'aria-pressed', String(state.pressed[name]));
    }
    this.keepOneTabStop();
  }

  private usable(): HTMLButtonElement[] {
    return [...this.buttons.values()].filter((button) => !button.hidden);
  }

  private keepOneTabStop(): void {
    const usable = this.usable();
    const here = usable.find((button) => button === document.activeElement);
    const stop = here ?? usable.find((button) => button.getAttribute('aria-pressed') === 'true') ?? usable[0];
    for (const button of this.buttons.values()) button.tabIndex = button === stop ? 0 : -1;
  }

  private walk(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const usable = this.usable();
    const at = usable.indexOf(document.activeElement as HTMLButtonElement);
    usable[(at + step + usable.length) % usable.length]?.focus();
    this.keepOneTabStop();
    event.preventDefault();
    event.stopPropagation();
  }
}

function toolButton(name: Button, run: () => unknown): HTMLButtonElement {
  const key = keyName(COMMANDS[name][0]);
  const label = t(`do-${name}`);
  return el(
    'button',
    { class: 'tool', type: 'button', 'aria-label': label, 'aria-keyshortcuts': ariaKey(COMMANDS[name][0]), 'data-command': name, onclick: run },
    icon(name),
    el('span', { class: 'tip', 'aria-hidden': 'true' }, label, el('kbd', {}, key)),
  );
}

function ariaKey(key: string): string {
  return key.replace('Mod', 'Control').replace('.', 'Period');
}
