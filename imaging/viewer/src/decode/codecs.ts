/** The WebAssembly codecs, each fetched when the first frame needs it. */

import openjpegUrl from '@cornerstonejs/codec-openjpeg/decodewasm?url';
import openjphUrl from '@cornerstonejs/codec-openjph/wasm?url';
import charlsUrl from '@cornerstonejs/codec-charls/decodewasm?url';
import type { Samples, Unpacked } from './pixels';

interface FrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned: boolean;
}

/** The shape the three emscripten decoders share. */
interface Decoder {
  getEncodedBuffer(size: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): FrameInfo;
  decode(): void;
  delete(): void;
}

export type Codec = 'jpeg-2000' | 'htj2k' | 'jpeg-ls';

const loaded = new Map<Codec, Promise<() => Decoder>>();

export async function decodeWith(codec: Codec, bytes: Uint8Array): Promise<Unpacked> {
  let making = loaded.get(codec);
  if (!making) {
    making = load(codec);
    loaded.set(codec, making);
    making.catch(() => loaded.delete(codec));
  }
  const decoder = (await making)();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const info = decoder.getFrameInfo();
    return {
      samples: copied(decoder.getDecodedBuffer(), info),
      rows: info.height,
      columns: info.width,
      components: info.componentCount,
    };
  } finally {
    decoder.delete();
  }
}

async function load(codec: Codec): Promise<() => Decoder> {
  const at = (url: string) => ({ locateFile: () => url });
  if (codec === 'jpeg-2000') {
    const { default: factory } = await import('@cornerstonejs/codec-openjpeg/decodewasmjs');
    const module = await factory(at(openjpegUrl));
    return () => new module.J2KDecoder();
  }
  if (codec === 'htj2k') {
    const { default: factory } = await import('@cornerstonejs/codec-openjph/wasmjs');
    const module = await factory(at(openjphUrl));
    return () => new module.HTJ2KDecoder();
  }
  const { default: factory } = await import('@cornerstonejs/codec-charls/decodewasmjs');
  const module = await factory(at(charlsUrl));
  return () => new module.JpegLSDecoder();
}

/** Out of the codec's memory, which the next frame overwrites. */
function copied(view: Uint8Array, info: FrameInfo): Samples {
  const bytes = view.slice() as Uint8Array<ArrayBuffer>;
  if (info.bitsPerSample <= 8) return info.isSigned ? new Int8Array(bytes.buffer) : bytes;
  return info.isSigned ? new Int16Array(bytes.buffer) : new Uint16Array(bytes.buffer);
}
