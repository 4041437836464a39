/**
 * All marks of the case as this page knows them: what the server listed, with what was drawn here on
 * top. Changes go through here, so they can be undone, shown and saved in one place.
 */

import { sameDrawing, type Author, type Mark, type Wire, fromWire } from './mark';

interface Step {
  readonly before: Mark | null;
  readonly after: Mark | null;
}

export interface Keeper {
  keep(mark: Mark): void;
  drop(mark: Mark): void;
  isUnsaved(key: string): boolean;
}

const STEPS_KEPT = 100;

export class Book {
  private readonly marks = new Map<string, Mark>();
  private readonly steps: Step[] = [];
  private readonly listeners: (() => void)[] = [];
  private keeper: Keeper | null = null;
  /** Grows with every change, so that whoever shows the list knows when to show it anew. */
  revision = 0;

  constructor(readonly me: Author) {}

  savedBy(keeper: Keeper): void {
    this.keeper = keeper;
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  all(): Mark[] {
    return [...this.marks.values()];
  }

  get(key: string): Mark | undefined {
    return this.marks.get(key);
  }

  on(instanceId: string, frame: number): Mark[] {
    return this.all().filter((mark) => mark.instanceId === instanceId && mark.frame === frame);
  }

  /** A new mark by the person here. */
  draw(mark: Omit<Mark, 'key' | 'id' | 'version' | 'author' | 'at' | 'mine'>): Mark {
    const drawn: Mark = {
      ...mark,
      key: crypto.randomUUID(),
      id: null,
      version: 0,
      author: this.me,
      at: new Date().toISOString(),
      mine: true,
    };
    this.change(null, drawn);
    return drawn;
  }

  /** The person's own mark, drawn anew. */
  redraw(mark: Mark): void {
    const before = this.marks.get(mark.key);
    if (!before?.mine || sameDrawing(before, mark)) return;
    this.change(before, { ...before, points: mark.points, text: mark.text, at: new Date().toISOString() });
  }

  remove(key: string): void {
    const before = this.marks.get(key);
    if (before?.mine) this.change(before, null);
  }

  get canUndo(): boolean {
    return this.steps.length > 0;
  }

  /** Takes the last change back and returns the mark it concerned, on its page. */
  undo(): Mark | undefined {
    const step = this.steps.pop();
    if (!step) return undefined;
    const { before, after } = step;
    if (before && !after) {
      // what the server has withdrawn cannot come back under its old id
      const again: Mark = { ...before, key: crypto.randomUUID(), id: null, version: 0 };
      this.put(again);
      this.keeper?.keep(again);
      return again;
    }
    const now = this.marks.get(after!.key);
    if (!now) return this.undo();
    if (before) {
      const back: Mark = { ...now, points: before.points, text: before.text };
      this.put(back);
      this.keeper?.keep(back);
      return back;
    }
    this.marks.delete(now.key);
    this.keeper?.drop(now);
    this.tell();
    return now;
  }

  /** The list from the server; marks with changes still on the way stay as they are drawn here. */
  merge(wires: readonly Wire[]): void {
    const known = new Map<string, string>();
    for (const mark of this.marks.values()) if (mark.id) known.set(mark.id, mark.key);
    const listed = new Set<string>();
    for (const wire of wires) {
      const key = known.get(wire.id) ?? wire.id;
      listed.add(key);
      const mark = fromWire(wire, key);
      if (mark && !this.keeper?.isUnsaved(key)) this.marks.set(key, mark);
    }
    for (const mark of this.all()) {
      if (mark.id && !listed.has(mark.key) && !this.keeper?.isUnsaved(mark.key)) this.marks.delete(mark.key);
    }
    this.tell();
  }

  /** The server has the mark under this id and version. */
  settled(key: string, wire: Wire): void {
    const mark = this.marks.get(key);
    if (!mark) return;
    this.marks.set(key, { ...mark, id: wire.id, version: wire.version, at: wire.at });
    this.tell();
  }

  forget(key: string): void {
    this.marks.delete(key);
    this.tell();
  }

  private change(before: Mark | null, after: Mark | null): void {
    this.steps.push({ before, after });
    if (this.steps.length > STEPS_KEPT) this.steps.shift();
    if (after) {
      this.marks.set(after.key, after);
      this.keeper?.keep(after);
    } else if (before) {
      this.marks.delete(before.key);
      this.keeper?.drop(before);
    }
    this.tell();
  }

  private put(mark: Mark): void {
    this.marks.set(mark.key, mark);
    this.tell();
  }

  private tell(): void {
    this.revision++;
    for (const listener of this.listeners) listener();
  }
}
