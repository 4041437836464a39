import { beforeAll, describe, expect, it } from 'vitest';
import en from '../src/locale/en.json';
import { measure, measureText, planeText, scaleOf, scaleText, type Kind, type Spacing } from '../src/units';
import { use } from '../src/words';
import type { Point } from '../src/geometry';

beforeAll(() => use(en, 'en-GB'));

const DETECTOR: Spacing = { row_mm: 0.1, column_mm: 0.1, origin: 'detector' };
const ACROSS: Point[] = [
  [0, 0],
  [300, 400],
];

describe('millimetres', () => {
  it('need a stated spacing and its origin', () => {
    expect(scaleOf('radiograph', DETECTOR)).toEqual({ size: [0.1, 0.1], origin: 'detector' });
    expect(scaleOf('ct', { row_mm: 0.4, column_mm: 0.3, origin: 'calibrated' })?.size).toEqual([0.3, 0.4]);
  });

  it.each<[string, Kind, Spacing | null]>([
    ['a photograph, whatever its file says', 'photo', { row_mm: 1, column_mm: 1, origin: 'calibrated' }],
    ['origin none', 'radiograph', { row_mm: 0.1, column_mm: 0.1, origin: 'none' }],
    ['no spacing', 'radiograph', null],
    ['half a spacing', 'ct', { row_mm: 0.1, column_mm: null, origin: 'calibrated' }],
    ['zero', 'ct', { row_mm: 0, column_mm: 0.1, origin: 'calibrated' }],
    ['not a number', 'ct', { row_mm: Number.NaN, column_mm: 0.1, origin: 'calibrated' }],
    ['an origin this viewer does not know', 'ct', { row_mm: 1, column_mm: 1, origin: 'guessed' as 'none' }],
  ])('are never given for %s', (_, kind, spacing) => {
    expect(scaleOf(kind, spacing)).toBeNull();
    const found = measure('length', ACROSS, scaleOf(kind, spacing))!;
    expect(measureText(found)).toBe('500 px');
    expect(planeText(found)).toBe('');
  });

  it('name their plane', () => {
    const found = measure('length', ACROSS, scaleOf('radiograph', DETECTOR))!;
    expect(measureText(found)).toBe('50.0 mm');
    expect(planeText(found)).toBe('detector plane');
  });
});

describe('outlines', () => {
  const box: Point[] = [
    [0, 0],
    [200, 0],
    [200, 100],
    [0, 100],
    [0, 0],
  ];

  it('have an area when closed, a length when open', () => {
    expect(measureText(measure('freehand', box, scaleOf('radiograph', DETECTOR))!)).toBe('2 cm² · 60.0 mm around');
    expect(measureText(measure('freehand', box.slice(0, 4), scaleOf('radiograph', DETECTOR))!)).toBe('50.0 mm');
    expect(measureText(measure('freehand', box, null)!)).toBe('20,000 px²');
  });
});

it('gives angles without any spacing', () => {
  const right: Point[] = [
    [10, 0],
    [0, 0],
    [0, 10],
  ];
  expect(measureText(measure('angle', right, null)!)).toBe('90.0°');
  expect(measure('angle', right.slice(0, 2), null)).toBeNull();
});

it('says nothing about an arrow', () => expect(measure('arrow', ACROSS, null)).toBeNull());

it('says what a pixel is', () => {
  expect(scaleText(null)).toBe('no known scale, sizes in pixels');
  expect(scaleText({ size: [0.3, 0.4], origin: 'calibrated' })).toBe('0.3 × 0.4 mm per pixel, calibrated');
});
