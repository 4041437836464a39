/** The letters at the picture's edges (R, L, A, P, H, F), as the view is turned and flipped. */

import { apply, invert, type Affine, type Point } from '../geometry';
import type { Header } from './header';

export interface Sides {
  readonly top: string;
  readonly right: string;
  readonly bottom: string;
  readonly left: string;
}

const OPPOSITE: Readonly<Record<string, string>> = { R: 'L', L: 'R', A: 'P', P: 'A', H: 'F', F: 'H' };

/** Null where the object does not say how the patient lay. */
export function sidesOf(header: Header, toScreen: Affine): Sides | null {
  const [row, column] = directions(header);
  if (!row || !column) return null;
  const back = invert({ ...toScreen, e: 0, f: 0 });
  const toward = (screen: Point) => {
    const [x, y] = apply(back, screen);
    const [along, letter] = Math.abs(x) >= Math.abs(y) ? [x, row] : [y, column];
    return along >= 0 ? letter : opposite(letter);
  };
  return { top: toward([0, -1]), right: toward([1, 0]), bottom: toward([0, 1]), left: toward([-1, 0]) };
}

function directions(header: Header): [string | null, string | null] {
  if (header.orientation) {
    return [letters(header.orientation.slice(0, 3)), letters(header.orientation.slice(3, 6))];
  }
  return header.runsTo ? [header.runsTo[0] || null, header.runsTo[1] || null] : [null, null];
}

/** Patient axes are x to the left, y to the back, z to the head (PS3.3 C.7.6.2.1.1). */
function letters(cosines: readonly number[]): string {
  const named = cosines.map((value, axis): [number, string] => [value, (value < 0 ? 'RAF' : 'LPH')[axis]!]);
  named.sort(([a], [b]) => Math.abs(b) - Math.abs(a));
  return named
    .filter(([value], i) => i === 0 || Math.abs(value) > 0.3)
    .map(([, letter]) => letter)
    .join('');
}

function opposite(letter: string): string {
  return [...letter].map((one) => OPPOSITE[one] ?? one).join('');
}
