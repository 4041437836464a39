/** Window presets for CT, in Hounsfield units: the customary ones of the skeleton. */

import type { Window } from './stage/header';

export const CT_WINDOWS: readonly { readonly label: string; readonly window: Window }[] = [
  { label: 'window-bone', window: { center: 500, width: 2000 } },
  { label: 'window-soft', window: { center: 40, width: 400 } },
  { label: 'window-metal', window: { center: 1000, width: 4000 } },
];

export function sameWindow(a: Window, b: Window): boolean {
  return Math.abs(a.center - b.center) < 1 && Math.abs(a.width - b.width) < 1;
}
