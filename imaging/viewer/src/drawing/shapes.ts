/** How each tool looks on the screen: paths and the place of its label, from points in screen pixels. */

import { isClosed, type Point } from '../geometry';
import type { Tool } from '../marks/mark';

export function outline(tool: Tool, points: readonly Point[]): string {
  switch (tool) {
    case 'length':
      return points.length < 2 ? '' : line(points) + endBar(points[0]!, points[1]!) + endBar(points[1]!, points[0]!);
    case 'arrow':
      return points.length < 2 ? '' : line(points) + arrowHead(points[1]!, points[0]!);
    case 'angle':
      return line(points) + (points.length === 3 ? arc(points[0]!, points[1]!, points[2]!) : '');
    case 'freehand':
      return line(points);
  }
}

function line(points: readonly Point[]): string {
  const [first, ...rest] = isClosed(points) ? points.slice(0, -1) : points;
  if (!first) return '';
  return `M${xy(first)}${rest.map((p) => `L${xy(p)}`).join('')}${isClosed(points) ? 'Z' : ''}`;
}

/** A short bar across the end of a length, as on a drawn dimension. */
function endBar(end: Point, other: Point): string {
  const [ux, uy] = unit(end, other);
  return `M${xy([end[0] - uy * 6, end[1] + ux * 6])}L${xy([end[0] + uy * 6, end[1] - ux * 6])}`;
}

function arrowHead(tip: Point, tail: Point): string {
  const [ux, uy] = unit(tip, tail);
  const side = (s: number): Point => [tip[0] + ux * 14 - uy * 6 * s, tip[1] + uy * 14 + ux * 6 * s];
  return `M${xy(side(1))}L${xy(tip)}L${xy(side(-1))}`;
}

function arc(a: Point, corner: Point, b: Point): string {
  const radius = Math.min(26, Math.hypot(a[0] - corner[0], a[1] - corner[1]), Math.hypot(b[0] - corner[0], b[1] - corner[1]));
  if (radius < 8) return '';
  const [ux, uy] = unit(corner, a);
  const [vx, vy] = unit(corner, b);
  const sweep = ux * vy - uy * vx > 0 ? 1 : 0;
  const from: Point = [corner[0] + ux * radius, corner[1] + uy * radius];
  const to: Point = [corner[0] + vx * radius, corner[1] + vy * radius];
  return `M${xy(from)}A${radius} ${radius} 0 0 ${sweep} ${xy(to)}`;
}

function unit(from: Point, to: Point): Point {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
  return [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
}

function xy([x, y]: Point): string {
  return `${x.toFixed(2)} ${y.toFixed(2)}`;
}

/** Where a label goes: beside this box, on this side if there is room. */
export interface Place {
  readonly box: Box;
  readonly side: Side;
}

export type Side = 'left' | 'right' | 'above' | 'below';

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Beyond an arrow's tail, outside an angle's corner, right of everything else: never over the drawing. */
export function labelPlace(tool: Tool, points: readonly Point[]): Place {
  if (tool === 'arrow') return { box: boxOf([points[0]!]), side: away(points[1]!, points[0]!) };
  if (tool === 'angle' && points.length === 3) {
    const [a, corner, b] = points as [Point, Point, Point];
    const between: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    return { box: boxOf([corner]), side: corner[0] >= between[0] ? 'right' : 'left' };
  }
  return { box: boxOf(points), side: 'right' };
}

function boxOf(points: readonly Point[]): Box {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { left, top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
}

function away(from: Point, to: Point): Side {
  const [x, y] = [to[0] - from[0], to[1] - from[1]];
  if (Math.abs(x) >= Math.abs(y)) return x > 0 ? 'right' : 'left';
  return y > 0 ? 'below' : 'above';
}

/** Points that may be dragged; a freehand line is dragged by its ends only when it is open. */
export function handlesOf(tool: Tool, points: readonly Point[]): readonly number[] {
  if (tool !== 'freehand') return points.map((_, i) => i);
  return isClosed(points) ? [] : [0, points.length - 1];
}
