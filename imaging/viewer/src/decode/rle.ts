/** RLE Lossless (PS3.5 annex G): byte planes, most significant first, each packed on its own. */

import { wordsOf, type Layout, type Unpacked } from './pixels';

export function decodeRle(
  bytes: Uint8Array,
  frame: Layout & { readonly rows: number; readonly columns: number; readonly samples: number },
): Unpacked {
  const header = new DataView(bytes.buffer, bytes.byteOffset, 64);
  const segments = header.getUint32(0, true);
  const width = Math.ceil(frame.bitsAllocated / 8);
  const pixels = frame.rows * frame.columns;
  if (segments !== frame.samples * width) throw new Error(`${segments} RLE segments`);
  const out = new Uint8Array(pixels * frame.samples * width);
  for (let s = 0; s < segments; s++) {
    const start = header.getUint32(4 + s * 4, true);
    const end = s + 1 < segments ? header.getUint32(8 + s * 4, true) : bytes.length;
    const component = Math.floor(s / width);
    const significance = width - 1 - (s % width);
    unpack(bytes.subarray(start, end), out, component * width + significance, frame.samples * width, pixels);
  }
  return { samples: wordsOf(out, frame), rows: frame.rows, columns: frame.columns, components: frame.samples };
}

/** PackBits into every `stride`-th byte of `out` from `first`; a short segment is an error, not black pixels. */
function unpack(packed: Uint8Array, out: Uint8Array, first: number, stride: number, count: number): void {
  let from = 0;
  let done = 0;
  const put = (value: number) => {
    if (done < count) out[first + stride * done++] = value;
  };
  while (done < count) {
    if (from >= packed.length) throw new Error('RLE segment ends early');
    const n = packed[from++]!;
    if (n < 128) {
      if (from + n + 1 > packed.length) throw new Error('RLE segment ends early');
      for (let i = 0; i <= n; i++) put(packed[from++]!);
    } else if (n > 128) {
      const value = packed[from++];
      if (value === undefined) throw new Error('RLE segment ends early');
      for (let i = 0; i < 257 - n; i++) put(value);
    }
  }
}
