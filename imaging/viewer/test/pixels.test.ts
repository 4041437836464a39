import { describe, expect, it } from 'vitest';
import { guessWindow, interleaved, maskStored, rangeOf, rescaled, rgbFromYbr, withAlpha, withoutAlpha, wordsOf } from '../src/decode/pixels';
import { decodeRle } from '../src/decode/rle';
import { decode } from '../src/decode/decode';
import { headerOf, type Header } from '../src/stage/header';

const TWELVE = { bitsAllocated: 16, bitsStored: 12, highBit: 11 };

describe('stored values', () => {
  it('lose what lies above the stored bits', () => {
    const samples = wordsOf(new Uint8Array([0xff, 0xff, 0x01, 0x10]), { bitsAllocated: 16, signed: false });
    maskStored(samples, { ...TWELVE, signed: false });
    expect([...samples]).toEqual([4095, 1]);
  });

  it('keep their sign', () => {
    const samples = wordsOf(new Uint8Array([0xff, 0x0f, 0x05, 0x00]), { bitsAllocated: 16, signed: true });
    maskStored(samples, { ...TWELVE, signed: true });
    expect([...samples]).toEqual([-1, 5]);
  });

  it('become Hounsfield units in whole numbers where they are', () => {
    const stored = new Uint16Array([0, 1024, 4095]);
    const hu = rescaled(stored, 1, -1024, rangeOf(stored));
    expect(hu).toBeInstanceOf(Int16Array);
    expect([...hu]).toEqual([-1024, 0, 3071]);
    expect(rescaled(stored, 0.5, 0, rangeOf(stored))).toBeInstanceOf(Float32Array);
  });

  it('are read from an odd place in the body', () => {
    const body = new Uint8Array([9, 0x34, 0x12]);
    expect([...wordsOf(body.subarray(1), { bitsAllocated: 16, signed: false })]).toEqual([0x1234]);
  });
});

describe('colour', () => {
  it('is put together from planes', () => {
    expect([...interleaved(new Uint8Array([1, 2, 10, 20, 100, 200]))]).toEqual([1, 10, 100, 2, 20, 200]);
  });

  it('is grey where chroma is neutral, and clamped', () => {
    const ybr = new Uint8Array([77, 128, 128, 255, 128, 255]);
    rgbFromYbr(ybr);
    expect([...ybr.slice(0, 3)]).toEqual([77, 77, 77]);
    expect(ybr[3]).toBe(255);
  });

  it('gains and loses its fourth component', () => {
    const rgb = new Uint8Array([1, 2, 3, 4, 5, 6]);
    expect([...withoutAlpha(new Uint8ClampedArray(withAlpha(rgb)))]).toEqual([...rgb]);
  });
});

it('guesses a window that a few extreme pixels do not spoil', () => {
  const samples = new Uint16Array(10_000).map((_, i) => 1000 + (i % 100));
  samples[0] = 65535;
  const { center, width } = guessWindow(samples);
  expect(center).toBeCloseTo(1050, -1);
  expect(width).toBeLessThan(120);
});

describe('RLE', () => {
  const frame = { rows: 1, columns: 4, samples: 1, ...TWELVE, signed: false };
  const segments = (...parts: number[][]) => {
    const header = new DataView(new ArrayBuffer(64));
    header.setUint32(0, parts.length, true);
    let at = 64;
    parts.forEach((part, i) => {
      header.setUint32(4 + i * 4, at, true);
      at += part.length;
    });
    return Uint8Array.from([...new Uint8Array(header.buffer), ...parts.flat()]);
  };

  it('joins the byte planes, high byte first', () => {
    // high bytes: 4 × 0x01; low bytes: 0x10 0x20, then 2 × 0x30
    const bytes = segments([0xfd, 0x01], [0x01, 0x10, 0x20, 0xff, 0x30]);
    expect([...decodeRle(bytes, frame).samples]).toEqual([0x110, 0x120, 0x130, 0x130]);
  });

  it('fails on a segment that ends early', () => {
    expect(() => decodeRle(segments([0xfd, 0x01], [0x03, 0x10]), frame)).toThrow(/early/);
    expect(() => decodeRle(segments([0xfd, 0x01]), frame)).toThrow(/segments/);
  });
});

describe('a whole frame', () => {
  const element = (vr: string, ...Value: unknown[]) => ({ vr, Value });
  const header: Header = headerOf(
    {
      '00280010': element('US', 2),
      '00280011': element('US', 2),
      '00280002': element('US', 1),
      '00280004': element('CS', 'MONOCHROME2'),
      '00280100': element('US', 16),
      '00280101': element('US', 12),
      '00280103': element('US', 0),
      '00281050': element('DS', 40, 400),
      '00281051': element('DS', '400', 1800),
      '00281052': element('DS', -1024),
      '00281053': element('DS', 1),
    },
    1,
  );
  const raw = (bytes: number[]) => ({ bytes: Uint8Array.from(bytes), transferSyntax: '1.2.840.10008.1.2.1' });

  it('takes the first of several windows', () => expect(header.window).toEqual({ center: 40, width: 400 }));

  it('is decoded to values, range and window', async () => {
    const decoded = await decode({ frame: raw([0, 4, 0, 0, 0xff, 0x0f, 0, 4]), header, alpha: false });
    expect([...decoded.samples]).toEqual([0, -1024, 3071, 0]);
    expect(decoded).toMatchObject({ least: -1024, most: 3071, window: { center: 40, width: 400 } });
  });

  it('is refused when bytes are missing', async () => {
    await expect(decode({ frame: raw([0, 4, 0]), header, alpha: false })).rejects.toThrow('3 of 8 bytes');
  });

  it('is refused in a syntax without a decoder', async () => {
    await expect(decode({ frame: { ...raw([0]), transferSyntax: '1.2.840.10008.1.2.4.51' }, header, alpha: false })).rejects.toThrow(/no decoder/);
  });
});
