/** Requests to our own server, and the few ways in which they fail. */

export type Trouble = 'offline' | 'signed-out' | 'denied' | 'missing' | 'changed' | 'invalid' | 'busy' | 'server';

export class Failure extends Error {
  constructor(
    readonly trouble: Trouble,
    readonly status = 0,
  ) {
    super(`${trouble} (${status})`);
    this.name = 'Failure';
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get passing(): boolean {
    return this.trouble === 'offline' || this.trouble === 'busy' || this.trouble === 'server';
  }
}

const PATIENCE_MS = 45_000;

function troubleOf(status: number): Trouble {
  switch (status) {
    case 401:
      return 'signed-out';
    case 403:
      return 'denied';
    case 404:
    case 410:
      return 'missing';
    case 412:
      return 'changed';
    case 408:
    case 425:
    case 429:
    case 503:
      return 'busy';
    default:
      return status >= 500 ? 'server' : 'invalid';
  }
}

/** The answer when it is a good one; a Failure otherwise. Redirects (to the sign-in page) are not followed. */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { credentials: 'same-origin', redirect: 'manual', ...init });
  } catch (error) {
    if (init.signal?.aborted && init.signal.reason?.name !== 'TimeoutError') throw error;
    throw new Failure('offline');
  }
  if (answer.type === 'opaqueredirect') throw new Failure('signed-out', 302);
  if (!answer.ok) throw new Failure(troubleOf(answer.status), answer.status);
  return answer;
}

interface Told<T> {
  readonly body: T;
  readonly etag: string | null;
}

export async function json<T>(url: string, init: RequestInit = {}): Promise<Told<T>> {
  const headers = new Headers(init.headers);
  headers.set('Accept', headers.get('Accept') ?? 'application/json');
  if (init.body) headers.set('Content-Type', 'application/json');
  const answer = await request(url, { signal: AbortSignal.timeout(PATIENCE_MS), ...init, headers });
  const etag = answer.headers.get('ETag');
  if (answer.status === 204) return { body: undefined as T, etag };
  try {
    return { body: (await answer.json()) as T, etag };
  } catch {
    throw new Failure('offline');
  }
}
