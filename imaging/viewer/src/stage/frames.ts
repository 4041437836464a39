/** Frames over WADO-RS (PS3.18 §10.4): the bytes of one frame and the transfer syntax they are in. */

import { Failure, request } from '../http';

export interface FrameBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly transferSyntax: string;
}

export type Progress = (received: number, total: number | null) => void;

export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
export const JPEG_LOSSLESS = ['1.2.840.10008.1.2.4.57', '1.2.840.10008.1.2.4.70'];
export const JPEG_LS = ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'];
export const JPEG_2000 = ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91'];
export const HTJ2K = ['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202', '1.2.840.10008.1.2.4.203'];
export const RLE = '1.2.840.10008.1.2.5';
export const RAW = [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN];

const DECODED_HERE = new Set([...RAW, JPEG_BASELINE, ...JPEG_LOSSLESS, ...JPEG_LS, ...JPEG_2000, ...HTJ2K, RLE]);

/** What a media type means when it names no transfer syntax (PS3.18 table 8.7.3-5). */
const BY_MEDIA_TYPE: Readonly<Record<string, string>> = {
  'application/octet-stream': EXPLICIT_LITTLE_ENDIAN,
  'image/jpeg': JPEG_BASELINE,
  'image/jll': '1.2.840.10008.1.2.4.70',
  'image/jls': '1.2.840.10008.1.2.4.80',
  'image/jp2': '1.2.840.10008.1.2.4.90',
  'image/jphc': '1.2.840.10008.1.2.4.201',
  'image/dicom-rle': RLE,
  'image/x-dicom-rle': RLE,
};

/** As it is stored where a decoder is at hand, else unpacked by the server. */
export function acceptFor(stored: string): string {
  const syntax = DECODED_HERE.has(stored) ? '*' : EXPLICIT_LITTLE_ENDIAN;
  return `multipart/related; type="application/octet-stream"; transfer-syntax=${syntax}`;
}

export async function fetchFrame(
  url: string,
  stored: string,
  options: { signal: AbortSignal; progress: Progress | undefined },
): Promise<FrameBytes> {
  const answer = await request(url, { headers: { Accept: acceptFor(stored) }, signal: options.signal });
  const body = await readAll(answer, options.progress);
  return firstPart(answer.headers.get('Content-Type') ?? '', body);
}

async function readAll(answer: Response, progress?: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(answer.headers.get('Content-Length')) || null;
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    if (!progress) return new Uint8Array(await answer.arrayBuffer());
    for (const reader = answer.body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      received += value.length;
      progress(received, declared);
    }
  } catch {
    throw new Failure('offline');
  }
  if (declared !== null && received < declared) throw new Failure('offline');
  return joined(chunks, received);
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** The first part of a multipart/related body, or the body itself when it is not one. */
export function firstPart(contentType: string, body: Uint8Array<ArrayBuffer>): FrameBytes {
  const boundary = parameter(contentType, 'boundary');
  if (!/^multipart\//i.test(contentType) || boundary === null) {
    return { bytes: body, transferSyntax: transferSyntaxOf(contentType) };
  }
  const opening = find(body, ascii(`--${boundary}`), 0);
  const headersEnd = find(body, ascii('\r\n\r\n'), Math.max(opening, 0));
  if (opening < 0 || headersEnd < 0) throw new Failure('server');
  const headers = new TextDecoder('latin1').decode(body.subarray(opening, headersEnd));
  const type = /^content-type:\s*(.+)$/im.exec(headers)?.[1]?.trim() ?? contentType;
  const start = headersEnd + 4;
  const end = find(body, ascii(`\r\n--${boundary}`), start);
  if (end < 0) throw new Failure('offline');
  return { bytes: body.slice(start, end), transferSyntax: transferSyntaxOf(type) };
}

export function transferSyntaxOf(contentType: string): string {
  const media = (/^multipart\//i.test(contentType) ? parameter(contentType, 'type') : null) ?? contentType.split(';')[0]!.trim();
  return parameter(contentType, 'transfer-syntax') ?? BY_MEDIA_TYPE[media.toLowerCase()] ?? media;
}

function parameter(header: string, name: string): string | null {
  const hit = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]*))`, 'i').exec(header);
  return hit ? (hit[1] ?? hit[2] ?? null) : null;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Where `needle` begins in `hay` at or after `from`, or −1; `indexOf` skips to candidates natively. */
function find(hay: Uint8Array, needle: Uint8Array, from: number): number {
  for (let at = hay.indexOf(needle[0]!, from); at >= 0; at = hay.indexOf(needle[0]!, at + 1)) {
    let i = 1;
    while (i < needle.length && hay[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}
