/** Unpacked pixels, and what has to be done to stored values before they can be drawn. */

export type Samples = Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Int16Array<ArrayBuffer>;
export type Drawn = Samples | Float32Array<ArrayBuffer>;

/** A frame as a codec leaves it: samples interleaved by pixel. */
export interface Unpacked {
  readonly samples: Samples;
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
}

export interface Layout {
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
}

/** Bytes of stored little-endian words as typed samples. */
export function wordsOf(bytes: Uint8Array<ArrayBuffer>, { bitsAllocated, signed }: Pick<Layout, 'bitsAllocated' | 'signed'>): Samples {
  if (bitsAllocated <= 8) return signed ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
  const even = bytes.length & ~1;
  const aligned = bytes.byteOffset % 2 === 0 ? bytes.subarray(0, even) : bytes.slice(0, even);
  const Words = signed ? Int16Array : Uint16Array;
  return new Words(aligned.buffer, aligned.byteOffset, even / 2);
}

/** Leaves only the stored bits, sign-extended; what is above them may be an old overlay. In place. */
export function maskStored(samples: Samples, { bitsAllocated, bitsStored, highBit, signed }: Layout): void {
  const shift = highBit + 1 - bitsStored;
  if (bitsStored === bitsAllocated && shift === 0) return;
  const up = 32 - bitsStored;
  for (let i = 0; i < samples.length; i++) {
    const stored = samples[i]! >>> shift;
    samples[i] = signed ? (stored << up) >> up : stored & ((1 << bitsStored) - 1);
  }
}

/** Slope and intercept applied: 16-bit integers where they suffice, else floats. */
export function rescaled(samples: Samples, slope: number, intercept: number, range: Range): Drawn {
  if (slope === 1 && intercept === 0) return samples instanceof Int8Array ? Int16Array.from(samples) : samples;
  const ends = [range.least * slope + intercept, range.most * slope + intercept];
  const whole = Number.isInteger(slope) && Number.isInteger(intercept);
  const Out = whole && Math.min(...ends) >= -32768 && Math.max(...ends) <= 32767 ? Int16Array : Float32Array;
  const out = new Out(samples.length);
  for (let i = 0; i < samples.length; i++) out[i] = samples[i]! * slope + intercept;
  return out;
}

export interface Range {
  readonly least: number;
  readonly most: number;
}

export function rangeOf(samples: Drawn): Range {
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least, most };
}

/** A window for pictures that name none: from the 0.5th to the 99.5th percentile of a sample of pixels. */
export function guessWindow(samples: Drawn): { center: number; width: number } {
  const step = Math.max(1, Math.floor(samples.length / 50_000));
  const some: number[] = [];
  for (let i = 0; i < samples.length; i += step) some.push(samples[i]!);
  some.sort((a, b) => a - b);
  const low = some[Math.floor(some.length * 0.005)] ?? 0;
  const high = some[Math.floor(some.length * 0.995)] ?? 1;
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** RRR…GGG…BBB… to RGBRGB… (Planar Configuration 1). */
export function interleaved(samples: Samples): Samples {
  const plane = samples.length / 3;
  const out = new (samples.constructor as new (n: number) => Samples)(samples.length);
  for (let c = 0; c < 3; c++) for (let i = 0; i < plane; i++) out[i * 3 + c] = samples[c * plane + i]!;
  return out;
}

/** YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), clamped. In place. */
export function rgbFromYbr(samples: Uint8Array): void {
  const clamp = new Uint8ClampedArray(3);
  for (let i = 0; i + 2 < samples.length; i += 3) {
    const y = samples[i]!;
    const cb = samples[i + 1]! - 128;
    const cr = samples[i + 2]! - 128;
    clamp[0] = y + 1.402 * cr;
    clamp[1] = y - 0.344136 * cb - 0.714136 * cr;
    clamp[2] = y + 1.772 * cb;
    samples.set(clamp, i);
  }
}

export function withoutAlpha(rgba: Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from]!;
    rgb[to++] = rgba[from + 1]!;
    rgb[to++] = rgba[from + 2]!;
  }
  return rgb;
}

export function withAlpha(rgb: Uint8Array): Uint8Array<ArrayBuffer> {
  const rgba = new Uint8Array((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3) {
    rgba[to++] = rgb[from]!;
    rgba[to++] = rgb[from + 1]!;
    rgba[to++] = rgb[from + 2]!;
    rgba[to++] = 255;
  }
  return rgba;
}
