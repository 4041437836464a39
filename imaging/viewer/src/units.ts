/**
 * What may be said about size. Millimetres appear only where the manifest states a spacing and where
 * it comes from; everything else, and every photograph, is measured in pixels. Angles need no spacing,
 * only the shape of the pixel.
 */

import { angle, area, isClosed, pathLength, SQUARE, type PixelSize, type Point } from './geometry';
import type { Tool } from './marks/mark';
import { decimal, t } from './words';

export type Origin = 'detector' | 'calibrated' | 'none';
export type Kind = 'radiograph' | 'ct' | 'photo' | 'other';

/** As the manifest gives it: the distance between the centres of neighbouring rows and columns. */
export interface Spacing {
  readonly row_mm?: number | null;
  readonly column_mm?: number | null;
  readonly origin: Origin;
}

/** A spacing that may be trusted, and in which plane it holds. */
export interface Scale {
  readonly size: PixelSize;
  readonly origin: Exclude<Origin, 'none'>;
}

export function scaleOf(kind: Kind, spacing: Spacing | null | undefined): Scale | null {
  if (kind === 'photo' || !spacing || spacing.origin === 'none') return null;
  const { row_mm: row, column_mm: column, origin } = spacing;
  if (origin !== 'detector' && origin !== 'calibrated') return null;
  if (!usable(row) || !usable(column)) return null;
  return { size: [column, row], origin };
}

function usable(mm: number | null | undefined): mm is number {
  return typeof mm === 'number' && Number.isFinite(mm) && mm > 0;
}

export type Measure =
  | { readonly kind: 'length'; readonly value: number; readonly scale: Scale | null }
  | { readonly kind: 'angle'; readonly degrees: number }
  | { readonly kind: 'outline'; readonly area: number; readonly around: number; readonly scale: Scale | null };

/** What the drawn points measure; an arrow measures nothing, nor does an unfinished mark. */
export function measure(tool: Tool, points: readonly Point[], scale: Scale | null): Measure | null {
  const size = scale?.size ?? SQUARE;
  if (tool === 'angle') {
    return points.length < 3 ? null : { kind: 'angle', degrees: angle(points[0]!, points[1]!, points[2]!, size) };
  }
  if (tool === 'arrow' || points.length < 2) return null;
  if (tool === 'freehand' && isClosed(points)) {
    return { kind: 'outline', area: area(points, size), around: pathLength(points, size), scale };
  }
  return { kind: 'length', value: pathLength(points, size), scale };
}

/** The measure in the reader's words, without its plane. */
export function measureText(m: Measure): string {
  if (m.kind === 'angle') return `${decimal(m.degrees, 1)}°`;
  if (m.kind === 'length') return lengthText(m.value, m.scale);
  const area = areaText(m.area, m.scale);
  return m.scale ? `${area} · ${t('measure-around', { length: lengthText(m.around, m.scale) })}` : area;
}

/** In which plane its millimetres hold; empty where there are none. */
export function planeText(m: Measure): string {
  return m.kind === 'angle' || !m.scale ? '' : t(`plane-${m.scale.origin}`);
}

function lengthText(value: number, scale: Scale | null): string {
  return scale ? t('measure-mm', { value: decimal(value, 1) }) : t('measure-pixels', { value: decimal(value, 0) });
}

function areaText(value: number, scale: Scale | null): string {
  if (!scale) return t('measure-square-pixels', { value: decimal(value, 0) });
  return value >= 100 ? t('measure-square-cm', { value: decimal(value / 100, 2) }) : t('measure-square-mm', { value: decimal(value, 0) });
}

/** The quiet line's half about size. */
export function scaleText(scale: Scale | null): string {
  if (!scale) return t('scale-none');
  const [column, row] = scale.size;
  const same = Math.abs(column - row) < 1e-6;
  const size = same ? decimal(column, 3) : `${decimal(column, 3)} × ${decimal(row, 3)}`;
  return t('scale-known', { size, plane: t(`plane-${scale.origin}`) });
}
