/**
 * Reading: which picture and frame is looked at, with which tool, and what becomes of the hand's
 * movements. The one place where pictures, pen and marks meet; what it looks like is the painter's.
 */

import { commands, type Commands } from './commands';
import { Pen } from './drawing/pen';
import { apply, type Point } from './geometry';
import { listen, type Hand } from './gestures';
import { Failure } from './http';
import type { Command } from './keys';
import { picturesOf, previewUrl, type Frame, type Manifest, type Picture } from './manifest';
import type { Mark, Tool } from './marks/mark';
import { MarkSession } from './marks/session';
import { Painter, type Addresses } from './painter';
import { headersOf, type Window } from './stage/header';
import type { Stage, View } from './stage/stage';
import { decimal, t } from './words';

type Phase = 'loading' | 'ready' | 'failed';

/** A picture that did not come for a passing reason is asked for again by itself. */
const AGAIN_MS = 8_000;
const SLICE_DRAG_PX = 10;
const WHEEL_SLICES = 3;
const ZOOM_DRAG_PX = 150;
const ZOOM_STEP = 1.15;
const WIDE = '(min-width: 64rem)';
const COARSE = '(pointer: coarse)';
const SHARPEST_PREVIEW = 2;

export class Reader {
  readonly pictures: readonly Picture[];
  readonly session: MarkSession;
  readonly pen: Pen;
  /** Authors whose marks are not shown. */
  readonly hidden = new Set<string>();
  stage: Stage | null = null;
  at = -1;
  frames: readonly Frame[] = [];
  index = 0;
  phase: Phase = 'loading';
  quality = '';
  hand: Hand = 'window';
  selected: string | null = null;
  marksOpen = matchMedia(WIDE).matches;
  private readonly painter: Painter;
  private readonly commands: Commands = commands(this);
  private turn = 0;
  private dragged = 0;

  constructor(
    readonly manifest: Manifest,
    addresses: Addresses,
  ) {
    this.pictures = picturesOf(manifest);
    this.session = new MarkSession(manifest.case.id, manifest.me, (text, action) => this.painter.notes.say(text, action), () => this.paint());
    this.pen = new Pen({
      ground: () => this.ground(),
      marks: () => this.visibleMarks(),
      selected: () => this.selected,
      select: (key) => this.select(key),
      drawn: (tool, points) => this.drawn(tool, points),
      redrawn: (mark) => this.session.book.redraw(mark),
      repaint: () => this.paint(),
    });
    this.painter = new Painter(this, addresses);
    listen(this.painter.frame.surface, {
      hand: () => this.hand,
      press: (at, touch) => this.onImage(at, (p) => this.pen.press(p, touch)) ?? false,
      move: (at) => void this.onImage(at, (p) => this.pen.move(p)),
      release: (at) => void this.onImage(at, (p) => this.pen.release(p)),
      cancel: () => void this.pen.cancel(),
      drag: (hand, dx, dy, from) => this.drag(hand, dx, dy, from),
      pinch: (factor, at, dx, dy) => this.withPixels((stage) => (stage.zoomBy(factor, at), stage.panBy(dx, dy))),
      wheel: (steps, at, zoom) => this.wheel(steps, at, zoom),
      twice: (at) => this.pen.tool === null && this.withPixels((stage) => (stage.isFitted() ? stage.actualSize(at) : stage.fit())),
    });
  }

  get root(): HTMLElement {
    return this.painter.root;
  }

  get picture(): Picture | undefined {
    return this.pictures[this.at];
  }

  get frame(): Frame | null {
    return this.frames[this.index] ?? null;
  }

  get isStack(): boolean {
    return this.frames.length > 1;
  }

  get isWide(): boolean {
    return matchMedia(WIDE).matches;
  }

  /** Opens the picture of the instance asked for, or the first; the marks come in beside. */
  async start(instance: string | null): Promise<void> {
    this.painter.paintNow();
    if (this.pictures.length === 0) return this.painter.empty();
    const wanted = this.pictures.findIndex((picture) => picture.frames.some((frame) => frame.instanceId === instance));
    this.session.watch();
    window.addEventListener('online', () => this.phase === 'failed' && this.again());
    await Promise.all([this.open(Math.max(0, wanted)), this.loadMarks()]);
  }

  private async loadMarks(): Promise<void> {
    if (await this.session.load()) return;
    this.painter.notes.say(t('marks-failed'), { label: t('try-again'), run: () => void this.loadMarks() });
  }

  run(command: Command): void {
    this.commands[command]();
  }

  again(): void {
    void this.open(this.at, this.index);
  }

