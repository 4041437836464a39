/**
 * The hand that draws: turns presses, moves and keys into marks and changes of marks. It knows image
 * pixels and the book; it knows nothing of the screen but how far a pixel reaches.
 *
 * A point is set by pressing, dragging and letting go, or by clicking it; a freehand line by drawing it.
 * With the keyboard, Enter sets a point at the crosshair.
 */

import { distance, inside, pathDistance, simplify, type Point } from '../geometry';
import { isWhole, moved, pointsNeeded, withPoint, type Mark, type Tool } from '../marks/mark';
import { handlesOf } from './shapes';

/** What is drawn on: the frame's size, and how much of it a screen pixel covers. */
export interface Ground {
  readonly columns: number;
  readonly rows: number;
  /** Image pixels per screen pixel. */
  readonly perPixel: number;
}

export interface Desk {
  ground(): Ground | null;
  marks(): readonly Mark[];
  selected(): string | null;
  select(key: string | null): void;
  /** A new mark is finished. */
  drawn(tool: Tool, points: readonly Point[]): void;
  /** One's own mark was moved. */
  redrawn(mark: Mark): void;
  repaint(): void;
}

interface Draft {
  readonly tool: Tool;
  readonly fixed: Point[];
  live: Point;
}

interface Drag {
  readonly original: Mark;
  readonly handle: number | null;
  readonly from: Point;
  now: Mark;
}

export type Touch = 'mouse' | 'touch';

/** Screen pixels: how near counts as on it. */
const REACH = { mouse: { handle: 9, body: 6 }, touch: { handle: 24, body: 18 } } as const;
const CLICK_PX = 5;
const CLOSING_PX = 14;
const FREEHAND_STEP_PX = 2;
const MOST_POINTS = 5_000;

export class Pen {
  tool: Tool | null = null;
  private draft: Draft | null = null;
  private drag: Drag | null = null;
  private cross: Point | null = null;

  constructor(private readonly desk: Desk) {}

  get crosshair(): Point | null {
    return this.cross;
  }

  get busy(): boolean {
    return this.draft !== null || this.drag !== null;
  }

  /** The mark under the hand, drawn or dragged but not yet in the book. */
  pending(): { tool: Tool; points: readonly Point[] } | { mark: Mark } | null {
    if (this.drag) return { mark: this.drag.now };
    if (!this.draft) return null;
    return { tool: this.draft.tool, points: [...this.draft.fixed, this.draft.live] };
  }

  /** True when the press is the pen's to handle. */
  press(at: Point, touch: Touch): boolean {
    const ground = this.desk.ground();
    if (!ground) return false;
    this.cross = null;
    if (this.draft) {
      this.draft.live = this.on(ground, at);
      return true;
    }
    if (this.grab(ground, at, touch)) return true;
    if (!this.tool) return false;
    this.desk.select(null);
    const p = this.on(ground, at);
    this.draft = { tool: this.tool, fixed: [p], live: p };
    this.desk.repaint();
    return true;
  }

  move(at: Point): void {
    const ground = this.desk.ground();
    if (!ground) return;
    const p = this.on(ground, at);
    if (this.draft) {
      if (this.draft.tool === 'freehand' && distance(this.draft.fixed.at(-1)!, p) >= FREEHAND_STEP_PX * ground.perPixel) {
        this.draft.fixed.push(p);
      }
      this.draft.live = p;
    } else if (this.drag) {
      this.drag.now = dragged(this.drag, p, at);
    } else {
      return;
    }
    this.desk.repaint();
  }

  release(at: Point): void {
    const ground = this.desk.ground();
    if (!ground) return;
    if (this.drag) {
      const { now } = this.drag;
      this.drag = null;
      this.desk.redrawn(now);
      return;
    }
    if (!this.draft) return;
    if (this.draft.tool === 'freehand') this.endFreehand(ground, this.draft);
    else if (distance(this.draft.fixed.at(-1)!, this.on(ground, at)) > CLICK_PX * ground.perPixel) this.fix(this.on(ground, at));
  }

  /** Gives up what is under way; a mark being dragged goes back to where it was. */
  cancel(): boolean {
    const was = this.busy || this.cross !== null;
    this.draft = null;
    this.drag = null;
    this.cross = null;
    if (was) this.desk.repaint();
    return was;
  }

