import { beforeEach, describe, expect, it } from 'vitest';
import { Failure, type Trouble } from '../src/http';
import { Book } from '../src/marks/book';
import type { Mark, Wire } from '../src/marks/mark';
import { Saver, type Clock, type Transport } from '../src/marks/saver';
import { LIN, markBy, wireOf } from './cast';

/** A server in memory that can be told to fail, to lose answers, or to take its time. */
class Server implements Transport {
  readonly stored = new Map<string, Wire>();
  readonly clients = new Map<string, string>();
  readonly calls: string[] = [];
  failures: Trouble[] = [];
  loseAnswer = false;
  gate: Promise<void> | null = null;

  async create(mark: Mark): Promise<Wire> {
    await this.enter(`create ${mark.key}`);
    const id = this.clients.get(mark.key) ?? `id-${this.clients.size + 1}`;
    this.clients.set(mark.key, id);
    if (!this.stored.has(id)) this.stored.set(id, wireOf(mark, id, 1));
    if (this.loseAnswer) {
      this.loseAnswer = false;
      throw new Failure('offline');
    }
    return this.stored.get(id)!;
  }

  async replace(id: string, version: number, mark: Mark): Promise<Wire> {
    await this.enter(`replace ${id} v${version}`);
    this.check(id, version);
    const wire = wireOf(mark, id, version + 1);
    this.stored.set(id, wire);
    return wire;
  }

  async withdraw(id: string, version: number): Promise<void> {
    await this.enter(`withdraw ${id} v${version}`);
    this.check(id, version);
    this.stored.delete(id);
  }

  private check(id: string, version: number): void {
    const now = this.stored.get(id);
    if (!now) throw new Failure('missing', 404);
    if (now.version !== version) throw new Failure('changed', 412);
  }

  private async enter(call: string): Promise<void> {
    this.calls.push(call);
    await this.gate;
    const trouble = this.failures.shift();
    if (trouble) throw new Failure(trouble);
  }
}

class ManualClock implements Clock {
  waits: number[] = [];
  private run: (() => void) | null = null;

  set(run: () => void, ms: number): number {
    this.waits.push(ms);
    this.run = run;
    return 1;
  }

  clear(): void {
    this.run = null;
  }

  ring(): void {
    this.run?.();
  }
}

let server: Server;
let clock: ManualClock;
let book: Book;
let saver: Saver;
let conflicts: Mark[];
let gone: Mark[];

const quiet = () => new Promise((resolve) => setTimeout(resolve, 0));
const LINE = { instanceId: 'film', frame: 1, tool: 'length', points: [[1, 2], [3, 4]], text: '', finding: null } as const;

beforeEach(() => {
  server = new Server();
  clock = new ManualClock();
  book = new Book(LIN);
  conflicts = [];
  gone = [];
  saver = new Saver(
    server,
    {
      saved: (key, wire) => book.settled(key, wire),
      conflict: async (mark) => {
        const wires = [...server.stored.values()];
        return () => {
          conflicts.push(mark);
          book.merge(wires);
        };
      },
      gone: (mark) => gone.push(mark),
      changed: () => undefined,
    },
    clock,
  );
  book.savedBy(saver);
});

describe('saving as you draw', () => {
  it('sends a new mark and learns its id and version', async () => {
    const { key } = book.draw(LINE);
    await quiet();
    expect(book.get(key)).toMatchObject({ id: 'id-1', version: 1 });
    expect(saver.unsaved).toBe(0);
    expect(saver.saving).toBe('idle');
  });

  it('sends a change made on the way after it, with the version the answer brought', async () => {
    let open = () => {};
    server.gate = new Promise((resolve) => (open = resolve));
    const mark = book.draw(LINE);
    book.redraw({ ...mark, text: 'step' });
    book.redraw({ ...book.get(mark.key)!, text: 'step at the joint' });
    server.gate = null;
    open();
    await quiet();
    expect(server.calls).toEqual([`create ${mark.key}`, 'replace id-1 v1']);
    expect(server.stored.get('id-1')?.text).toBe('step at the joint');
    expect(book.get(mark.key)?.version).toBe(2);
  });

  it('forgets a mark that was deleted before anything was sent', async () => {
    server.failures = ['offline'];
    book.draw(LINE);
    const second = book.draw(LINE);
    await quiet();
    book.remove(second.key);
    clock.ring();
    await quiet();
    expect([...server.stored.keys()]).toEqual(['id-1']);
  });

  it('withdraws a mark deleted while its creation was on the way', async () => {
    let open = () => {};
    server.gate = new Promise((resolve) => (open = resolve));
    const mark = book.draw(LINE);
    book.remove(mark.key);
    server.gate = null;
    open();
    await quiet();
    expect(server.stored.size).toBe(0);
    expect(saver.unsaved).toBe(0);
  });
});