  async open(at: number, index?: number): Promise<void> {
    const turn = ++this.turn;
    this.at = at;
    const picture = this.pictures[at]!;
    this.frames = picture.frames;
    this.index = Math.min(index ?? this.frames.length >> 1, this.frames.length - 1);
    this.selected = null;
    if (this.frame) rememberInAddress(this.frame.instanceId);
    this.chooseHand(picture);
    this.begin(picture);
    this.painter.rail.reveal(at);
    try {
      if (picture.kind === 'other') throw new Failure('invalid');
      const wanted = this.frame;
      const [stage] = await Promise.all([this.lightBox(), headersOf(picture.seriesUrl)]);
      const { frames, last } = await stage.prepare(picture);
      if (turn !== this.turn) return;
      this.frames = frames;
      const same = frames.findIndex((frame) => frame.instanceId === wanted?.instanceId && frame.number === wanted.number);
      await this.go(index === undefined && last !== null ? last : Math.max(0, same));
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    }
  }

  /** Cornerstone3D comes when the first preview is on its way. */
  private async lightBox(): Promise<Stage> {
    if (!this.stage) {
      const { Stage } = await import('./stage/stage');
      this.stage ??= new Stage(this.painter.frame.canvas, () => this.paint(), longestSide(this.pictures));
    }
    return this.stage;
  }

  /** Shows a frame of the open picture; until its pixels are here, its preview, and no tool works. */
  async go(to: number): Promise<void> {
    const { stage, picture } = this;
    if (!stage || !picture) return;
    const turn = ++this.turn;
    const still = () => turn === this.turn;
    const index = Math.max(0, Math.min(this.frames.length - 1, to));
    const elsewhere = index !== this.index;
    this.index = index;
    if (elsewhere && !stage.has(index)) this.begin(picture);
    try {
      await stage.show(picture, this.frames, index, still, (received, total) => still() && this.arriving(received, total));
      if (!still()) return;
      this.phase = 'ready';
      this.quality = t('quality-full');
      this.painter.ready();
      this.paint();
      if (this.isStack) void stage.fetchRest(picture, () => this.paint());
    } catch (error) {
      if (still()) this.fail(error);
    }
  }

  private begin(picture: Picture): void {
    this.phase = 'loading';
    this.pen.cancel();
    this.quality = t('quality-preview');
    const { clientWidth, clientHeight } = this.painter.frame.canvas;
    const sharp = Math.min(SHARPEST_PREVIEW, devicePixelRatio || 1);
    const plain = picture.kind !== 'other' && (this.stage?.comesPlain(picture) ?? true);
    this.painter.waiting(plain && this.frame ? previewUrl(this.frame, clientWidth * sharp, clientHeight * sharp) : null);
    this.paint();
  }

  private arriving(received: number, total: number | null): void {
    if (total === null) return;
    this.quality = t('quality-coming', { percent: Math.floor((received / total) * 100), size: decimal(total / 1e6, 1) });
    this.paint();
  }

  private fail(error: unknown): void {
    // for whoever is asked for help: what exactly went wrong, without anything of the patient
    console.warn(String(error));
    this.phase = 'failed';
    this.quality = this.painter.frame.previewShows ? t('quality-only-preview') : '';
    this.painter.failed(error);
    this.paint();
    const { turn } = this;
    if (error instanceof Failure && error.passing) window.setTimeout(() => turn === this.turn && this.again(), AGAIN_MS);
  }

  /** What one finger or the left button does at first: a stack scrolls under a finger, a photo is moved. */
  private chooseHand({ kind }: Picture): void {
    if (this.hand === 'scroll' && !this.isStack) this.hand = 'window';
    if (!matchMedia(COARSE).matches) return;
    this.hand = this.isStack ? 'scroll' : kind === 'photo' ? 'pan' : 'window';
  }

  take(hand: Hand): void {
    if (hand === 'scroll' && !this.isStack) return;
    this.hand = hand;
    this.pen.tool = null;
    this.pen.cancel();
    this.paint();
  }

  draw(tool: Tool): void {
    if (!this.manifest.may_annotate) return;
    this.pen.cancel();
    this.pen.tool = tool;
    this.paint();
  }

  step(by: number): void {
    if (this.isStack) void this.go(this.index + by);
  }

  turnTo(at: number): void {
    if (at >= 0 && at < this.pictures.length && at !== this.at) void this.open(at);
  }

  setWindow(window: Window | null | undefined): void {
    if (window) this.withPixels((stage) => stage.setWindow(window));
  }

  private drag(hand: Hand, dx: number, dy: number, from: Point): void {
    if (hand === 'scroll') {
      this.dragged += dy;
      const steps = Math.trunc(this.dragged / SLICE_DRAG_PX);
      this.dragged -= steps * SLICE_DRAG_PX;
      if (steps !== 0) this.step(steps);
      return;
    }
    this.withPixels((stage) => {
      if (hand === 'window') stage.dragWindow(dx, dy);
      else if (hand === 'zoom') stage.zoomBy(Math.exp(-dy / ZOOM_DRAG_PX), from);
      else stage.panBy(dx, dy);
    });
  }

