/**
 * The light box: one Cornerstone3D stack viewport, and what a reader does with it. Everything about the
 * view (where a pixel is on the screen, window, turn, flip) is read from the viewport, never kept beside it.
 */

import { Enums, getShouldUseCPURendering, RenderingEngine, utilities, type StackViewport, type Types } from '@cornerstonejs/core';
import { affineFrom, apply, invert, magnification, type Affine, type Point } from '../geometry';
import type { Frame, Picture } from '../manifest';
import { flipped, isTurned, quarter, turned, UPRIGHT, type Turn } from '../turn';
import { roomFor, startCornerstone } from './cornerstone';
import type { Progress } from './frames';
import type { Window } from './header';
import { sidesOf, type Sides } from './sides';
import { headerFor, imageIdOf, isLoaded, loadImage, prepare, stopFetching, toWorld } from './source';

export interface View extends Turn {
  readonly toScreen: Affine;
  readonly toImage: Affine;
  /** Screen pixels per image pixel. */
  readonly zoom: number;
  readonly window: Window;
  readonly inverted: boolean;
  readonly sides: Sides | null;
}

/** How a picture is looked at, in terms that survive a change of the stage's size. */
interface Look {
  readonly turn: Turn;
  readonly window: Window;
  readonly inverted: boolean;
  readonly fitted: boolean;
  readonly zoom: number;
  /** The image point in the middle of the stage. */
  readonly middle: Point;
}

const ENGINE = 'shanhai';
const VIEWPORT = 'stage';
const CLOSEST = 40;
const FARTHEST = 0.25;
const AT_ONCE = 3;

export class Stage {
  private readonly engine: RenderingEngine;
  private readonly viewport: StackViewport;
  private readonly kept = new Map<string, { readonly look: Look; readonly index: number }>();
  private picture: Picture | null = null;
  private ordered: readonly Frame[] = [];
  private ids: string[] = [];
  private shown = -1;
  private fitted = true;
  private size: Point = [0, 0];
  private completing: Picture | null = null;

  constructor(
    private readonly element: HTMLDivElement,
    private readonly onView: () => void,
    longestSide: number,
  ) {
    startCornerstone(longestSide);
    this.engine = new RenderingEngine(ENGINE);
    this.engine.enableElement({
      viewportId: VIEWPORT,
      type: Enums.ViewportType.STACK,
      element,
      defaultOptions: { background: [0, 0, 0] },
    });
    this.viewport = this.engine.getViewport(VIEWPORT) as StackViewport;
    for (const event of [Enums.Events.CAMERA_MODIFIED, Enums.Events.VOI_MODIFIED, Enums.Events.IMAGE_RENDERED]) {
      element.addEventListener(event, () => this.onView());
    }
    this.size = [element.clientWidth, element.clientHeight];
    new ResizeObserver(() => this.resize()).observe(element);
  }

  get software(): boolean {
    return getShouldUseCPURendering();
  }

  /** The frame whose pixels are on the screen; null while there are none. */
  get frame(): Frame | null {
    return this.ordered[this.shown] ?? null;
  }

  /** Reads the picture's headers; returns its frames in order and the index last looked at, if any. */
  async prepare(picture: Picture): Promise<{ frames: readonly Frame[]; last: number | null }> {
    this.put();
    stopFetching();
    this.picture = null;
    this.shown = -1;
    const frames = await prepare(picture);
    return { frames, last: this.kept.get(picture.id)?.index ?? null };
  }

  /** Shows a frame of the prepared picture; fails when it cannot be fetched or decoded. */
  async show(picture: Picture, frames: readonly Frame[], index: number, still: () => boolean, progress: Progress): Promise<void> {
    const frame = frames[index]!;
    await loadImage(imageIdOf(frame), progress);
    if (!still()) return;
    if (this.picture === picture) {
      await this.viewport.setImageIdIndex(index);
    } else {
      this.ids = frames.map(imageIdOf);
      this.ordered = frames;
      this.picture = picture;
      await this.viewport.setStack(this.ids, index);
      this.shown = index;
      this.restore(picture);
    }
    if (!still()) return;
    this.shown = index;
    this.viewport.render();
  }

  has(index: number): boolean {
    const id = this.ids[index];
    return id !== undefined && isLoaded(id);
  }

