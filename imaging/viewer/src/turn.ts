/** How the picture stands against the way it was taken: mirrored or not, then turned clockwise. */

export type Quarter = 0 | 90 | 180 | 270;

export interface Turn {
  readonly rotation: Quarter;
  /** Mirrored left to right before it was turned. */
  readonly mirrored: boolean;
}

export const UPRIGHT: Turn = { rotation: 0, mirrored: false };

export function isTurned({ rotation, mirrored }: Turn): boolean {
  return rotation !== 0 || mirrored;
}

export function turned({ rotation, mirrored }: Turn, degrees: 90 | -90): Turn {
  return { rotation: quarter(rotation + degrees), mirrored };
}

/** Mirrored as the reader sees it: left and right of the screen, or its top and bottom, change places. */
export function flipped({ rotation, mirrored }: Turn, across: boolean): Turn {
  return { rotation: quarter((across ? 0 : 180) - rotation), mirrored: !mirrored };
}

/** The turn in the fewest words: a mirrored picture turned half round is one flipped top to bottom. */
export function inWords({ rotation, mirrored }: Turn): { across: boolean; down: boolean; rotation: Quarter } {
  const down = mirrored && rotation === 180;
  return { across: mirrored && !down, down, rotation: down ? 0 : rotation };
}

export function quarter(degrees: number): Quarter {
  return ((((Math.round(degrees / 90) * 90) % 360) + 360) % 360) as Quarter;
}
