/** The page as the reader's state has it: builds the parts once and tells each what has changed. */

import { Layer, type Dress } from './drawing/layer';
import { affineFrom, invert, type Point } from './geometry';
import { Failure } from './http';
import type { Picture } from './manifest';
import { coloursOf, PALETTE } from './marks/authors';
import type { Mark, Tool } from './marks/mark';
import type { Reader } from './reader';
import type { View } from './stage/stage';
import { inWords, UPRIGHT } from './turn';
import { Bar } from './ui/bar';
import { keySheet, Notes, TextLine } from './ui/dialogs';
import { el } from './ui/dom';
import { MarksList, type MarkRow } from './ui/marks-list';
import { Rail } from './ui/rail';
import { StageFrame, type FailureWords, type Preset } from './ui/stage-frame';
import { Toolbar } from './ui/toolbar';
import { measure, measureText, planeText, scaleOf, scaleText, type Measure } from './units';
import { CT_WINDOWS, sameWindow } from './windows';
import { decimal, t } from './words';

export interface Addresses {
  readonly back: string;
  readonly signIn: string;
}

type Colours = ReadonlyMap<string, string>;

export class Painter {
  readonly root: HTMLElement;
  readonly frame: StageFrame;
  readonly rail: Rail;
  readonly notes = new Notes();
  private readonly layer = new Layer();
  private readonly bar: Bar;
  private readonly toolbar: Toolbar;
  private readonly list: MarksList;
  private readonly textLine = new TextLine();
  private readonly sheet = keySheet();
  private readonly pictureOfInstance: ReadonlyMap<string, Picture>;
  private waitingForFrame = false;
  private listed = '';

  constructor(
    private readonly reader: Reader,
    addresses: Addresses,
  ) {
    this.pictureOfInstance = new Map(reader.pictures.flatMap((picture) => picture.frames.map((frame) => [frame.instanceId, picture])));
    this.frame = new StageFrame(this.layer.root, addresses.signIn, {
      upright: () => reader.run('upright'),
      retry: () => reader.again(),
      slice: (index) => void reader.go(index),
    });
    this.bar = new Bar(reader.manifest, addresses.back, addresses.signIn, {
      toggleMarks: () => reader.toggleMarks(),
      help: () => reader.toggleHelp(),
      retry: () => reader.session.saver.retry(),
    });
    this.toolbar = new Toolbar((command) => reader.run(command));
    this.rail = new Rail(reader.pictures, (index) => void reader.open(index));
    this.list = new MarksList({
      go: (key) => void reader.goToMark(key),
      remove: (key) => reader.session.book.remove(key),
      write: (key) => void reader.goToMark(key).then(() => reader.askText(key)),
      toggle: (author) => reader.toggleAuthors([author]),
      close: () => reader.toggleMarks(),
    });
    this.frame.root.append(this.textLine.root, this.notes.root);
    this.root = el('div', { class: 'viewer' }, this.bar.root, this.rail.root, this.frame.root, this.toolbar.root, this.list.root, this.sheet);
  }

  empty(): void {
    this.frame.fail({ title: t('no-pictures'), hint: t('no-pictures-hint'), again: false, signIn: false });
  }

  waiting(preview: string | null): void {
    this.frame.work(false);
    this.frame.fail(null);
    this.frame.showPreview(preview);
  }

  ready(): void {
    this.frame.showPreview(null);
    this.frame.fail(null);
    this.frame.work(true);
  }

  failed(error: unknown): void {
    this.frame.work(false);
    this.frame.fail(failureWords(error, this.reader.picture));
  }

  askText(text: string, [left, top]: Point, done: (text: string | null) => void): void {
    this.textLine.ask(text, left, top + 12, done);
  }

  toggleHelp(): void {
    if (this.sheet.open) this.sheet.close();
    else this.sheet.showModal();
  }

  /** At most once per animation frame, from whatever changed. */
  paint(): void {
    if (this.waitingForFrame) return;
    this.waitingForFrame = true;
    requestAnimationFrame(() => {
      this.waitingForFrame = false;
      this.paintNow();
    });
  }