describe('a broken line', () => {
  it('keeps everything and tries again, ever more slowly', async () => {
    server.failures = ['offline', 'busy', 'server'];
    book.draw(LINE);
    await quiet();
    expect(saver.saving).toBe('waiting');
    clock.ring();
    await quiet();
    clock.ring();
    await quiet();
    expect(saver.unsaved).toBe(1);
    clock.ring();
    await quiet();
    expect(saver.unsaved).toBe(0);
    expect(clock.waits).toEqual([1000, 2000, 4000]);
  });

  it('makes no double when only the answer was lost', async () => {
    server.loseAnswer = true;
    const { key } = book.draw(LINE);
    await quiet();
    saver.retry();
    await quiet();
    expect(server.calls).toEqual([`create ${key}`, `create ${key}`]);
    expect(server.stored.size).toBe(1);
    expect(book.get(key)?.id).toBe('id-1');
  });

  it('withdraws a mark deleted after its answer was lost', async () => {
    server.loseAnswer = true;
    const { key } = book.draw(LINE);
    await quiet();
    book.remove(key);
    saver.retry();
    await quiet();
    expect(server.stored.size).toBe(0);
  });

  it('waits for the person when the session has ended, and goes on from there', async () => {
    server.failures = ['signed-out'];
    book.draw(LINE);
    await quiet();
    expect(saver.saving).toBe('signed-out');
    book.draw(LINE);
    expect(saver.unsaved).toBe(2);
    saver.retry();
    await quiet();
    expect(server.stored.size).toBe(2);
  });
});

describe('what the server says no to', () => {
  it('keeps a refused mark, says so, and goes on with the others', async () => {
    server.failures = ['denied'];
    const first = book.draw(LINE);
    const second = book.draw(LINE);
    await quiet();
    expect(saver.refusal(first.key)).toBe('denied');
    expect(saver.unsaved).toBe(1);
    expect(book.get(second.key)?.id).not.toBeNull();
  });

  it('yields to a newer version and hands ours back', async () => {
    const { key } = book.draw(LINE);
    await quiet();
    server.stored.set('id-1', { ...server.stored.get('id-1')!, version: 5, text: 'theirs' });
    book.redraw({ ...book.get(key)!, text: 'mine' });
    await quiet();
    expect(conflicts.map((mark) => mark.text)).toEqual(['mine']);
    expect(book.get(key)).toMatchObject({ text: 'theirs', version: 5 });
    book.redraw({ ...book.get(key)!, text: 'mine' });
    await quiet();
    expect(server.stored.get('id-1')).toMatchObject({ text: 'mine', version: 6 });
  });

  it('tells when the mark was withdrawn elsewhere', async () => {
    const { key } = book.draw(LINE);
    await quiet();
    server.stored.clear();
    book.redraw({ ...book.get(key)!, text: 'late' });
    await quiet();
    expect(gone.map((mark) => mark.text)).toEqual(['late']);
    expect(saver.unsaved).toBe(0);
  });
});

describe('the list from the server', () => {
  it('does not touch a mark whose change is still on the way', async () => {
    const { key } = book.draw(LINE);
    await quiet();
    server.failures = ['offline'];
    book.redraw({ ...book.get(key)!, text: 'changed here' });
    await quiet();
    book.merge([...server.stored.values()]);
    expect(book.get(key)?.text).toBe('changed here');
    book.merge([]);
    expect(book.get(key)).toBeDefined();
  });

  it('shows what others drew and drops what they withdrew', () => {
    const theirs = markBy({ id: 'z', name: 'Zhou' }, { key: 'id-9', mine: false });
    book.merge([wireOf(theirs, 'id-9', 1)]);
    expect(book.all()).toHaveLength(1);
    book.redraw({ ...book.get('id-9')!, text: 'not mine to change' });
    book.remove('id-9');
    expect(book.get('id-9')?.text).toBe('');
    book.merge([]);
    expect(book.all()).toHaveLength(0);
  });

  it('leaves out marks it cannot draw', () => {
    book.merge([{ ...wireOf(markBy(LIN), 'id-1', 1), tool: 'spline' }]);
    expect(book.all()).toHaveLength(0);
  });
});

describe('undo', () => {
  it('takes back a stroke, a change and a deletion', async () => {
    const { key } = book.draw(LINE);
    await quiet();
    book.redraw({ ...book.get(key)!, text: 'words' });
    await quiet();
    book.remove(key);
    await quiet();
    expect(server.stored.size).toBe(0);

    const again = book.undo()!;
    await quiet();
    expect(again.text).toBe('words');
    expect([...server.stored.values()].map((wire) => wire.text)).toEqual(['words']);
    expect(again.key).not.toBe(key);
  });

  it('takes back the newest first, and a drawn mark altogether', async () => {
    const { key } = book.draw(LINE);
    book.redraw({ ...book.get(key)!, text: 'words' });
    book.undo();
    expect(book.get(key)?.text).toBe('');
    book.undo();
    await quiet();
    expect(book.all()).toHaveLength(0);
    expect(server.stored.size).toBe(0);
    expect(book.canUndo).toBe(false);
  });
});
