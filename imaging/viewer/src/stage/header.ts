/** What the pixels mean: the few attributes of an instance's DICOM JSON (PS3.18 F) that drawing needs. */

import { json } from '../http';

export interface DicomJson {
  readonly [tag: string]: { readonly vr: string; readonly Value?: readonly unknown[] } | undefined;
}

export interface Window {
  readonly center: number;
  readonly width: number;
}

export interface Header {
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly photometric: string;
  readonly planar: boolean;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
  readonly slope: number;
  readonly intercept: number;
  readonly window: Window | null;
  /** Direction cosines of a row and a column, and the position of the first pixel (PS3.3 C.7.6.2). */
  readonly orientation: readonly number[] | null;
  readonly position: readonly number[] | null;
  /** Where rows and columns run to, e.g. ['P', 'F'] (PS3.3 C.7.6.1.1.1). */
  readonly runsTo: readonly [string, string] | null;
}

export function headerOf(ds: DicomJson, frame: number): Header {
  const bitsAllocated = number(ds, '00280100') ?? 16;
  const bitsStored = number(ds, '00280101') ?? bitsAllocated;
  const shared = groups(ds, frame);
  return {
    rows: number(ds, '00280010') ?? 0,
    columns: number(ds, '00280011') ?? 0,
    samples: number(ds, '00280002') ?? 1,
    photometric: text(ds, '00280004') ?? 'MONOCHROME2',
    planar: number(ds, '00280006') === 1,
    bitsAllocated,
    bitsStored,
    highBit: number(ds, '00280102') ?? bitsStored - 1,
    signed: number(ds, '00280103') === 1,
    slope: number(shared, '00281053') || 1,
    intercept: number(shared, '00281052') ?? 0,
    window: windowOf(shared),
    orientation: numbers(shared, '00200037', 6),
    position: numbers(shared, '00200032', 3),
    runsTo: runsTo(ds),
  };
}

/** The data set with the functional groups of this frame laid over it (enhanced multi-frame objects). */
function groups(ds: DicomJson, frame: number): DicomJson {
  const layers: DicomJson[] = [ds];
  const macros = [items(ds, '52009229')[0], items(ds, '52009230')[frame - 1]];
  for (const macro of macros) {
    if (!macro) continue;
    for (const element of Object.values(macro)) {
      const item = element?.Value?.[0];
      if (element?.vr === 'SQ' && item && typeof item === 'object') layers.push(item as DicomJson);
    }
  }
  return Object.assign({}, ...layers) as DicomJson;
}

/**
 * The first window; where there is none but a VOI look-up table, the range that table spans
 * (descriptor: entries, first value mapped — PS3.3 C.11.2.1.1).
 */
function windowOf(ds: DicomJson): Window | null {
  const center = number(ds, '00281050');
  const width = number(ds, '00281051');
  if (center !== null && width !== null && width >= 1) return { center, width };
  const lut = items(ds, '00283010')[0];
  const descriptor = lut ? numbers(lut, '00283002', 3) : null;
  if (!descriptor) return null;
  const entries = descriptor[0] === 0 ? 65536 : descriptor[0]!;
  return { center: descriptor[1]! + entries / 2, width: entries };
}

function runsTo(ds: DicomJson): readonly [string, string] | null {
  const value = ds['00200020']?.Value;
  return typeof value?.[0] === 'string' && typeof value[1] === 'string' ? [value[0], value[1]] : null;
}

function items(ds: DicomJson, tag: string): readonly DicomJson[] {
  return (ds[tag]?.Value ?? []) as readonly DicomJson[];
}

function number(ds: DicomJson, tag: string): number | null {
  const value = ds[tag]?.Value?.[0];
  const read = typeof value === 'string' ? Number.parseFloat(value) : value;
  return typeof read === 'number' && Number.isFinite(read) ? read : null;
}

function numbers(ds: DicomJson, tag: string, count: number): readonly number[] | null {
  const value = ds[tag]?.Value?.map(Number);
  return value && value.length >= count && value.every(Number.isFinite) ? value.slice(0, count) : null;
}

function text(ds: DicomJson, tag: string): string | null {
  const value = ds[tag]?.Value?.[0];
  return typeof value === 'string' ? value.trim() : null;
}

const asked = new Map<string, Promise<ReadonlyMap<string, DicomJson>>>();

/** The data sets of a series by SOP Instance UID, asked for once (PS3.18 §10.4, metadata). */
export function headersOf(seriesUrl: string): Promise<ReadonlyMap<string, DicomJson>> {
  let coming = asked.get(seriesUrl);
  if (!coming) {
    coming = json<DicomJson[]>(`${seriesUrl}/metadata`, { headers: { Accept: 'application/dicom+json' } }).then(
      ({ body }) => new Map(body.map((ds) => [text(ds, '00080018') ?? '', ds])),
    );
    asked.set(seriesUrl, coming);
    coming.catch(() => asked.delete(seriesUrl));
  }
  return coming;
}