  paintNow(): void {
    const { reader } = this;
    const { view, session } = reader;
    const marks = session.book.all();
    const colours = coloursOf(marks, reader.manifest.me.id);
    this.paintWhatIsListed(marks, colours);
    this.layer.draw(this.marksToDraw(), (mark) => this.dress(mark, colours), view ?? this.previewView(), reader.pen.crosshair);
    this.paintFrame(view);
    this.paintTools(view);
    this.bar.updateMarks(reader.marksOpen, marks.length);
    this.bar.updateSaving(session.saver, reader.manifest.may_annotate, session.drew);
    this.root.classList.toggle('marks-open', reader.marksOpen);
    this.list.root.hidden = !reader.marksOpen;
    this.root.dataset['tool'] = reader.pen.tool ? 'draw' : reader.hand;
  }

  private marksToDraw(): readonly Mark[] {
    const { pen } = this.reader;
    const marks = this.reader.visibleMarks();
    const pending = pen.pending();
    if (pending === null) return marks;
    if ('mark' in pending) return marks.map((mark) => (mark.key === pending.mark.key ? pending.mark : mark));
    return [...marks, this.draft(pending)];
  }

  private draft({ tool, points }: { tool: Tool; points: readonly Point[] }): Mark {
    const { frame, manifest } = this.reader;
    return { key: 'draft', id: null, version: 0, instanceId: frame!.instanceId, frame: frame!.number, tool, points, text: '', finding: null, author: manifest.me, at: '', mine: true };
  }

  private dress(mark: Mark, colours: Colours): Dress {
    const measured = this.measured(mark);
    const note = [measured ? planeText(measured) : '', mark.mine ? '' : mark.author.name, this.unsaved(mark)];
    return {
      colour: colours.get(mark.author.id) ?? PALETTE[0],
      lines: [mark.text, measured ? measureText(measured) : ''].filter(Boolean),
      note: note.filter(Boolean).join(' · '),
      selected: mark.key === this.reader.selected,
      mine: mark.mine,
    };
  }

  private measured(mark: Mark): Measure | null {
    const picture = this.pictureOfInstance.get(mark.instanceId);
    const frame = picture?.frames.find((one) => one.instanceId === mark.instanceId);
    return picture && frame ? measure(mark.tool, mark.points, scaleOf(picture.kind, frame.spacing)) : null;
  }

  private unsaved(mark: Mark): string {
    const { saver } = this.reader.session;
    if (saver.refusal(mark.key)) return t('mark-refused');
    return saver.isUnsaved(mark.key) && saver.saving !== 'sending' ? t('mark-unsaved') : '';
  }

  /** What the mark measures and says, for whoever listens. */
  announce(key: string): void {
    const mark = this.reader.session.book.get(key);
    const measured = mark && this.measured(mark);
    if (mark) this.frame.announce([t(`do-${mark.tool}`), measured ? measureText(measured) : ''].filter(Boolean).join(' '));
  }

  private paintFrame(view: View | null): void {
    const { reader } = this;
    const { picture, frame, index, frames, isStack } = reader;
    this.frame.turn(view ?? UPRIGHT);
    this.frame.edges(view?.sides ?? null);
    this.frame.stack({ index, count: frames.length, loaded: (i) => reader.stage?.has(i) ?? false });
    if (!picture) return;
    const scale = reader.phase === 'failed' ? '' : scaleText(scaleOf(picture.kind, frame?.spacing));
    this.frame.caption({
      title: picture.title,
      taken: picture.taken,
      quality: [reader.quality, scale, reader.stage?.software ? t('rendering-software') : ''].filter(Boolean).join(' · '),
      window: view ? windowText(view) : '',
      slice: isStack ? t('slice', { number: index + 1, count: frames.length }) : '',
    });
    this.frame.presets(picture.kind === 'ct' && view ? this.presets(view) : []);
  }

  private presets(view: View): Preset[] {
    const original = this.reader.stage?.originalWindow();
    const all = [...(original ? [{ label: 'window-original', window: original }] : []), ...CT_WINDOWS];
    return all.map(({ label, window }) => ({
      label: t(label),
      chosen: sameWindow(view.window, window),
      choose: () => this.reader.setWindow(window),
    }));
  }

  private paintTools(view: View | null): void {
    const { reader } = this;
    const { across, down, rotation } = inWords(view ?? UPRIGHT);
    this.toolbar.update({
      tool: reader.pen.tool ?? reader.hand,
      ready: reader.phase === 'ready',
      mayDraw: reader.manifest.may_annotate,
      isStack: reader.isStack,
      canUndo: reader.session.book.canUndo,
      pressed: { invert: view?.inverted ?? false, 'flip-across': across, 'flip-down': down, 'rotate-right': rotation !== 0 },
    });
  }

