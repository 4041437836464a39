import { describe, expect, it } from 'vitest';
import { handlesOf, labelPlace, outline } from '../src/drawing/shapes';
import type { Point } from '../src/geometry';

describe('an arrow', () => {
  const points: Point[] = [
    [100, 100],
    [300, 100],
  ];

  it('has its head at the second point', () => {
    const head = outline('arrow', points).split('M').at(-1)!;
    expect(head).toMatch(/L300\.00 100\.00L/);
  });

  it('has its words beyond the tail, away from what it points at', () => {
    expect(labelPlace('arrow', points)).toMatchObject({ box: { left: 100, top: 100 }, side: 'left' });
    expect(labelPlace('arrow', [points[1]!, points[0]!])).toMatchObject({ box: { left: 300 }, side: 'right' });
  });
});

describe('an angle', () => {
  it('has its words outside the corner', () => {
    expect(labelPlace('angle', [[300, 0], [100, 100], [300, 200]]).side).toBe('left');
    expect(labelPlace('angle', [[0, 0], [100, 100], [0, 200]]).side).toBe('right');
  });

  it('is drawn before it is finished', () => {
    expect(outline('angle', [[0, 0], [50, 50]])).toBe('M0.00 0.00L50.00 50.00');
  });
});

describe('a freehand outline', () => {
  const open: Point[] = [
    [0, 0],
    [90, 0],
    [90, 60],
  ];
  const closed = [...open, open[0]!];

  it('is closed on the screen when it is closed', () => {
    expect(outline('freehand', closed)).toMatch(/Z$/);
    expect(outline('freehand', open)).not.toMatch(/Z$/);
  });

  it('has its words beside the whole of it', () => {
    expect(labelPlace('freehand', closed).box).toEqual({ left: 0, top: 0, width: 90, height: 60 });
  });

  it('can be pulled by its ends only while it is open', () => {
    expect(handlesOf('freehand', open)).toEqual([0, 2]);
    expect(handlesOf('freehand', closed)).toEqual([]);
  });
});
