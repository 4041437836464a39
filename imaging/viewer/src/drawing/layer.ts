/** The marks over the picture: SVG in screen pixels, so lines keep their weight at any zoom. */

import { apply, type Point } from '../geometry';
import type { Mark } from '../marks/mark';
import type { View } from '../stage/stage';
import { svg } from '../ui/dom';
import { handlesOf, labelPlace, outline, type Box, type Place, type Side } from './shapes';

export interface Dress {
  readonly colour: string;
  /** The text and the measure. */
  readonly lines: readonly string[];
  /** What it is measured in, who drew it, whether it is saved. */
  readonly note: string;
  readonly selected: boolean;
  readonly mine: boolean;
}

class Node {
  readonly root = svg('g', { class: 'mark' });
  private readonly halo = svg('path', { class: 'mark-halo' });
  private readonly path = svg('path', { class: 'mark-line' });
  private readonly label = svg('text', { class: 'mark-label' });
  private readonly handles: SVGCircleElement[] = [];

  constructor(key: string) {
    this.root.dataset['mark'] = key;
    this.root.append(this.halo, this.path, this.label);
  }

  draw(mark: Mark, dress: Dress, view: View, room: Room): void {
    const points = mark.points.map((p) => apply(view.toScreen, p));
    const d = outline(mark.tool, points);
    this.root.setAttribute('stroke', dress.colour);
    this.root.classList.toggle('is-selected', dress.selected);
    this.root.classList.toggle('is-mine', dress.mine);
    this.halo.setAttribute('d', d);
    this.path.setAttribute('d', d);
    this.write(dress, labelPlace(mark.tool, points), room);
    this.place(dress.selected && dress.mine ? handlesOf(mark.tool, points).map((i) => points[i]!) : []);
  }

  private write({ lines: words, note, colour }: Dress, place: Place, room: Room): void {
    const lines = note ? [...words, note] : words;
    while (this.label.childElementCount > lines.length) this.label.lastElementChild!.remove();
    while (this.label.childElementCount < lines.length) this.label.append(svg('tspan', { dy: this.label.childElementCount ? LINE : 0 }));
    const { left, top } = room.take(place, Math.max(0, ...lines.map(widthOf)), lines.length * LINE);
    this.label.setAttribute('fill', colour);
    this.label.setAttribute('y', String(Math.round(top + BASELINE)));
    lines.forEach((text, i) => {
      const span = this.label.children[i]!;
      if (span.textContent !== text) span.textContent = text;
      span.setAttribute('x', String(Math.round(left)));
      span.setAttribute('class', note && i === lines.length - 1 ? 'mark-note' : '');
    });
  }

  private place(points: readonly Point[]): void {
    while (this.handles.length > points.length) this.handles.pop()!.remove();
    while (this.handles.length < points.length) {
      const handle = svg('circle', { class: 'mark-handle', r: 5 });
      this.handles.push(handle);
      this.root.append(handle);
    }
    points.forEach(([x, y], i) => {
      this.handles[i]!.setAttribute('cx', x.toFixed(1));
      this.handles[i]!.setAttribute('cy', y.toFixed(1));
    });
  }
}

const LINE = 17;
const BASELINE = 13;
const GAP = 8;

/** Where labels still find room: on the stage, and not over one another where another side is free. */
class Room {
  private readonly taken: Box[] = [];

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {}

  take({ box, side }: Place, width: number, height: number): Box {
    const sides = [side, ...SIDES.filter((other) => other !== side)];
    const boxes = sides.map((one) => beside(box, one, width, height));
    const free = boxes.find((one) => this.fits(one) && !this.isTaken(one)) ?? boxes.find((one) => this.fits(one));
    const found = free ?? this.pushedIn(boxes[0]!);
    if (width > 0) this.taken.push(found);
    return found;
  }

  private fits({ left, top, width, height }: Box): boolean {
    return left >= GAP && top >= GAP && left + width <= this.width - GAP && top + height <= this.height - GAP;
  }

  private isTaken(box: Box): boolean {
    return this.taken.some((other) => overlap(box, other));
  }

  private pushedIn(box: Box): Box {
    const within = (from: number, size: number, room: number) => Math.max(GAP, Math.min(from, room - size - GAP));
    return { ...box, left: within(box.left, box.width, this.width), top: within(box.top, box.height, this.height) };
  }
}

const SIDES: readonly Side[] = ['right', 'left', 'below', 'above'];

function beside(box: Box, side: Side, width: number, height: number): Box {
  const middle = { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2 };
  switch (side) {
    case 'right':
      return { left: box.left + box.width + GAP, top: middle.top, width, height };
    case 'left':
      return { left: box.left - GAP - width, top: middle.top, width, height };
    case 'below':
      return { left: middle.left, top: box.top + box.height + GAP, width, height };
    case 'above':
      return { left: middle.left, top: box.top - GAP - height, width, height };
  }
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}

/** Close enough for keeping a label on the stage: ideographs are as wide as they are high. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) width += char.charCodeAt(0) > 0x2e7f ? 13 : 7.2;
  return width;
}

export class Layer {
  readonly root = svg('svg', { class: 'marks-layer', 'aria-hidden': 'true' });
  private readonly crosshair = svg('path', { class: 'crosshair' });
  private readonly nodes = new Map<string, Node>();

  constructor() {
    this.root.append(this.crosshair);
  }

  draw(marks: readonly Mark[], dress: (mark: Mark) => Dress, view: View | null, crosshair: Point | null): void {
    const room = new Room(this.root.clientWidth, this.root.clientHeight);
    const wanted = new Set(view ? marks.map((mark) => mark.key) : []);
    for (const [key, node] of this.nodes) {
      if (wanted.has(key)) continue;
      node.root.remove();
      this.nodes.delete(key);
    }
    if (view) for (const mark of marks) this.nodeFor(mark.key).draw(mark, dress(mark), view, room);
    this.crosshair.setAttribute('d', view && crosshair ? cross(apply(view.toScreen, crosshair)) : '');
  }

  private nodeFor(key: string): Node {
    let node = this.nodes.get(key);
    if (!node) {
      node = new Node(key);
      this.nodes.set(key, node);
      this.root.append(node.root);
    }
    return node;
  }
}

function cross([x, y]: Point): string {
  return `M${x - 18} ${y}h12m12 0h12M${x} ${y - 18}v12m0 12v12`;
}
