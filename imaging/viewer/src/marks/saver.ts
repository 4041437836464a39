/**
 * Carries what was drawn to the server, one request at a time, until the server has it.
 *
 * A mark is sent as soon as it changes. Changes made while its request is on the way are sent after it
 * with the version the answer brought. A lost line or a busy server keeps everything in memory and tries
 * again, ever more slowly, and at once when told that the line is back; a lost session waits for the
 * person. The same client_id goes out on every attempt at a new mark, so a lost answer makes no double.
 */

import { Failure, type Trouble } from '../http';
import type { Mark, Wire } from './mark';

export interface Transport {
  /** May be called again with the same mark; must then answer with the mark made the first time. */
  create(mark: Mark): Promise<Wire>;
  replace(id: string, version: number, mark: Mark): Promise<Wire>;
  withdraw(id: string, version: number): Promise<void>;
}

export interface Listener {
  /** The server has this mark under this id and version. */
  saved(key: string, wire: Wire): void;
  /** Somebody changed it meanwhile and ours was not taken: fetches theirs, then answers how to show it. */
  conflict(mark: Mark): Promise<() => void>;
  /** It was withdrawn elsewhere; ours was not taken. */
  gone(mark: Mark): void;
  /** The summary or a mark's state changed. */
  changed(): void;
}

export type SavingState = 'idle' | 'sending' | 'waiting' | 'signed-out';

interface Task {
  mark: Mark;
  withdraw: boolean;
  /** A create was attempted, so the server may know the mark although we have no id. */
  tried: boolean;
  refused: Trouble | null;
}

export interface Clock {
  set(run: () => void, ms: number): number;
  clear(timer: number): void;
}

const REAL_CLOCK: Clock = { set: (run, ms) => window.setTimeout(run, ms), clear: (timer) => window.clearTimeout(timer) };
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

export class Saver {
  private readonly tasks = new Map<string, Task>();
  private state: SavingState = 'idle';
  private wait = FIRST_WAIT_MS;
  private timer: number | null = null;

  constructor(
    private readonly transport: Transport,
    private readonly listener: Listener,
    private readonly clock: Clock = REAL_CLOCK,
  ) {}

  /** Sends the mark as it now stands. */
  keep(mark: Mark): void {
    const task = this.tasks.get(mark.key);
    this.tasks.set(mark.key, { mark, withdraw: false, tried: task?.tried ?? false, refused: null });
    this.run();
  }

  /** Withdraws the mark; one the server never heard of is simply forgotten. */
  drop(mark: Mark): void {
    const task = this.tasks.get(mark.key);
    if (mark.id === null && !task?.tried) this.tasks.delete(mark.key);
    else this.tasks.set(mark.key, { mark, withdraw: true, tried: task?.tried ?? false, refused: null });
    this.run();
  }

  /** The line is back, the session is back, or the person asked. */
  retry(): void {
    this.stopWaiting();
    this.wait = FIRST_WAIT_MS;
    if (this.state === 'waiting' || this.state === 'signed-out') this.state = 'idle';
    this.run();
  }

  get saving(): SavingState {
    return this.state;
  }

  /** How many marks the server does not have as they are drawn. */
  get unsaved(): number {
    return this.tasks.size;
  }

  isUnsaved(key: string): boolean {
    return this.tasks.has(key);
  }

  /** Why the server would not take this mark, if it said so. */
  refusal(key: string): Trouble | null {
    return this.tasks.get(key)?.refused ?? null;
  }

  private run(): void {
    if (this.state === 'idle') void this.work();
    this.listener.changed();
  }

  private async work(): Promise<void> {
    this.state = 'sending';
    for (let task = this.next(); task; task = this.next()) {
      this.listener.changed();
      if (!(await this.attempt(task))) return;
    }
    this.state = 'idle';
    this.listener.changed();
  }

  private next(): Task | undefined {
    for (const task of this.tasks.values()) if (task.refused === null) return task;
    return undefined;
  }

  /** One request; false when the work has to stop for now. */
  private async attempt(task: Task): Promise<boolean> {
    const { mark, withdraw } = task;
    try {
      if (mark.id === null) {
        task.tried = true;
        this.settle(task, await this.transport.create(mark));
      } else if (withdraw) {
        await this.transport.withdraw(mark.id, mark.version);
        this.finish(task);
      } else {
        this.settle(task, await this.transport.replace(mark.id, mark.version, mark));
      }
      this.wait = FIRST_WAIT_MS;
      return true;
    } catch (error) {
      return this.fail(task, asFailure(error));
    }
  }

  /** The server has `task` under `wire`; what changed in the meantime goes on from that version. */
  private settle(task: Task, wire: Wire): void {
    const { key } = task.mark;
    const latest = this.tasks.get(key);
    if (latest && (latest !== task || task.withdraw)) {
      this.tasks.set(key, { ...latest, mark: { ...latest.mark, id: wire.id, version: wire.version } });
    } else {
      this.finish(task);
    }
    this.listener.saved(key, wire);
  }

  private finish(task: Task): void {
    if (this.tasks.get(task.mark.key) === task) this.tasks.delete(task.mark.key);
  }

  /** What a failure means for the mark; false when the work has to stop for now. */
  private async fail(task: Task, failure: Failure): Promise<boolean> {
    const { mark } = task;
    if (failure.passing) {
      this.state = 'waiting';
      this.timer = this.clock.set(() => this.retryLater(), this.wait);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    } else if (failure.trouble === 'signed-out') {
      this.state = 'signed-out';
    } else if (failure.trouble === 'changed') {
      return this.yieldTo(mark.key);
    } else if (failure.trouble === 'missing' && mark.id !== null) {
      this.tasks.delete(mark.key);
      if (!task.withdraw) this.listener.gone(mark);
    } else {
      const latest = this.tasks.get(mark.key);
      if (latest === task) task.refused = failure.trouble;
    }
    this.listener.changed();
    return this.state === 'sending';
  }

  private async yieldTo(key: string): Promise<boolean> {
    const task = this.tasks.get(key)!;
    let show: () => void;
    try {
      show = await this.listener.conflict(task.mark);
    } catch (error) {
      return this.fail(task, asFailure(error));
    }
    this.tasks.delete(key);
    show();
    this.listener.changed();
    return true;
  }

  private retryLater(): void {
    this.timer = null;
    this.state = 'idle';
    this.run();
  }

  private stopWaiting(): void {
    if (this.timer !== null) this.clock.clear(this.timer);
    this.timer = null;
  }
}

function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('server');
}