  /** Whether the picture will come up whole and upright, as its preview shows it. */
  comesPlain(picture: Picture): boolean {
    if (picture === this.picture) return this.fitted && !isTurned(this.view() ?? UPRIGHT);
    const kept = this.kept.get(picture.id);
    return !kept || (kept.look.fitted && !isTurned(kept.look.turn));
  }

  /** Fetches the other frames of a stack, the nearest to the one looked at first, a few at a time. */
  async fetchRest(picture: Picture, arrived: () => void): Promise<void> {
    if (this.completing === picture) return;
    this.completing = picture;
    const tried = new Set<number>();
    const next = () => {
      const missing = this.ids.map((_, i) => i).filter((i) => !tried.has(i) && !this.has(i));
      return missing.sort((a, b) => Math.abs(a - this.shown) - Math.abs(b - this.shown))[0];
    };
    const fetchSome = async () => {
      for (let i = next(); i !== undefined && this.picture === picture && roomFor(picture, AT_ONCE); i = next()) {
        tried.add(i);
        // one that cannot be had now says so when it is looked at
        await loadImage(this.ids[i]!).catch(() => undefined);
        if (this.picture === picture) arrived();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fetchSome));
    if (this.completing === picture) this.completing = null;
  }

  /** Leaves the picture and remembers how it was looked at. */
  private put(): void {
    const look = this.look();
    if (this.picture && look) this.kept.set(this.picture.id, { look, index: this.shown });
  }

  private look(): Look | null {
    const view = this.view();
    if (!view) return null;
    const [width, height] = this.size;
    const { rotation, mirrored, window, inverted, zoom } = view;
    return { turn: { rotation, mirrored }, window, inverted, zoom, fitted: this.fitted, middle: apply(view.toImage, [width / 2, height / 2]) };
  }

  private lookAgain({ fitted, zoom, middle }: Look): void {
    if (fitted) return this.fit();
    this.scaleBy(zoom / this.view()!.zoom, this.middle());
    const [x, y] = apply(this.view()!.toScreen, middle);
    this.slide(this.middle()[0] - x, this.middle()[1] - y);
    this.fitted = false;
  }

  private restore(picture: Picture): void {
    this.fitted = true;
    this.viewport.resetCamera();
    const look = this.kept.get(picture.id)?.look;
    if (!look) return;
    this.setWindow(look.window);
    if (look.inverted) this.invert();
    this.turn(look.turn);
    this.lookAgain(look);
  }

  view(): View | null {
    const id = this.ids[this.shown];
    if (id === undefined || this.shown < 0) return null;
    const at = (column: number, row: number): Point => {
      const [x, y] = this.viewport.worldToCanvas(toWorld(id, column, row));
      return [x, y];
    };
    // far points, so that rounding in the renderer does not show
    const far = 1000;
    const [o, x, y] = [at(0, 0), at(far, 0), at(0, far)];
    const per = (p: Point): Point => [o[0] + (p[0] - o[0]) / far, o[1] + (p[1] - o[1]) / far];
    const toScreen = affineFrom(o, per(x), per(y));
    const { voiRange, invert: inverted } = this.viewport.getProperties();
    const { windowWidth, windowCenter } = utilities.windowLevel.toWindowLevel(voiRange?.lower ?? 0, voiRange?.upper ?? 1);
    const header = headerFor(id);
    return {
      toScreen,
      toImage: invert(toScreen),
      zoom: magnification(toScreen),
      window: { center: windowCenter, width: windowWidth },
      rotation: quarter(this.viewport.getRotation()),
      mirrored: this.viewport.getCamera().flipHorizontal ?? false,
      inverted: (inverted ?? false) !== (header?.photometric === 'MONOCHROME1'),
      sides: header ? sidesOf(header, toScreen) : null,
    };
  }

  setWindow({ center, width }: Window): void {
    const wide = Math.max(1, width);
    const { lower, upper } = utilities.windowLevel.toLowHighRange(wide, center);
    this.viewport.setProperties({ voiRange: { lower, upper } });
    this.viewport.render();
  }

  /** A drag of the mouse: right is wider, down is darker; a full sweep of the stage is the picture's range. */
  dragWindow(dx: number, dy: number): void {
    const image = this.viewport.getCornerstoneImage() as Types.IImage | undefined;
    const view = this.view();
    if (!image || !view) return;
    const step = Math.max(0.25, (image.maxPixelValue - image.minPixelValue) / 1024);
    this.setWindow({ center: view.window.center + dy * step, width: view.window.width + dx * step });
  }

