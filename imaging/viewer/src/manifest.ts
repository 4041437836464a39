/** The pictures of a case, as the server lists them, grouped into what a reader looks at as one. */

import { json } from './http';
import type { Author } from './marks/mark';
import type { Kind, Spacing } from './units';
import { t, takenAt } from './words';

export interface CaseClock {
  readonly label: string;
  /** The reading when the manifest was made. */
  readonly seconds: number;
  readonly running: boolean;
}

export interface Manifest {
  readonly case: {
    readonly id: string;
    readonly number: string;
    readonly title?: string | null;
    readonly url?: string | null;
    readonly clocks?: readonly CaseClock[] | null;
  };
  readonly may_annotate: boolean;
  readonly me: Author;
  readonly studies: readonly StudyEntry[];
}

interface StudyEntry {
  readonly id: string;
  readonly study_instance_uid: string;
  readonly title?: string | null;
  readonly date?: string | null;
  readonly series: readonly SeriesEntry[];
}

interface SeriesEntry {
  readonly series_instance_uid: string;
  readonly modality?: string | null;
  readonly kind?: Kind | null;
  readonly title?: string | null;
  readonly instances: readonly InstanceEntry[];
}

interface InstanceEntry {
  readonly id: string;
  readonly sop_instance_uid: string;
  readonly rows: number;
  readonly columns: number;
  readonly number_of_frames?: number | null;
  readonly kind: Kind;
  readonly transfer_syntax_uid: string;
  readonly spacing?: Spacing | null;
  readonly title?: string | null;
  readonly captured_at?: string | null;
  readonly thumbnail_url?: string | null;
}

/** One frame of one instance. */
export interface Frame {
  readonly instanceId: string;
  readonly sopInstanceUid: string;
  /** 1-based, as in WADO-RS. */
  readonly number: number;
  readonly rows: number;
  readonly columns: number;
  readonly transferSyntax: string;
  readonly spacing: Spacing | null;
  /** …/instances/{uid} under the case's DICOMweb root. */
  readonly url: string;
}

/** What has one place in the rail: a photograph, a film, or a whole stack to scroll through. */
export interface Picture {
  readonly id: string;
  readonly kind: Kind;
  readonly title: string;
  readonly taken: string;
  readonly thumbnail: string | null;
  readonly seriesUrl: string;
  readonly frames: readonly Frame[];
}

export async function loadManifest(caseId: string): Promise<Manifest> {
  return (await json<Manifest>(`/api/v1/cases/${encodeURIComponent(caseId)}/imaging`)).body;
}

export function picturesOf(manifest: Manifest): Picture[] {
  const root = `/dicomweb/cases/${encodeURIComponent(manifest.case.id)}`;
  const pictures = manifest.studies.flatMap((study) =>
    study.series.flatMap((series) => {
      const url = `${root}/studies/${study.study_instance_uid}/series/${series.series_instance_uid}`;
      return stacksOf(series).map((instances) => pictureOf(study, series, instances, url));
    }),
  );
  return numbered(pictures);
}

/** Pictures that would read alike get a number each. */
function numbered(pictures: readonly Picture[]): Picture[] {
  const count = new Map<string, number>();
  const alike = (title: string) => pictures.filter((picture) => picture.title === title).length > 1;
  return pictures.map((picture) => {
    if (!alike(picture.title)) return picture;
    const number = (count.get(picture.title) ?? 0) + 1;
    count.set(picture.title, number);
    return { ...picture, title: `${picture.title} ${number}` };
  });
}

/** CT instances of one size are one stack; everything else stands alone. */
function stacksOf(series: SeriesEntry): InstanceEntry[][] {
  if ((series.kind ?? series.instances[0]?.kind) !== 'ct') return series.instances.map((instance) => [instance]);
  const bySize = new Map<string, InstanceEntry[]>();
  for (const instance of series.instances) {
    const size = `${instance.rows}×${instance.columns}`;
    bySize.set(size, [...(bySize.get(size) ?? []), instance]);
  }
  return [...bySize.values()];
}

function pictureOf(study: StudyEntry, series: SeriesEntry, instances: readonly InstanceEntry[], url: string): Picture {
  const first = instances[0]!;
  const taken = first.captured_at ?? study.date ?? '';
  return {
    id: first.id,
    kind: first.kind,
    title: titleOf(series, first),
    taken: taken && takenAt(taken),
    thumbnail: (instances[instances.length >> 1] ?? first).thumbnail_url ?? null,
    seriesUrl: url,
    frames: instances.flatMap((instance) => framesOf(instance, url)),
  };
}

/** The picture's own title, else its series'; the bare modality code says less than what kind of picture it is. */
function titleOf(series: SeriesEntry, { title, kind }: InstanceEntry): string {
  if (title) return title;
  return series.title && series.title !== series.modality ? series.title : t(`kind-${kind}`);
}

function framesOf(instance: InstanceEntry, url: string): Frame[] {
  return Array.from({ length: Math.max(1, instance.number_of_frames ?? 1) }, (_, i) => ({
    instanceId: instance.id,
    sopInstanceUid: instance.sop_instance_uid,
    number: i + 1,
    rows: instance.rows,
    columns: instance.columns,
    transferSyntax: instance.transfer_syntax_uid,
    spacing: instance.spacing ?? null,
    url: `${url}/instances/${instance.sop_instance_uid}`,
  }));
}

/** The server's rendering that fits the given box of device pixels. */
export function previewUrl(frame: Frame, width: number, height: number): string {
  return `${frame.url}/frames/${frame.number}/rendered?viewport=${Math.round(width)},${Math.round(height)}`;
}
