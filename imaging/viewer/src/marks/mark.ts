/** A mark: what somebody drew on one frame, in image pixels, with its author and version. */

import { isClosed, rounded, type Point } from '../geometry';

export const TOOLS = ['length', 'angle', 'arrow', 'freehand'] as const;
export type Tool = (typeof TOOLS)[number];

export interface Author {
  readonly id: string;
  readonly name: string;
}

export interface Mark {
  /** Names the mark on this page: the server's id, or our client_id for what was drawn here. */
  readonly key: string;
  /** The server's id, once it has one. */
  readonly id: string | null;
  /** The version last seen on the server; 0 before the first save. */
  readonly version: number;
  readonly instanceId: string;
  /** 1-based, as in WADO-RS. */
  readonly frame: number;
  readonly tool: Tool;
  readonly points: readonly Point[];
  readonly text: string;
  /** A coded finding, which this viewer keeps as it is. */
  readonly finding: string | null;
  readonly author: Author;
  readonly at: string;
  readonly mine: boolean;
}

/** One annotation as the API speaks it. */
export interface Wire {
  readonly id: string;
  readonly instance_id: string;
  readonly frame: number;
  readonly tool: string;
  readonly points: readonly (readonly number[])[];
  readonly text: string | null;
  readonly finding: string | null;
  readonly version: number;
  readonly author: Author;
  readonly at: string;
  readonly mine: boolean;
}

/** The mark in an API answer, or null when this viewer does not know how to draw it. */
export function fromWire(wire: Wire, key = wire.id): Mark | null {
  const tool = TOOLS.find((known) => known === wire.tool);
  const points = wire.points.map(([x, y]): Point => [Number(x), Number(y)]);
  if (!tool || !isWhole(tool, points)) return null;
  return {
    key,
    id: wire.id,
    version: wire.version,
    instanceId: wire.instance_id,
    frame: wire.frame,
    tool,
    points,
    text: wire.text ?? '',
    finding: wire.finding,
    author: wire.author,
    at: wire.at,
    mine: wire.mine,
  };
}

/** What a change sends: everything that may change. */
export function toChange(mark: Mark): Record<string, unknown> {
  return { tool: mark.tool, points: mark.points.map(rounded), text: mark.text, finding: mark.finding };
}

/** What a new mark sends; its key is its name here, whatever becomes of the answer. */
export function toWire(mark: Mark): Record<string, unknown> {
  return { client_id: mark.key, instance_id: mark.instanceId, frame: mark.frame, ...toChange(mark) };
}

/** How many points the tool needs; of an angle the middle one is the corner, of an arrow the first is the tail. */
export function pointsNeeded(tool: Tool): number {
  return tool === 'angle' ? 3 : 2;
}

export function isWhole(tool: Tool, points: readonly Point[]): boolean {
  if (points.some((p) => !Number.isFinite(p[0]) || !Number.isFinite(p[1]))) return false;
  return tool === 'freehand' ? points.length >= 2 : points.length === pointsNeeded(tool);
}

/** Marks with one point dragged elsewhere; an outline stays closed. */
export function withPoint(mark: Mark, index: number, to: Point): Mark {
  const closed = mark.tool === 'freehand' && isClosed(mark.points);
  const last = mark.points.length - 1;
  const moved = (i: number) => i === index || (closed && (index === 0 || index === last) && (i === 0 || i === last));
  return { ...mark, points: mark.points.map((p, i) => (moved(i) ? to : p)) };
}

export function moved(mark: Mark, dx: number, dy: number): Mark {
  return { ...mark, points: mark.points.map((p): Point => [p[0] + dx, p[1] + dy]) };
}

export function sameDrawing(a: Mark, b: Mark): boolean {
  return (
    a.text === b.text &&
    a.points.length === b.points.length &&
    a.points.every((p, i) => p[0] === b.points[i]![0] && p[1] === b.points[i]![1])
  );
}
