import { beforeEach, describe, expect, it } from 'vitest';
import { Pen } from '../src/drawing/pen';
import { isClosed, type Point } from '../src/geometry';
import type { Mark, Tool } from '../src/marks/mark';
import { LIN, markBy, ZHOU } from './cast';

let marks: Mark[];
let selected: string | null;
let drawn: { tool: Tool; points: readonly Point[] }[];
let redrawn: Mark[];
let pen: Pen;

beforeEach(() => {
  marks = [];
  selected = null;
  drawn = [];
  redrawn = [];
  pen = new Pen({
    ground: () => ({ columns: 1000, rows: 1000, perPixel: 1 }),
    marks: () => marks,
    selected: () => selected,
    select: (key) => (selected = key),
    drawn: (tool, points) => drawn.push({ tool, points }),
    redrawn: (mark) => redrawn.push(mark),
    repaint: () => undefined,
  });
});

function drag(...points: Point[]): void {
  pen.press(points[0]!, 'mouse');
  for (const p of points.slice(1)) pen.move(p);
  pen.release(points.at(-1)!);
}

function click(...points: Point[]): void {
  for (const p of points) {
    pen.move(p);
    pen.press(p, 'mouse');
    pen.release(p);
  }
}

describe('drawing', () => {
  it('makes a length by dragging or by two clicks', () => {
    pen.tool = 'length';
    drag([100, 100], [150, 120], [200, 180]);
    click([300, 300], [400, 300]);
    expect(drawn.map(({ points }) => points)).toEqual([
      [[100, 100], [200, 180]],
      [[300, 300], [400, 300]],
    ]);
  });

  it('makes an angle by dragging its first ray and clicking the end of the second', () => {
    pen.tool = 'angle';
    drag([100, 100], [200, 200]);
    expect(drawn).toHaveLength(0);
    expect(pen.busy).toBe(true);
    click([300, 100]);
    expect(drawn[0]?.points).toEqual([[100, 100], [200, 200], [300, 100]]);
  });

  it('makes no mark of an idle click', () => {
    pen.tool = 'freehand';
    click([100, 100]);
    expect(drawn).toHaveLength(0);
    expect(pen.busy).toBe(false);
  });

  it('closes a freehand line that comes back, and leaves another open', () => {
    pen.tool = 'freehand';
    drag([100, 100], [200, 100], [200, 200], [100, 200], [102, 104]);
    drag([300, 100], [400, 110], [500, 300]);
    expect(drawn.map(({ points }) => isClosed(points))).toEqual([true, false]);
  });

  it('stays on the frame', () => {
    pen.tool = 'length';
    drag([950, 500], [1400, -80]);
    expect(drawn[0]?.points).toEqual([[950, 500], [1000, 0]]);
  });

  it('gives up on cancel', () => {
    pen.tool = 'length';
    pen.press([1, 1], 'mouse');
    expect(pen.cancel()).toBe(true);
    pen.release([90, 90]);
    expect(drawn).toHaveLength(0);
  });

  it('draws without a pointer', () => {
    pen.tool = 'length';
    pen.enter([500, 500]);
    expect(pen.crosshair).toEqual([500, 500]);
    pen.enter([0, 0]);
    pen.nudge(60, 0);
    pen.nudge(0, 5);
    pen.enter([0, 0]);
    expect(drawn[0]?.points).toEqual([[500, 500], [560, 505]]);
    expect(pen.crosshair).toBeNull();
  });

  it('ends a keyboard freehand line by Enter twice in one place', () => {
    pen.tool = 'freehand';
    pen.enter([500, 500]);
    pen.enter([0, 0]);
    for (const [dx, dy] of [[100, 0], [0, 100]] as const) {
      pen.nudge(dx, dy);
      pen.enter([0, 0]);
    }
    pen.enter([0, 0]);
    expect(drawn[0]?.points).toEqual([[500, 500], [600, 500], [600, 600]]);
  });
});

describe('changing', () => {
  beforeEach(() => {
    marks = [markBy(LIN, { key: 'mine', points: [[100, 100], [300, 100]] }), markBy(ZHOU, { key: 'theirs', points: [[100, 500], [300, 500]] })];
  });

  it('drags an end of one’s own mark', () => {
    drag([301, 101], [350, 160]);
    expect(redrawn[0]?.points).toEqual([[100, 100], [350, 160]]);
    expect(selected).toBe('mine');
  });

  it('drags the whole by its line', () => {
    drag([200, 102], [210, 132]);
    expect(redrawn[0]?.points).toEqual([[110, 130], [310, 130]]);
  });

  it('chooses another’s mark but never moves it', () => {
    drag([300, 500], [350, 560]);
    expect(selected).toBe('theirs');
    expect(redrawn).toHaveLength(0);
  });

  it('is nobody’s press on bare picture, so the view may have it', () => {
    expect(pen.press([600, 600], 'mouse')).toBe(false);
  });

  it('reaches farther with a finger than with a mouse', () => {
    expect(pen.press([200, 114], 'mouse')).toBe(false);
    expect(pen.press([200, 114], 'touch')).toBe(true);
  });

  it('starts a new mark over an old one when a drawing tool is in hand', () => {
    pen.tool = 'length';
    drag([300, 100], [400, 400]);
    expect(drawn).toHaveLength(1);
    expect(redrawn).toHaveLength(0);
  });
});