  /** The list and the rail follow the marks, not every movement of the picture. */
  private paintWhatIsListed(marks: readonly Mark[], colours: Colours): void {
    const { at, frame, selected, hidden, marksOpen, session } = this.reader;
    const { book, saver, listed } = session;
    const minute = Math.floor(Date.now() / 60_000);
    const now = [at, frame?.instanceId, frame?.number, selected, [...hidden].join(), marksOpen, book.revision, saver.saving, saver.unsaved, listed, minute].join('|');
    if (now === this.listed) return;
    this.listed = now;
    this.rail.update(at, (i) => countOn(this.reader.pictures[i]!, marks));
    if (marksOpen) this.paintList(marks, colours);
  }

  private paintList(marks: readonly Mark[], colours: Colours): void {
    const { selected, hidden, manifest } = this.reader;
    const authors = new Map(marks.map((mark) => [mark.author.id, mark.author]));
    this.list.update({
      rows: marks.map((mark) => this.row(mark, colours)),
      selected,
      authors: [...authors.values()].map((author) => ({
        author,
        colour: colours.get(author.id) ?? PALETTE[0],
        count: marks.filter((mark) => mark.author.id === author.id).length,
        shown: !hidden.has(author.id),
      })),
      nothing: this.nothing(),
      mayDraw: manifest.may_annotate,
      me: manifest.me.id,
    });
  }

  /** What an empty list means. */
  private nothing(): string {
    const { session, manifest } = this.reader;
    if (session.listed === 'coming') return t('marks-coming');
    if (session.listed === 'failed') return t('marks-failed');
    return t(manifest.may_annotate ? 'marks-empty' : 'marks-empty-reader');
  }

  private row(mark: Mark, colours: Colours): MarkRow {
    const { frame } = this.reader;
    const measured = this.measured(mark);
    return {
      mark,
      colour: colours.get(mark.author.id) ?? PALETTE[0],
      measure: measured ? measureText(measured) : '',
      plane: measured ? planeText(measured) : '',
      unsaved: this.unsaved(mark),
      here: frame?.instanceId === mark.instanceId && frame.number === mark.frame,
      where: this.where(mark),
    };
  }

  private where(mark: Mark): string {
    const picture = this.pictureOfInstance.get(mark.instanceId);
    if (!picture) return '';
    // in the open stack slices are counted in space, elsewhere as listed
    const frames = picture === this.reader.picture ? this.reader.frames : picture.frames;
    const number = frames.findIndex((frame) => frame.instanceId === mark.instanceId && frame.number === mark.frame) + 1;
    return frames.length > 1 ? `${picture.title} ${t('mark-slice', { number })}` : picture.title;
  }

  /** Where the preview's pixels are: fitted to the stage as the picture itself will be. */
  private previewView(): View | null {
    const { frame } = this.reader;
    if (!frame || !this.frame.previewShows) return null;
    const { clientWidth: width, clientHeight: height } = this.frame.canvas;
    const zoom = Math.min(width / frame.columns, height / frame.rows);
    const left = (width - frame.columns * zoom) / 2;
    const top = (height - frame.rows * zoom) / 2;
    const toScreen = affineFrom([left, top], [left + zoom, top], [left, top + zoom]);
    return { ...UPRIGHT, toScreen, toImage: invert(toScreen), zoom, window: { center: 0, width: 1 }, inverted: false, sides: null };
  }
}

function countOn({ frames }: Picture, marks: readonly Mark[]): number {
  const instances = new Set(frames.map((frame) => frame.instanceId));
  return marks.filter((mark) => instances.has(mark.instanceId)).length;
}

function windowText({ window, zoom }: View): string {
  return t('window-now', {
    width: decimal(window.width, 0),
    center: decimal(window.center, 0),
    zoom: decimal(zoom * (devicePixelRatio || 1) * 100, 0),
  });
}

function failureWords(error: unknown, picture: Picture | undefined): FailureWords {
  const trouble = error instanceof Failure ? error.trouble : 'invalid';
  const undecodable = trouble === 'invalid' || trouble === 'changed';
  const key = picture?.kind === 'other' ? 'other' : undecodable ? 'undecodable' : trouble;
  return {
    title: t(`fail-${key}`),
    hint: t(`fail-${key}-hint`),
    again: trouble === 'signed-out' || (error instanceof Failure && error.passing),
    signIn: trouble === 'signed-out',
  };
}
