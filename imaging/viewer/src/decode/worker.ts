/** Decoding off the main thread; one message in, one out. */

import { decode, type Decoded, type Order } from './decode';

export interface Request extends Order {
  readonly id: number;
}

export type Reply =
  | { readonly id: number; readonly decoded: Decoded }
  | { readonly id: number; readonly error: string };

const here = self as unknown as DedicatedWorkerGlobalScope;

here.onmessage = (event: MessageEvent<Request>) => {
  const { id, ...order } = event.data;
  decode(order).then(
    (decoded) => here.postMessage({ id, decoded } satisfies Reply, [decoded.samples.buffer]),
    (error: unknown) => here.postMessage({ id, error: String(error) } satisfies Reply),
  );
};
