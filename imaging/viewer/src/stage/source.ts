/** Frames as Cornerstone3D images: fetched, decoded, and described to it by our own metadata provider. */

import { cache, imageLoader, metaData, utilities, type Types } from '@cornerstonejs/core';
import { decodeFrame } from '../decode/pool';
import type { Decoded } from '../decode/decode';
import { Failure } from '../http';
import type { Frame, Picture } from '../manifest';
import { scaleOf, type Kind } from '../units';
import { fetchFrame, type Progress } from './frames';
import { headerOf, headersOf, type Header } from './header';

/** The frame arrived but cannot be drawn as it is. */
class Undecodable extends Error {
  constructor(readonly reason: string) {
    super(reason);
    this.name = 'Undecodable';
  }
}

interface Source {
  readonly frame: Frame;
  readonly kind: Kind;
  readonly header: Header;
  /** Pixel size for drawing: the true one where known, so that oblong pixels look right. */
  readonly size: readonly [column: number, row: number];
}

const SCHEME = 'frame';
const sources = new Map<string, Source>();
const progress = new Map<string, Progress>();
const onTheWay = new Map<string, Promise<Types.IImage>>();
let fetching = new AbortController();
let software = false;

export function imageIdOf(frame: Frame): string {
  return `${SCHEME}:${frame.instanceId}/${frame.number}`;
}

export function registerSource(softwareRendering: boolean): void {
  software = softwareRendering;
  imageLoader.registerImageLoader(SCHEME, (imageId) => ({ promise: loadImage(imageId) }) as unknown as Types.IImageLoadObject);
  metaData.addProvider(describe, 1000);
}

/** Where a point in image pixels lies for Cornerstone3D; its software renderer counts from corners, WebGL from centres. */
export function toWorld(imageId: string, column: number, row: number): Types.Point3 {
  const [x, y] = sources.get(imageId)!.size;
  return [column * x, row * y, 0];
}

export function headerFor(imageId: string): Header | null {
  return sources.get(imageId)?.header ?? null;
}

/** Reads the headers of the picture's series and returns its frames in their order in space. */
export async function prepare(picture: Picture): Promise<readonly Frame[]> {
  const known = await headersOf(picture.seriesUrl);
  for (const frame of picture.frames) {
    const ds = known.get(frame.sopInstanceUid);
    if (!ds) throw new Failure('missing');
    const scale = scaleOf(picture.kind, frame.spacing);
    sources.set(imageIdOf(frame), {
      frame,
      kind: picture.kind,
      header: headerOf(ds, frame.number),
      size: scale?.size ?? [1, 1],
    });
  }
  return inSpace(picture.frames);
}

/** Slices along their common normal; the manifest's order where positions are not known. */
function inSpace(frames: readonly Frame[]): readonly Frame[] {
  const placed = frames.map((frame) => ({ frame, at: depth(sources.get(imageIdOf(frame))!.header) }));
  if (placed.some(({ at }) => at === null)) return frames;
  return placed.sort((a, b) => a.at! - b.at!).map(({ frame }) => frame);
}

function depth({ orientation: o, position: p }: Header): number | null {
  if (!o || !p) return null;
  const normal = [o[1]! * o[5]! - o[2]! * o[4]!, o[2]! * o[3]! - o[0]! * o[5]!, o[0]! * o[4]! - o[1]! * o[3]!];
  return normal[0]! * p[0]! + normal[1]! * p[1]! + normal[2]! * p[2]!;
}

/** Fetches and decodes unless it is at hand; whoever asks while it is on the way waits for the same. */
export function loadImage(imageId: string, onProgress?: Progress): Promise<Types.IImage> {
  const cached = cache.getImage(imageId);
  if (cached) return Promise.resolve(cached);
  if (onProgress) progress.set(imageId, onProgress);
  let coming = onTheWay.get(imageId);
  if (!coming) {
    coming = load(imageId)
      .then((image) => {
        if (!cache.getImage(imageId)) cache.putImageSync(imageId, image);
        return image;
      })
      .finally(() => onTheWay.delete(imageId));
    onTheWay.set(imageId, coming);
  }
  return coming.finally(() => progress.delete(imageId));
}

