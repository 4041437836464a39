import { describe, expect, it } from 'vitest';
import { affineFrom, angle, apply, area, distance, inside, invert, isClosed, magnification, pathDistance, pathLength, rounded, simplify, type Point } from '../src/geometry';

const SQUARE: Point[] = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
  [0, 0],
];

describe('lengths and areas', () => {
  it('measures along oblong pixels', () => {
    expect(distance([0, 0], [3, 4])).toBe(5);
    expect(distance([0, 0], [3, 4], [2, 1])).toBeCloseTo(Math.hypot(6, 4));
    expect(pathLength(SQUARE)).toBe(40);
  });

  it('has the same area either way round', () => {
    expect(area(SQUARE)).toBe(100);
    expect(area([...SQUARE].reverse())).toBe(100);
    expect(area(SQUARE, [0.1, 0.1])).toBeCloseTo(1);
  });
});

describe('angles', () => {
  it('is between 0 and 180 whichever ray comes first', () => {
    expect(angle([1, 0], [0, 0], [0, 1])).toBeCloseTo(90);
    expect(angle([0, 1], [0, 0], [1, 0])).toBeCloseTo(90);
    expect(angle([-1, 0], [0, 0], [1, 0])).toBeCloseTo(180);
  });

  it('is that of the body, not of the grid, when pixels are oblong', () => {
    expect(angle([1, 0], [0, 0], [1, 1], [1, 2])).toBeCloseTo((Math.atan(2) * 180) / Math.PI);
  });
});

describe('outlines', () => {
  it('is closed only when it returns to its first point', () => {
    expect(isClosed(SQUARE)).toBe(true);
    expect(isClosed(SQUARE.slice(0, -1))).toBe(false);
    expect(isClosed([])).toBe(false);
  });

  it('drops points on a straight line and keeps the corners', () => {
    const path: Point[] = Array.from({ length: 11 }, (_, i): Point => [i, i === 5 ? 4 : 0]);
    const kept = simplify(path, 0.5);
    expect(kept).toContainEqual([5, 4]);
    expect(kept.length).toBeLessThan(path.length);
    expect(kept[0]).toEqual(path[0]);
    expect(kept.at(-1)).toEqual(path.at(-1));
  });

  it('knows how far a point is from a path', () => {
    expect(pathDistance([5, 3], SQUARE)).toBe(3);
    expect(pathDistance([5, 5], [[5, 8]])).toBe(3);
  });
});

describe('maps between picture and screen', () => {
  const turned = affineFrom([100, 20], [100, 22], [98, 20]);

  it('comes back to the same point', () => {
    const [x, y] = apply(invert(turned), apply(turned, [7.25, 3.5]));
    expect(x).toBeCloseTo(7.25);
    expect(y).toBeCloseTo(3.5);
  });

  it('tells the magnification of a turned picture', () => expect(magnification(turned)).toBeCloseTo(2));
});

it('keeps points on the frame, edges included', () => {
  expect(inside([-3, 12], 10, 10)).toEqual([0, 10]);
});

it('rounds to hundredths of a pixel', () => {
  expect(rounded([1.23456, 7])).toEqual([1.23, 7]);
});
