/** One frame from its bytes to pixels ready to draw; anything short or of another size is an error. */

import type { Header, Window } from '../stage/header';
import { HTJ2K, JPEG_2000, JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS, RAW, RLE, type FrameBytes } from '../stage/frames';
import { decodeWith } from './codecs';
import {
  guessWindow,
  interleaved,
  maskStored,
  rangeOf,
  rescaled,
  rgbFromYbr,
  withAlpha,
  withoutAlpha,
  wordsOf,
  type Drawn,
  type Unpacked,
} from './pixels';
import { decodeRle } from './rle';

export interface Order {
  readonly frame: FrameBytes;
  readonly header: Header;
  /** Colour with a fourth, opaque component, as the software renderer wants it. */
  readonly alpha: boolean;
}

export interface Decoded {
  readonly samples: Drawn;
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly least: number;
  readonly most: number;
  readonly window: Window;
}

export async function decode({ frame, header, alpha }: Order): Promise<Decoded> {
  const unpacked = await unpack(frame, header);
  const { rows, columns, components } = unpacked;
  if (rows !== header.rows || columns !== header.columns) {
    throw new Error(`${columns}×${rows} instead of ${header.columns}×${header.rows}`);
  }
  if (unpacked.samples.length < rows * columns * components) throw new Error('pixels are missing');
  return components === 1 ? grey(unpacked, header) : colour(unpacked, header, frame.transferSyntax, alpha);
}

async function unpack({ bytes, transferSyntax }: FrameBytes, header: Header): Promise<Unpacked> {
  if (RAW.includes(transferSyntax)) return raw(bytes, header);
  if (transferSyntax === JPEG_BASELINE) return jpeg(bytes, header);
  if (transferSyntax === RLE) return decodeRle(bytes, header);
  if (JPEG_2000.includes(transferSyntax)) return decodeWith('jpeg-2000', bytes);
  if (HTJ2K.includes(transferSyntax)) return decodeWith('htj2k', bytes);
  if (JPEG_LS.includes(transferSyntax)) return decodeWith('jpeg-ls', bytes);
  if (JPEG_LOSSLESS.includes(transferSyntax)) return jpegLossless(bytes, header);
  throw new Error(`no decoder for ${transferSyntax}`);
}

function raw(bytes: Uint8Array<ArrayBuffer>, header: Header): Unpacked {
  const { rows, columns, samples } = header;
  const needed = rows * columns * samples * Math.ceil(header.bitsAllocated / 8);
  if (bytes.length < needed) throw new Error(`${bytes.length} of ${needed} bytes`);
  return { samples: wordsOf(bytes.subarray(0, needed), header), rows, columns, components: samples };
}

/** The browser's own decoder; orientation and colour tags in the file are not obeyed, for the pixels count. */
async function jpeg(bytes: Uint8Array<ArrayBuffer>, header: Header): Promise<Unpacked> {
  const picture = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }), {
    imageOrientation: 'none',
    colorSpaceConversion: header.samples === 1 ? 'none' : 'default',
  });
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no canvas');
  context.drawImage(picture, 0, 0);
  picture.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const samples = withoutAlpha(rgba);
  if (header.samples !== 1) return { samples, rows: height, columns: width, components: 3 };
  return { samples: samples.filter((_, i) => i % 3 === 0), rows: height, columns: width, components: 1 };
}

async function jpegLossless(bytes: Uint8Array<ArrayBuffer>, header: Header): Promise<Unpacked> {
  const { Decoder } = await import('@cornerstonejs/jpeg-lossless-decoder-js');
  const decoder = new Decoder();
  const width = Math.ceil(header.bitsAllocated / 8);
  const out = decoder.decode(bytes.buffer, bytes.byteOffset, bytes.length, width);
  return {
    samples: wordsOf(new Uint8Array(out.buffer as ArrayBuffer, out.byteOffset, out.byteLength), header),
    rows: decoder.frame.dimY,
    columns: decoder.frame.dimX,
    components: header.samples,
  };
}

function grey(unpacked: Unpacked, header: Header): Decoded {
  maskStored(unpacked.samples, header);
  const stored = rangeOf(unpacked.samples);
  const samples = rescaled(unpacked.samples, header.slope, header.intercept, stored);
  const ends = [stored.least * header.slope + header.intercept, stored.most * header.slope + header.intercept];
  return {
    ...unpacked,
    samples,
    least: Math.min(...ends),
    most: Math.max(...ends),
    window: header.window ?? guessWindow(samples),
  };
}

const WHOLE_RANGE: Window = { center: 128, width: 256 };

function colour(unpacked: Unpacked, header: Header, transferSyntax: string, alpha: boolean): Decoded {
  if (unpacked.components !== 3 || !(unpacked.samples instanceof Uint8Array)) throw new Error('unusual colour');
  if (header.photometric === 'PALETTE COLOR') throw new Error('palette colour');
  const native = RAW.includes(transferSyntax) || transferSyntax === RLE;
  let rgb = unpacked.samples;
  if (native && header.planar && transferSyntax !== RLE) rgb = interleaved(rgb) as Uint8Array<ArrayBuffer>;
  if (native && header.photometric === 'YBR_FULL') rgbFromYbr(rgb);
  else if (native && header.photometric !== 'RGB') throw new Error(header.photometric);
  return {
    ...unpacked,
    samples: alpha ? withAlpha(rgb) : rgb,
    components: alpha ? 4 : 3,
    least: 0,
    most: 255,
    window: WHOLE_RANGE,
  };
}
