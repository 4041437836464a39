/** A few decoding workers. A worker that dies fails only what it held, and is replaced. */

import type { Decoded, Order } from './decode';
import type { Reply, Request } from './worker';

interface Waiting {
  readonly resolve: (decoded: Decoded) => void;
  readonly reject: (error: Error) => void;
}

class Hand {
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | null = null;

  get load(): number {
    return this.waiting.size;
  }

  decode(id: number, order: Order): Promise<Decoded> {
    this.worker ??= this.hire();
    const worker = this.worker;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...order } satisfies Request, [order.frame.bytes.buffer]);
    });
  }

  private hire(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = (event: MessageEvent<Reply>) => {
      const reply = event.data;
      const waiting = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      if ('decoded' in reply) waiting?.resolve(reply.decoded);
      else waiting?.reject(new Error(reply.error));
    };
    worker.onerror = (event) => {
      worker.terminate();
      this.worker = null;
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || 'the decoder stopped'));
      this.waiting.clear();
    };
    return worker;
  }
}

const hands = Array.from({ length: Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) >> 1)) }, () => new Hand());
let count = 0;

export function decodeFrame(order: Order): Promise<Decoded> {
  const idlest = hands.reduce((a, b) => (b.load < a.load ? b : a));
  return idlest.decode(++count, order);
}
