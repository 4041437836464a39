/** Every command of the viewer with its keys: the toolbar, the keyboard and the key sheet read this one table. */

export const COMMANDS = {
  window: ['w'],
  zoom: ['z'],
  pan: ['p'],
  scroll: ['s'],
  length: ['l'],
  angle: ['a'],
  arrow: ['t'],
  freehand: ['f'],
  undo: ['Mod+z'],
  remove: ['Delete', 'Backspace'],
  'rotate-right': ['r'],
  'rotate-left': ['Shift+R'],
  'flip-across': ['h'],
  'flip-down': ['v'],
  upright: ['u'],
  invert: ['i'],
  reset: ['0'],
  fit: ['.'],
  'actual-size': [','],
  'zoom-in': ['+', '='],
  'zoom-out': ['-'],
  'frame-next': ['ArrowDown'],
  'frame-before': ['ArrowUp'],
  'frame-far-next': ['PageDown'],
  'frame-far-before': ['PageUp'],
  'frame-first': ['Home'],
  'frame-last': ['End'],
  'picture-next': ['ArrowRight'],
  'picture-before': ['ArrowLeft'],
  'window-1': ['1'],
  'window-2': ['2'],
  'window-3': ['3'],
  'window-4': ['4'],
  'marks-list': ['m'],
  'marks-hide': ['o'],
  place: ['Enter'],
  cancel: ['Escape'],
  help: ['?'],
} as const satisfies Record<string, readonly string[]>;

export type Command = keyof typeof COMMANDS;

const BY_KEY = new Map<string, Command>(
  Object.entries(COMMANDS).flatMap(([command, keys]) => keys.map((key): [string, Command] => [key, command as Command])),
);

type Press = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>;

/** The command a key press means, or undefined. Capital letters count only where Shift is part of the command. */
export function commandFor(press: Press, singleKeys = true): Command | undefined {
  if (press.altKey) return undefined;
  const held = press.ctrlKey || press.metaKey;
  if (held) return BY_KEY.get(`Mod+${press.key.toLowerCase()}`);
  const letter = press.key.length === 1;
  if (letter && !singleKeys && press.key !== '?') return undefined;
  if (letter && press.shiftKey && /[A-Z]/i.test(press.key)) return BY_KEY.get(`Shift+${press.key.toUpperCase()}`);
  return BY_KEY.get(letter ? press.key.toLowerCase() : press.key);
}

const NAMES: Readonly<Record<string, string>> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  PageUp: 'PgUp',
  PageDown: 'PgDn',
  Escape: 'Esc',
  Delete: 'Del',
  Backspace: '⌫',
  Enter: '⏎',
  '-': '−',
};

/** The key as it is printed on the keyboard. */
export function keyName(key: string): string {
  const apple = typeof navigator !== 'undefined' && /Mac|iPad|iPhone/.test(navigator.platform);
  return key
    .split(/\+(?=.)/)
    .map((part) => (part === 'Mod' ? (apple ? '⌘' : 'Ctrl') : part === 'Shift' ? '⇧' : (NAMES[part] ?? part.toUpperCase())))
    .join(' ');
}