export function isLoaded(imageId: string): boolean {
  return cache.isLoaded(imageId);
}

/** Stops every transfer under way, e.g. when another picture is opened. */
export function stopFetching(): void {
  fetching.abort();
  fetching = new AbortController();
  onTheWay.clear();
}

async function load(imageId: string): Promise<Types.IImage> {
  const source = sources.get(imageId);
  if (!source) throw new Failure('missing');
  const { frame, header } = source;
  const bytes = await fetchFrame(`${frame.url}/frames/${frame.number}`, frame.transferSyntax, {
    signal: fetching.signal,
    progress: progress.get(imageId),
  });
  const decoded = await decodeFrame({ frame: bytes, header, alpha: software && header.samples > 1 }).catch((error: Error) => {
    throw new Undecodable(error.message);
  });
  return imageFrom(imageId, source, decoded);
}

function imageFrom(imageId: string, { header, size }: Source, decoded: Decoded): Types.IImage {
  const { samples, rows, columns, components, window } = decoded;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    scalarData: samples,
    width: columns,
    height: rows,
    numberOfComponents: components,
  });
  const color = components > 1;
  return {
    imageId,
    rows,
    columns,
    width: columns,
    height: rows,
    color,
    rgba: components === 4,
    numberOfComponents: components,
    columnPixelSpacing: size[0],
    rowPixelSpacing: size[1],
    slope: 1,
    intercept: 0,
    minPixelValue: decoded.least,
    maxPixelValue: decoded.most,
    windowCenter: window.center,
    windowWidth: window.width,
    invert: header.photometric === 'MONOCHROME1',
    photometricInterpretation: color ? 'RGB' : header.photometric,
    sizeInBytes: samples.byteLength,
    dataType: samples.constructor.name as Types.PixelDataTypedArrayString,
    voxelManager: voxelManager as NonNullable<Types.IImage['voxelManager']>,
    getPixelData: () => samples,
    getCanvas: () => canvasOf(samples as Uint8Array, columns, rows),
    voiLUTFunction: 'LINEAR' as Types.IImage['voiLUTFunction'],
  };
}

function canvasOf(rgba: Uint8Array, width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(new Uint8ClampedArray(rgba), width, height);
  canvas.getContext('2d')!.putImageData(data, 0, 0);
  return canvas;
}

function describe(type: string, imageId: unknown): unknown {
  const source = typeof imageId === 'string' ? sources.get(imageId) : undefined;
  if (!source) return undefined;
  const { header, size, frame } = source;
  switch (type) {
    case 'imagePixelModule':
      return {
        samplesPerPixel: header.samples,
        photometricInterpretation: header.samples > 1 ? 'RGB' : header.photometric,
        rows: header.rows,
        columns: header.columns,
        bitsAllocated: header.bitsAllocated,
        bitsStored: header.bitsStored,
        highBit: header.highBit,
        pixelRepresentation: header.signed ? 1 : 0,
      };
    case 'imagePlaneModule': {
      // a plane of our own, so that world coordinates are image pixels times their size
      const origin = software ? [0, 0, 0] : [size[0] / 2, size[1] / 2, 0];
      return {
        frameOfReferenceUID: frame.instanceId,
        rows: header.rows,
        columns: header.columns,
        imageOrientationPatient: [1, 0, 0, 0, 1, 0],
        rowCosines: [1, 0, 0],
        columnCosines: [0, 1, 0],
        imagePositionPatient: origin,
        columnPixelSpacing: size[0],
        rowPixelSpacing: size[1],
        usingDefaultValues: false,
      };
    }
    case 'generalSeriesModule':
      return { modality: source.kind === 'ct' ? 'CT' : 'OT' };
    case 'voiLutModule':
      return header.window ? { windowCenter: [header.window.center], windowWidth: [header.window.width] } : {};
    default:
      return undefined;
  }
}
