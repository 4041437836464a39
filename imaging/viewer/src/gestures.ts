/** Mouse, pen and fingers on the stage: one finger is the tool, two fingers are zoom and pan. */

import type { Point } from './geometry';
import type { Touch } from './drawing/pen';

export type Hand = 'window' | 'zoom' | 'pan' | 'scroll';

export interface Handler {
  /** What dragging does now, for a press nobody draws with. */
  hand(): Hand;
  press(at: Point, touch: Touch): boolean;
  move(at: Point): void;
  release(at: Point): void;
  cancel(): void;
  drag(hand: Hand, dx: number, dy: number, from: Point): void;
  pinch(factor: number, at: Point, dx: number, dy: number): void;
  wheel(steps: number, at: Point, zoom: boolean): void;
  twice(at: Point): void;
}

interface Finger {
  at: Point;
  readonly from: Point;
}

const WHEEL_STEP = 60;

export function listen(element: HTMLElement, handler: Handler): void {
  const fingers = new Map<number, Finger>();
  let hand: Hand | null = null;
  let drawing = false;
  let rolled = 0;

  const place = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  element.addEventListener('pointerdown', (event) => {
    element.focus({ preventScroll: true });
    const at = place(event);
    fingers.set(event.pointerId, { at, from: at });
    element.setPointerCapture(event.pointerId);
    if (fingers.size > 1) {
      if (drawing) handler.cancel();
      drawing = false;
      hand = null;
      return;
    }
    drawing = event.button === 0 && !event.shiftKey && handler.press(at, event.pointerType === 'touch' ? 'touch' : 'mouse');
    hand = drawing ? null : handFor(event, handler.hand());
  });

  element.addEventListener('pointermove', (event) => {
    const at = place(event);
    const finger = fingers.get(event.pointerId);
    if (!finger) {
      if (event.pointerType !== 'touch') handler.move(at);
      return;
    }
    if (fingers.size === 2) pinch(fingers, event.pointerId, at, handler);
    else if (drawing) for (const step of event.getCoalescedEvents?.() ?? [event]) handler.move(place(step));
    else if (hand) handler.drag(hand, at[0] - finger.at[0], at[1] - finger.at[1], finger.from);
    finger.at = at;
  });

  const lift = (event: PointerEvent, lost: boolean) => {
    if (!fingers.delete(event.pointerId)) return;
    if (drawing) {
      if (lost) handler.cancel();
      else handler.release(place(event));
    }
    drawing = false;
    hand = null;
  };
  element.addEventListener('pointerup', (event) => lift(event, false));
  element.addEventListener('pointercancel', (event) => lift(event, true));
  element.addEventListener('contextmenu', (event) => event.preventDefault());
  element.addEventListener('dblclick', (event) => handler.twice(place(event)));
  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * WHEEL_STEP;
      rolled = Math.sign(rolled) === Math.sign(pixels) ? rolled + pixels : pixels;
      const steps = Math.trunc(rolled / WHEEL_STEP) || (Math.abs(pixels) >= WHEEL_STEP / 2 ? Math.sign(pixels) : 0);
      if (event.ctrlKey || event.metaKey) handler.wheel(pixels / WHEEL_STEP, place(event), true);
      else if (steps !== 0) handler.wheel(steps, place(event), false);
      if (steps !== 0) rolled = 0;
    },
    { passive: false },
  );
}

function handFor(event: PointerEvent, chosen: Hand): Hand {
  if (event.button === 2) return 'zoom';
  if (event.button === 1 || event.shiftKey) return 'pan';
  return chosen;
}

function pinch(fingers: Map<number, Finger>, moving: number, at: Point, handler: Handler): void {
  const other = [...fingers].find(([id]) => id !== moving)![1].at;
  const before = fingers.get(moving)!.at;
  const reach = Math.hypot(before[0] - other[0], before[1] - other[1]) || 1;
  const factor = Math.hypot(at[0] - other[0], at[1] - other[1]) / reach;
  const middle: Point = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
  handler.pinch(factor, middle, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
}
