/** The marks of the open case: the book, its way to the server and back, and what to tell the reader. */

import { Failure } from '../http';
import { t } from '../words';
import { AnnotationApi } from './api';
import { Book } from './book';
import type { Author, Mark, Wire } from './mark';
import { Saver } from './saver';

export type Tell = (text: string, action?: { label: string; run: () => void }) => void;

const REFRESH_MS = 45_000;
const TRIES = 4;
/** Nobody at the desk for this long: asking on would keep an abandoned session alive. */
const AWAY_MS = 120_000;

export class MarkSession {
  readonly book: Book;
  readonly saver: Saver;
  /** Something was drawn here since the page opened. */
  drew = false;
  /** Whether the server's list has come: before that, no marks does not mean none. */
  listed: 'coming' | 'failed' | 'here' = 'coming';
  private readonly api: AnnotationApi;
  private active = Date.now();

  constructor(
    caseId: string,
    me: Author,
    private readonly tell: Tell,
    private readonly changed: () => void,
  ) {
    this.api = new AnnotationApi(caseId);
    this.book = new Book(me);
    this.saver = new Saver(this.api, {
      saved: (key, wire) => this.book.settled(key, wire),
      conflict: (mark) => this.conflict(mark),
      gone: (mark) => this.gone(mark),
      changed: () => this.changed(),
    });
    this.book.savedBy({
      keep: (mark) => {
        this.drew = true;
        this.saver.keep(mark);
      },
      drop: (mark) => this.saver.drop(mark),
      isUnsaved: (key) => this.saver.isUnsaved(key),
    });
    this.book.onChange(() => this.changed());
  }

  /** Fetches the list; false when it could not be had. */
  async load(): Promise<boolean> {
    try {
      const wires = await this.freshList();
      this.listed = 'here';
      if (wires) this.book.merge(wires);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (this.listed === 'coming') this.listed = 'failed';
      this.changed();
    }
    return this.listed === 'here';
  }

  /** A list that nothing was drawn or saved during: an older one would take what was just saved off the page. */
  private async freshList(): Promise<readonly Wire[] | null> {
    for (let tries = 0; tries < TRIES; tries++) {
      const before = this.book.revision;
      const wires = await this.api.list();
      if (this.book.revision === before) return wires;
    }
    return null;
  }

  /** Keeps up with the other side while somebody is at the desk, and sends at once when the line is back. */
  watch(): void {
    for (const event of ['pointerdown', 'keydown', 'wheel']) {
      window.addEventListener(event, () => (this.active = Date.now()), { passive: true, capture: true });
    }
    window.addEventListener('online', () => this.saver.retry());
    window.addEventListener('focus', () => {
      if (this.saver.saving === 'signed-out' || this.saver.saving === 'waiting') this.saver.retry();
      else void this.refresh();
    });
    window.addEventListener('beforeunload', (event) => {
      if (this.saver.unsaved > 0) event.preventDefault();
    });
    window.setInterval(() => {
      if (!document.hidden && Date.now() - this.active < AWAY_MS) void this.refresh();
    }, REFRESH_MS);
  }

  /** Quiet: what cannot be fetched now is fetched next time. New marks on their way must arrive first. */
  private async refresh(): Promise<void> {
    if (this.saver.unsaved === 0) await this.load();
  }

  /** Somebody (usually oneself in another window) changed the mark first: theirs stands, ours is offered back. */
  private async conflict(mine: Mark): Promise<() => void> {
    const wires = await this.api.list();
    return () => {
      this.book.merge(wires);
      if (!this.book.get(mine.key)) return this.gone(mine);
      this.tell(t('mark-conflict'), { label: t('mark-use-mine'), run: () => this.book.redraw(mine) });
    };
  }

  private gone(mine: Mark): void {
    this.book.forget(mine.key);
    this.tell(t('mark-gone'), { label: t('mark-draw-again'), run: () => this.book.draw(mine) });
  }
}