  private wheel(steps: number, at: Point, zoom: boolean): void {
    if (this.isStack && !zoom) this.step(Math.sign(steps) * Math.min(WHEEL_SLICES, Math.abs(steps)));
    else this.withPixels((stage) => stage.zoomBy(Math.pow(ZOOM_STEP, -steps), at));
  }

  /** Nothing may work on pixels that are not on the screen. */
  withPixels(use: (stage: Stage) => void): void {
    if (this.phase === 'ready' && this.stage) use(this.stage);
  }

  get view(): View | null {
    return this.phase === 'ready' ? (this.stage?.view() ?? null) : null;
  }

  private onImage<T>(at: Point, use: (p: Point) => T): T | undefined {
    const { view } = this;
    return view ? use(apply(view.toImage, at)) : undefined;
  }

  private ground() {
    const { view, frame } = this;
    return frame && view && { columns: frame.columns, rows: frame.rows, perPixel: 1 / view.zoom };
  }

  /** Enter: sets a point where the crosshair is, which appears in the middle. */
  place(): void {
    const { clientWidth, clientHeight } = this.painter.frame.surface;
    this.onImage([clientWidth / 2, clientHeight / 2], (p) => this.pen.enter(p));
  }

  /** Arrow keys belong to the crosshair while there is one. */
  nudge(dx: number, dy: number): boolean {
    const { view } = this;
    if (!view) return false;
    const [x0, y0] = apply(view.toImage, [0, 0]);
    const [x1, y1] = apply(view.toImage, [dx, dy]);
    return this.pen.nudge(x1 - x0, y1 - y0);
  }

  private drawn(tool: Tool, points: readonly Point[]): void {
    const { frame } = this;
    if (!frame) return;
    const { key } = this.session.book.draw({ instanceId: frame.instanceId, frame: frame.number, tool, points, text: '', finding: null });
    this.select(key);
    this.painter.announce(key);
    if (tool === 'arrow') this.askText(key);
  }

  /** The line that asks for a mark's text, beside the mark. */
  askText(key: string): void {
    const mark = this.session.book.get(key);
    const { view } = this;
    if (!mark?.mine || !view) return;
    const place = apply(view.toScreen, mark.points[0]!);
    this.painter.askText(mark.text, place, (text) => {
      const now = this.session.book.get(key);
      if (text !== null && now) this.session.book.redraw({ ...now, text });
      this.painter.frame.surface.focus({ preventScroll: true });
    });
  }

  undo(): void {
    const mark = this.session.book.undo();
    if (mark && this.session.book.get(mark.key)) void this.goToMark(mark.key);
  }

  removeSelected(): void {
    if (this.selected !== null) this.session.book.remove(this.selected);
  }

  select(key: string | null): void {
    this.selected = key;
    this.paint();
  }

  async goToMark(key: string): Promise<void> {
    const mark = this.session.book.get(key);
    if (!mark) return;
    this.hidden.delete(mark.author.id);
    const on = (frame: Frame) => frame.instanceId === mark.instanceId && frame.number === mark.frame;
    const at = this.pictures.findIndex((picture) => picture.frames.some(on));
    if (at >= 0 && at !== this.at) await this.open(at, this.pictures[at]!.frames.findIndex(on));
    else if (this.frame && !on(this.frame)) await this.go(this.frames.findIndex(on));
    if (!this.isWide) this.marksOpen = false;
    this.select(key);
  }

  toggleAuthors(authors: readonly string[]): void {
    const show = authors.every((author) => this.hidden.has(author));
    for (const author of authors) {
      if (show) this.hidden.delete(author);
      else this.hidden.add(author);
    }
    this.paint();
  }

  toggleOthers(): void {
    this.toggleAuthors([...new Set(this.session.book.all().filter((mark) => !mark.mine).map((mark) => mark.author.id))]);
  }

  toggleMarks(): void {
    this.marksOpen = !this.marksOpen;
    this.paint();
  }

  toggleHelp(): void {
    this.painter.toggleHelp();
  }

  /** Escape: gives up what is nearest to hand. */
  cancel(): void {
    if (this.pen.cancel()) return;
    if (this.selected !== null) this.select(null);
    else if (this.pen.tool) this.take(this.hand);
    else if (this.marksOpen && !this.isWide) this.toggleMarks();
  }

  visibleMarks(): Mark[] {
    const { frame } = this;
    if (!frame) return [];
    return this.session.book.on(frame.instanceId, frame.number).filter((mark) => !this.hidden.has(mark.author.id));
  }

  private paint(): void {
    this.painter.paint();
  }
}

/** So that a reload, or the address sent to a colleague, opens the same picture. */
function rememberInAddress(instance: string): void {
  const address = new URL(location.href);
  address.searchParams.set('instance', instance);
  history.replaceState(history.state, '', address);
}

function longestSide(pictures: readonly Picture[]): number {
  return Math.max(...pictures.flatMap(({ frames }) => frames.map((frame) => Math.max(frame.rows, frame.columns))));
}
