/**
 * Plane geometry in image pixels: a point is [column, row], and 0,0 is the top-left corner of the
 * first pixel (so the centre of that pixel is 0.5,0.5).
 */

export type Point = readonly [column: number, row: number];

/** Millimetres per pixel along columns and rows; `[1, 1]` measures in pixels. */
export type PixelSize = readonly [column: number, row: number];

export const SQUARE: PixelSize = [1, 1];

export function distance(a: Point, b: Point, size: PixelSize = SQUARE): number {
  return Math.hypot((b[0] - a[0]) * size[0], (b[1] - a[1]) * size[1]);
}

/** Length of the open path through the points. */
export function pathLength(points: readonly Point[], size: PixelSize = SQUARE): number {
  let sum = 0;
  for (let i = 1; i < points.length; i++) sum += distance(points[i - 1]!, points[i]!, size);
  return sum;
}

/** Area inside the closed outline (shoelace); the order of the points does not matter. */
export function area(points: readonly Point[], size: PixelSize = SQUARE): number {
  let twice = 0;
  for (let i = 0; i < points.length; i++) {
    const a = points[i]!;
    const b = points[(i + 1) % points.length]!;
    twice += a[0] * b[1] - b[0] * a[1];
  }
  return (Math.abs(twice) / 2) * size[0] * size[1];
}

/** The angle at `corner` between the rays to `a` and `b`, 0 to 180 degrees. */
export function angle(a: Point, corner: Point, b: Point, size: PixelSize = SQUARE): number {
  const ux = (a[0] - corner[0]) * size[0];
  const uy = (a[1] - corner[1]) * size[1];
  const vx = (b[0] - corner[0]) * size[0];
  const vy = (b[1] - corner[1]) * size[1];
  return (Math.abs(Math.atan2(ux * vy - uy * vx, ux * vx + uy * vy)) * 180) / Math.PI;
}

/** Distance from `p` to the segment a–b. */
function segmentDistance(p: Point, a: Point, b: Point): number {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const square = dx * dx + dy * dy;
  const t = square === 0 ? 0 : Math.max(0, Math.min(1, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square));
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}

export function pathDistance(p: Point, points: readonly Point[]): number {
  if (points.length === 1) return distance(p, points[0]!);
  let least = Infinity;
  for (let i = 1; i < points.length; i++) least = Math.min(least, segmentDistance(p, points[i - 1]!, points[i]!));
  return least;
}

/** Whether the outline returns to where it began. */
export function isClosed(points: readonly Point[]): boolean {
  const first = points[0];
  const last = points.at(-1);
  return points.length > 3 && first![0] === last![0] && first![1] === last![1];
}

/** Drops points that lie within `tolerance` of the line through their neighbours (Ramer–Douglas–Peucker). */
export function simplify(points: readonly Point[], tolerance: number): Point[] {
  if (points.length < 3) return [...points];
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const spans: [number, number][] = [[0, points.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [from, to] = span;
    let worst = tolerance;
    let at = -1;
    for (let i = from + 1; i < to; i++) {
      const d = segmentDistance(points[i]!, points[from]!, points[to]!);
      if (d > worst) [worst, at] = [d, i];
    }
    if (at > 0) {
      keep[at] = 1;
      spans.push([from, at], [at, to]);
    }
  }
  return points.filter((_, i) => keep[i] === 1);
}

export function inside(p: Point, columns: number, rows: number): Point {
  return [Math.max(0, Math.min(columns, p[0])), Math.max(0, Math.min(rows, p[1]))];
}

/** To the hundredth of a pixel: finer than any hand, and the same number after a journey through JSON. */
export function rounded(p: Point): Point {
  return [Math.round(p[0] * 100) / 100, Math.round(p[1] * 100) / 100];
}

/** x' = a·x + c·y + e, y' = b·x + d·y + f (the order of SVG's matrix()). */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

/** The map that carries 0,0 to `origin`, 1,0 to `x` and 0,1 to `y`. */
export function affineFrom(origin: Point, x: Point, y: Point): Affine {
  return {
    a: x[0] - origin[0],
    b: x[1] - origin[1],
    c: y[0] - origin[0],
    d: y[1] - origin[1],
    e: origin[0],
    f: origin[1],
  };
}

export function apply(m: Affine, p: Point): Point {
  return [m.a * p[0] + m.c * p[1] + m.e, m.b * p[0] + m.d * p[1] + m.f];
}

export function invert(m: Affine): Affine {
  const det = m.a * m.d - m.b * m.c;
  return {
    a: m.d / det,
    b: -m.b / det,
    c: -m.c / det,
    d: m.a / det,
    e: (m.c * m.f - m.d * m.e) / det,
    f: (m.b * m.e - m.a * m.f) / det,
  };
}

/** How many screen pixels one image pixel takes. */
export function magnification(m: Affine): number {
  return Math.sqrt(Math.abs(m.a * m.d - m.b * m.c));
}
