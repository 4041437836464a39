import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MarkSession } from '../src/marks/session';
import type { Wire } from '../src/marks/mark';
import { LIN, markBy, wireOf, ZHOU } from './cast';

/** The annotation API behind `fetch`: real requests and answers, kept in memory. */
class Api {
  readonly stored = new Map<string, Wire>();
  listGate: Promise<void> | null = null;
  refuseLists = false;

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const [, id] = /annotations\/(.+)$/.exec(String(input)) ?? [];
    const match = new Headers(init.headers).get('If-Match');
    if (init.method === 'POST') return this.create(JSON.parse(String(init.body)));
    if (!id) return this.list();
    const wire = this.stored.get(id);
    if (!wire) return new Response(null, { status: 404 });
    if (match !== `"${wire.version}"`) return new Response(null, { status: 412 });
    if (init.method === 'DELETE') {
      this.stored.delete(id);
      return new Response(null, { status: 204 });
    }
    return this.answer({ ...wire, ...JSON.parse(String(init.body)), version: wire.version + 1 });
  };

  answer(wire: Wire, status = 200): Response {
    this.stored.set(wire.id, wire);
    return Response.json(wire, { status, headers: { ETag: `"${wire.version}"` } });
  }

  private create(body: Wire & { client_id: string }): Response {
    return this.answer({ ...body, id: `id-${body.client_id}`, version: 1, author: LIN, at: '2026-11-24T05:00:00Z', mine: true }, 201);
  }

  private async list(): Promise<Response> {
    if (this.refuseLists) return new Response(null, { status: 503 });
    const annotations = [...this.stored.values()];
    await this.listGate;
    return Response.json({ annotations });
  }
}

const LINE = { instanceId: 'film', frame: 1, tool: 'length', points: [[1, 2], [3, 4]], text: '', finding: null } as const;
let api: Api;
let session: MarkSession;
let told: { text: string; action?: { label: string; run: () => void } }[];
const quiet = () => new Promise((resolve) => setTimeout(resolve, 5));

beforeEach(() => {
  api = new Api();
  vi.stubGlobal('fetch', api.fetch);
  told = [];
  session = new MarkSession('case', LIN, (text, action) => told.push({ text, ...(action ? { action } : {}) }), () => undefined);
});

describe('the list', () => {
  it('brings everybody’s marks', async () => {
    api.stored.set('id-1', wireOf(markBy(ZHOU), 'id-1', 3));
    expect(await session.load()).toBe(true);
    expect(session.book.all().map((mark) => [mark.author.name, mark.version, mark.mine])).toEqual([['Zhou Wei', 3, false]]);
  });

  it('that was asked for before a stroke does not take the stroke away', async () => {
    let open = () => {};
    api.listGate = new Promise((resolve) => (open = resolve));
    const loading = session.load();
    const { key } = session.book.draw(LINE);
    await quiet();
    expect(session.saver.unsaved).toBe(0);
    api.listGate = null;
    open();
    await loading;
    expect(session.book.get(key)?.id).toBe(`id-${key}`);
  });

  it('that cannot be had is not an empty one', async () => {
    api.refuseLists = true;
    expect(await session.load()).toBe(false);
    expect(session.listed).toBe('failed');
  });
});

describe('a mark changed in another window', () => {
  it('shows the newer one, says so, and puts ours back when asked', async () => {
    const { key } = session.book.draw(LINE);
    await quiet();
    const id = `id-${key}`;
    api.stored.set(id, { ...api.stored.get(id)!, version: 4, text: 'theirs' });
    session.book.redraw({ ...session.book.get(key)!, text: 'mine' });
    await quiet();
    expect(session.book.get(key)?.text).toBe('theirs');
    expect(told).toHaveLength(1);
    told[0]!.action!.run();
    await quiet();
    expect(api.stored.get(id)).toMatchObject({ text: 'mine', version: 5 });
  });

  it('stays unsaved while the newer one cannot be fetched', async () => {
    const { key } = session.book.draw(LINE);
    await quiet();
    const id = `id-${key}`;
    api.stored.set(id, { ...api.stored.get(id)!, version: 4 });
    api.refuseLists = true;
    vi.stubGlobal('window', { setTimeout, clearTimeout });
    session.book.redraw({ ...session.book.get(key)!, text: 'mine' });
    await quiet();
    expect(session.saver.unsaved).toBe(1);
    expect(session.book.get(key)?.text).toBe('mine');
  });

  it('that was deleted there can be drawn again', async () => {
    const { key } = session.book.draw(LINE);
    await quiet();
    api.stored.clear();
    session.book.redraw({ ...session.book.get(key)!, text: 'late' });
    await quiet();
    expect(session.book.all()).toHaveLength(0);
    told[0]!.action!.run();
    await quiet();
    expect([...api.stored.values()].map((wire) => wire.text)).toEqual(['late']);
  });
});