  /** The window the picture came with. */
  originalWindow(): Window | null {
    const image = this.viewport.getCornerstoneImage() as Types.IImage | undefined;
    return image ? { center: Number(image.windowCenter), width: Number(image.windowWidth) } : null;
  }

  invert(): void {
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert });
    this.viewport.render();
    this.onView();
  }

  panBy(dx: number, dy: number): void {
    this.slide(dx, dy);
    this.fitted = false;
    this.viewport.render();
  }

  private slide(dx: number, dy: number): void {
    this.shift(this.viewport.canvasToWorld([0, 0]), this.viewport.canvasToWorld([dx, dy]));
  }

  zoomBy(factor: number, at: Point = this.middle()): void {
    const view = this.view();
    if (!view) return;
    const farthest = view.zoom * this.fitFactor(view) * FARTHEST;
    this.scaleBy(Math.max(farthest, Math.min(CLOSEST, view.zoom * factor)) / view.zoom, at);
    this.fitted = false;
    this.viewport.render();
  }

  /** Keeps the point under the finger where it is. */
  private scaleBy(factor: number, at: Point): void {
    const before = this.viewport.canvasToWorld([...at]);
    this.viewport.setCamera({ parallelScale: (this.viewport.getCamera().parallelScale ?? 1) / factor });
    this.shift(before, this.viewport.canvasToWorld([...at]));
  }

  /** Moves the picture so that what lies at `to` comes to lie where `from` is. */
  private shift(from: Types.Point3, to: Types.Point3): void {
    const { focalPoint, position } = this.viewport.getCamera();
    const moved = (p: Types.Point3 | undefined): Types.Point3 => {
      const [x, y, z] = p ?? [0, 0, 0];
      return [x + from[0] - to[0], y + from[1] - to[1], z + from[2] - to[2]];
    };
    this.viewport.setCamera({ focalPoint: moved(focalPoint), position: moved(position) });
  }

  /** One picture pixel to one device pixel, around the middle. */
  actualSize(at?: Point): void {
    const view = this.view();
    if (view) this.zoomBy(1 / (devicePixelRatio || 1) / view.zoom, at);
  }

  /** The whole picture, as large as it goes, however it is turned. */
  fit(): void {
    const view = this.view();
    const frame = this.frame;
    if (!view || !frame) return;
    this.scaleBy(this.fitFactor(view), this.middle());
    const [x, y] = apply(this.view()!.toScreen, [frame.columns / 2, frame.rows / 2]);
    const [midX, midY] = this.middle();
    this.slide(midX - x, midY - y);
    this.fitted = true;
    this.viewport.render();
  }

  isFitted(): boolean {
    return this.fitted;
  }

  rotate(degrees: 90 | -90): void {
    const view = this.view();
    if (view) this.turn(turned(view, degrees));
  }

  flip(across: boolean): void {
    const view = this.view();
    if (view) this.turn(flipped(view, across));
  }

  upright(): void {
    this.turn(UPRIGHT);
  }

  reset(): void {
    this.viewport.resetProperties();
    this.turn(UPRIGHT);
    this.fit();
  }

  private turn({ rotation, mirrored }: Turn): void {
    if ((this.viewport.getCamera().flipHorizontal ?? false) !== mirrored) this.viewport.setCamera({ flipHorizontal: mirrored });
    this.viewport.setViewPresentation({ rotation });
    if (this.fitted) this.fit();
    else this.viewport.render();
    this.onView();
  }

  /** By how much the picture may grow until it touches the edges of the stage. */
  private fitFactor({ toScreen }: View): number {
    const { columns, rows } = this.frame!;
    const width = Math.abs(toScreen.a) * columns + Math.abs(toScreen.c) * rows;
    const height = Math.abs(toScreen.b) * columns + Math.abs(toScreen.d) * rows;
    return Math.min(this.element.clientWidth / width, this.element.clientHeight / height);
  }

  private middle(): Point {
    return [this.element.clientWidth / 2, this.element.clientHeight / 2];
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === 0 || height === 0) return;
    const look = this.look();
    this.size = [width, height];
    this.engine.resize(true, true);
    if (look) this.lookAgain(look);
    this.viewport.render();
  }
}
