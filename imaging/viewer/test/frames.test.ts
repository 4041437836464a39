import { describe, expect, it } from 'vitest';
import { Failure } from '../src/http';
import { acceptFor, firstPart, transferSyntaxOf } from '../src/stage/frames';

function body(...parts: (string | number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part));
  return Uint8Array.from(bytes);
}

const MULTIPART = 'multipart/related; type="application/octet-stream"; boundary="frame-7"';

describe('the first part', () => {
  it('is what lies between the headers and the boundary, even where the pixels look like one', () => {
    const pixels = [13, 10, 45, 45, 102, 0, 255, 13, 10];
    const got = firstPart(MULTIPART, body('\r\n--frame-7\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.201\r\n\r\n', pixels, '\r\n--frame-7--\r\n'));
    expect([...got.bytes]).toEqual(pixels);
    expect(got.transferSyntax).toBe('1.2.840.10008.1.2.4.201');
  });

  it('is the body itself when it is not multipart', () => {
    expect(firstPart('image/jpeg', body([1, 2])).transferSyntax).toBe('1.2.840.10008.1.2.4.50');
  });

  it('is a failure when the end is missing, never a shorter picture', () => {
    expect(() => firstPart(MULTIPART, body('--frame-7\r\nContent-Type: image/jpeg\r\n\r\n', [1, 2, 3]))).toThrow(Failure);
  });
});

it('reads the transfer syntax from the part, else from the media type', () => {
  expect(transferSyntaxOf('application/octet-stream')).toBe('1.2.840.10008.1.2.1');
  expect(transferSyntaxOf('multipart/related; type="image/jls"; boundary=x')).toBe('1.2.840.10008.1.2.4.80');
  expect(transferSyntaxOf('application/octet-stream; transfer-syntax="1.2.840.10008.1.2.5"')).toBe('1.2.840.10008.1.2.5');
});

it('asks for what is stored when it can be decoded here, else for plain pixels', () => {
  expect(acceptFor('1.2.840.10008.1.2.4.50')).toContain('transfer-syntax=*');
  expect(acceptFor('1.2.840.10008.1.2.4.51')).toContain('transfer-syntax=1.2.840.10008.1.2.1');
});