  /** Enter: the crosshair appears, and after that sets points; twice in one place ends a freehand line. */
  enter(middle: Point): void {
    const ground = this.desk.ground();
    if (!ground || !this.tool) return;
    if (!this.cross) {
      this.cross = this.on(ground, middle);
    } else if (!this.draft) {
      this.draft = { tool: this.tool, fixed: [this.cross], live: this.cross };
    } else if (distance(this.draft.fixed.at(-1)!, this.cross) > 0) {
      this.fix(this.cross);
    } else if (this.draft.tool === 'freehand' && this.draft.fixed.length > 1) {
      this.endFreehand(ground, this.draft);
    }
    this.desk.repaint();
  }

  /** Arrow keys move the crosshair, by image pixels. */
  nudge(dx: number, dy: number): boolean {
    const ground = this.desk.ground();
    if (!ground || !this.cross) return false;
    this.cross = this.on(ground, [this.cross[0] + dx, this.cross[1] + dy]);
    if (this.draft) this.draft.live = this.cross;
    this.desk.repaint();
    return true;
  }

  private fix(p: Point): void {
    const draft = this.draft!;
    draft.fixed.push(p);
    draft.live = p;
    if (draft.tool !== 'freehand' && draft.fixed.length === pointsNeeded(draft.tool)) this.finish(draft.tool, draft.fixed);
    else this.desk.repaint();
  }

  private endFreehand(ground: Ground, draft: Draft): void {
    const { fixed } = draft;
    const first = fixed[0]!;
    const reach = CLOSING_PX * ground.perPixel;
    const wide = fixed.some((p) => distance(first, p) > 2 * reach);
    if (!wide && fixed.length < 3 && this.cross === null) {
      this.cancel();
      return;
    }
    const closes = wide && fixed.length > 3 && distance(first, fixed.at(-1)!) < reach;
    this.finish('freehand', slimmed(closes ? [...fixed, first] : fixed, ground.perPixel / 2));
  }

  private finish(tool: Tool, points: readonly Point[]): void {
    this.draft = null;
    this.cross = null;
    if (isWhole(tool, points)) this.desk.drawn(tool, points);
    else this.desk.repaint();
  }

  /** A handle of the selected mark, or, unless a drawing tool is in hand, any mark's line. */
  private grab(ground: Ground, at: Point, touch: Touch): boolean {
    const reach = REACH[touch];
    const chosen = this.desk.marks().find((mark) => mark.key === this.desk.selected());
    const handle = chosen?.mine ? nearest(chosen, at, reach.handle * ground.perPixel) : null;
    if (chosen && handle !== null) {
      this.drag = { original: chosen, handle, from: at, now: chosen };
      return true;
    }
    if (this.tool) return false;
    const hit = this.markAt(ground, at, touch);
    if (hit?.mine) this.drag = { original: hit, handle: nearest(hit, at, reach.handle * ground.perPixel), from: at, now: hit };
    if (hit) this.desk.select(hit.key);
    return hit !== null;
  }

  private markAt(ground: Ground, at: Point, touch: Touch): Mark | null {
    let least = REACH[touch].body * ground.perPixel;
    let found: Mark | null = null;
    for (const mark of this.desk.marks()) {
      const d = pathDistance(at, mark.points);
      if (d <= least) [least, found] = [d, mark];
    }
    return found;
  }

  private on(ground: Ground, p: Point): Point {
    return inside(p, ground.columns, ground.rows);
  }
}

/** Without points nobody can see, and never more than the server takes. */
function slimmed(points: readonly Point[], tolerance: number): Point[] {
  const kept = simplify(points, tolerance);
  return kept.length <= MOST_POINTS ? kept : slimmed(points, tolerance * 2);
}

function nearest(mark: Mark, at: Point, reach: number): number | null {
  let least = reach;
  let index: number | null = null;
  for (const i of handlesOf(mark.tool, mark.points)) {
    const d = distance(at, mark.points[i]!);
    if (d <= least) [least, index] = [d, i];
  }
  return index;
}

function dragged({ original, handle, from }: Drag, onFrame: Point, at: Point): Mark {
  return handle === null ? moved(original, at[0] - from[0], at[1] - from[1]) : withPoint(original, handle, onFrame);
}
