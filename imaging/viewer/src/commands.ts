/** What each command does: one line each, total over the table of keys. */

import type { Command } from './keys';
import type { Reader } from './reader';
import { CT_WINDOWS } from './windows';

export type Commands = Readonly<Record<Command, () => void>>;

const FAR = 10;
const CLOSER = 1.25;

export function commands(reader: Reader): Commands {
  return {
    window: () => reader.take('window'),
    zoom: () => reader.take('zoom'),
    pan: () => reader.take('pan'),
    scroll: () => reader.take('scroll'),
    length: () => reader.draw('length'),
    angle: () => reader.draw('angle'),
    arrow: () => reader.draw('arrow'),
    freehand: () => reader.draw('freehand'),
    undo: () => reader.undo(),
    remove: () => reader.removeSelected(),
    'rotate-right': () => reader.withPixels((stage) => stage.rotate(90)),
    'rotate-left': () => reader.withPixels((stage) => stage.rotate(-90)),
    'flip-across': () => reader.withPixels((stage) => stage.flip(true)),
    'flip-down': () => reader.withPixels((stage) => stage.flip(false)),
    upright: () => reader.withPixels((stage) => stage.upright()),
    invert: () => reader.withPixels((stage) => stage.invert()),
    reset: () => reader.withPixels((stage) => stage.reset()),
    fit: () => reader.withPixels((stage) => stage.fit()),
    'actual-size': () => reader.withPixels((stage) => stage.actualSize()),
    'zoom-in': () => reader.withPixels((stage) => stage.zoomBy(CLOSER)),
    'zoom-out': () => reader.withPixels((stage) => stage.zoomBy(1 / CLOSER)),
    'frame-next': () => reader.step(1),
    'frame-before': () => reader.step(-1),
    'frame-far-next': () => reader.step(FAR),
    'frame-far-before': () => reader.step(-FAR),
    'frame-first': () => reader.step(-reader.frames.length),
    'frame-last': () => reader.step(reader.frames.length),
    'picture-next': () => reader.turnTo(reader.at + 1),
    'picture-before': () => reader.turnTo(reader.at - 1),
    'window-1': () => reader.setWindow(reader.stage?.originalWindow()),
    'window-2': () => reader.setWindow(ctWindow(reader, 0)),
    'window-3': () => reader.setWindow(ctWindow(reader, 1)),
    'window-4': () => reader.setWindow(ctWindow(reader, 2)),
    'marks-list': () => reader.toggleMarks(),
    'marks-hide': () => reader.toggleOthers(),
    place: () => reader.place(),
    cancel: () => reader.cancel(),
    help: () => reader.toggleHelp(),
  };
}

function ctWindow(reader: Reader, preset: number) {
  return reader.picture?.kind === 'ct' ? CT_WINDOWS[preset]?.window : null;
}
