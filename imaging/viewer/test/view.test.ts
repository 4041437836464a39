import { describe, expect, it } from 'vitest';
import { affineFrom } from '../src/geometry';
import { COMMANDS, commandFor } from '../src/keys';
import { picturesOf, previewUrl, type Manifest } from '../src/manifest';
import { coloursOf, PALETTE } from '../src/marks/authors';
import { withPoint } from '../src/marks/mark';
import { headerOf } from '../src/stage/header';
import { sidesOf } from '../src/stage/sides';
import { flipped, inWords, isTurned, turned, UPRIGHT } from '../src/turn';
import { LIN, markBy, ZHOU } from './cast';

describe('turning and flipping', () => {
  it('comes back after four turns and after two flips', () => {
    let turn = UPRIGHT;
    for (let i = 0; i < 4; i++) turn = turned(turn, 90);
    expect(turn).toEqual(UPRIGHT);
    expect(flipped(flipped(turned(UPRIGHT, 90), true), true)).toEqual(turned(UPRIGHT, 90));
  });

  it('mirrors what is on the screen, however it is turned', () => {
    // turned right and then mirrored across is mirrored first and then turned left
    expect(flipped(turned(UPRIGHT, 90), true)).toEqual({ rotation: 270, mirrored: true });
  });

  it('says top to bottom for what it is', () => {
    expect(inWords(flipped(UPRIGHT, false))).toEqual({ across: false, down: true, rotation: 0 });
    expect(inWords(flipped(UPRIGHT, true))).toEqual({ across: true, down: false, rotation: 0 });
    expect(isTurned(flipped(flipped(UPRIGHT, true), false))).toBe(true);
  });
});

describe('the letters at the edges', () => {
  const element = (vr: string, ...Value: unknown[]) => ({ vr, Value });
  const axial = headerOf({ '00200037': element('DS', 1, 0, 0, 0, 1, 0) }, 1);
  const upright = affineFrom([0, 0], [1, 0], [0, 1]);

  it('are those of the patient on an axial slice', () => {
    expect(sidesOf(axial, upright)).toEqual({ top: 'A', right: 'L', bottom: 'P', left: 'R' });
  });

  it('change places with the picture', () => {
    const mirrored = affineFrom([0, 0], [-1, 0], [0, 1]);
    const turnedRight = affineFrom([0, 0], [0, 1], [-1, 0]);
    expect(sidesOf(axial, mirrored)).toMatchObject({ left: 'L', right: 'R' });
    expect(sidesOf(axial, turnedRight)).toMatchObject({ top: 'R', right: 'A', bottom: 'L', left: 'P' });
  });

  it('come from Patient Orientation on a radiograph, and from nowhere else', () => {
    const film = headerOf({ '00200020': element('CS', 'L', 'F') }, 1);
    expect(sidesOf(film, upright)).toEqual({ top: 'H', right: 'L', bottom: 'F', left: 'R' });
    expect(sidesOf(headerOf({}, 1), upright)).toBeNull();
  });
});

describe('keys', () => {
  const press = (key: string, held: Partial<KeyboardEvent> = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

  it('mean one command each', () => {
    const keys = Object.values(COMMANDS).flat();
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('do not mind Caps Lock, and know Shift', () => {
    expect(commandFor(press('R'))).toBe('rotate-right');
    expect(commandFor(press('R', { shiftKey: true }))).toBe('rotate-left');
    expect(commandFor(press('?', { shiftKey: true }))).toBe('help');
    expect(commandFor(press('z', { ctrlKey: true }))).toBe('undo');
    expect(commandFor(press('z', { metaKey: true }))).toBe('undo');
    expect(commandFor(press('r', { ctrlKey: true }))).toBeUndefined();
  });

  it('can do without single letters', () => {
    expect(commandFor(press('l'), false)).toBeUndefined();
    expect(commandFor(press('ArrowDown'), false)).toBe('frame-next');
    expect(commandFor(press('?'), false)).toBe('help');
  });
});

describe('pictures', () => {
  const instance = (id: string, kind: 'ct' | 'photo', more = {}) => ({ id, sop_instance_uid: `1.2.${id}`, rows: 4, columns: 5, kind, transfer_syntax_uid: '1.2.840.10008.1.2.1', ...more });
  const manifest: Manifest = {
    case: { id: 'c/1', number: 'SH-1' },
    may_annotate: true,
    me: LIN,
    studies: [
      {
        id: 's',
        study_instance_uid: '1.1',
        series: [
          { series_instance_uid: '1.1.1', kind: 'ct', title: 'CT', instances: [instance('a', 'ct'), instance('b', 'ct'), instance('scout', 'ct', { rows: 9 })] },
          { series_instance_uid: '1.1.2', kind: 'photo', title: 'Photos', instances: [instance('p', 'photo', { title: 'Palm' }), instance('q', 'photo', { number_of_frames: 3 })] },
        ],
      },
    ],
  };

  it('are stacks of one size for CT, single for photographs', () => {
    expect(picturesOf(manifest).map((picture) => [picture.title, picture.frames.length])).toEqual([
      ['CT 1', 2],
      ['CT 2', 1],
      ['Palm', 1],
      ['Photos', 3],
    ]);
  });

  it('are fetched under the case’s own root', () => {
    const [stack] = picturesOf(manifest);
    expect(previewUrl(stack!.frames[1]!, 640.4, 480)).toBe('/dicomweb/cases/c%2F1/studies/1.1/series/1.1.1/instances/1.2.b/frames/1/rendered?viewport=640,480');
  });
});

describe('colours', () => {
  const saved = (author: typeof LIN, id: string) => markBy(author, { id, key: id });

  it('follow the first mark of each author, whatever the order of the list', () => {
    const marks = [saved(LIN, 'id-3'), saved(ZHOU, 'id-2'), saved(LIN, 'id-9')];
    expect(coloursOf(marks, LIN.id)).toEqual(coloursOf([...marks].reverse(), LIN.id));
    expect(coloursOf(marks, LIN.id).get(ZHOU.id)).toBe(PALETTE[0]);
    expect(coloursOf(marks, LIN.id).get(LIN.id)).toBe(PALETTE[1]);
  });

  it('put somebody who has not drawn yet last', () => {
    expect(coloursOf([saved(ZHOU, 'id-1')], LIN.id).get(LIN.id)).toBe(PALETTE[1]);
  });
});

it('keeps an outline closed when its first point is dragged', () => {
  const outline = markBy(LIN, { tool: 'freehand', points: [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]] });
  const { points } = withPoint(outline, 0, [1, 2]);
  expect(points[0]).toEqual([1, 2]);
  expect(points.at(-1)).toEqual([1, 2]);
});
