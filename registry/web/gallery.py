"""The pictures of a case as its page shows them: by day since the injury, the newest day first.

Addresses come from the DICOMweb room; marks are drawn into the picture by the server, so that they are
seen without the viewer. A page never asks for a full picture before somebody wants it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.actor import Actor
from core.db import Tx
from imaging import studies
from imaging.studies import Instance, Series, Study
from registry import summaries
from registry.cases import Case
from registry.web.moments import Clock
from registry.web.translations import translate


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: a photograph, a radiograph, or a series of slices under one of them; ``other_side`` as `summaries.other_side`."""

    id: UUID
    title: str
    at: dt.datetime
    kind: str
    frames: int
    marks: int
    other_side: str | None
    thumbnail: str
    picture: str
    viewer: str


@dataclass(frozen=True, slots=True)
class Day:
    """The pictures of one day."""

    title: str
    shots: tuple[Shot, ...]


def address(case_id: UUID, study: Study, series: Series, instance: Instance) -> str:
    """Where an instance lives in the case's own DICOMweb."""
    return (
        f"/dicomweb/cases/{case_id}/studies/{study.study_instance_uid}/series/{series.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


def of(db: Tx, me: Actor, case: Case, when: Clock, marks: dict[UUID, int]) -> list[Shot]:
    """Every picture of a case, in the order they were taken; ``marks`` counts what is drawn on each instance."""
    shots = [
        _shot(case, study, series, instances, when, marks)
        for study in studies.for_case(db, me, case.id, case.organisation_id)
        for series, instances in _grouped(db, study)
    ]
    return sorted(shots, key=lambda shot: shot.at)


def by_day(shots: Sequence[Shot], injured_at: dt.datetime | None, when: Clock) -> list[Day]:
    """The pictures by day since the injury (or by date while that is not known), the newest day first; within a day what was drawn on leads."""
    grouped: dict[str, list[Shot]] = {}
    for shot in shots:
        if injured_at is None:
            title = when.date(shot.at)
        else:
            title = translate(when.language, "gallery-day", day=max(0, (when.local(shot.at).date() - when.local(injured_at).date()).days))
        grouped.setdefault(title, []).append(shot)
    return [Day(title, tuple(sorted(found, key=lambda shot: shot.marks == 0))) for title, found in reversed(grouped.items())]


def _grouped(db: Tx, study: Study) -> list[tuple[Series, list[Instance]]]:
    """Slices stand together under one picture; everything else stands by itself."""
    found: list[tuple[Series, list[Instance]]] = []
    instances = studies.instances_of(db, study)
    for series in studies.series_of(db, study):
        own = [row for row in instances if row.series_id == series.id and row.number_of_frames > 0]
        if own and own[0].kind == "ct":
            found.append((series, own))
        else:
            found.extend((series, [row]) for row in own)
    return found


def _shot(case: Case, study: Study, series: Series, instances: list[Instance], when: Clock, marks: dict[UUID, int]) -> Shot:
    shown = instances[len(instances) // 2]
    frames = sum(row.number_of_frames for row in instances)
    place = address(case.id, study, series, shown)
    return Shot(
        id=shown.id,
        title=translate(when.language, f"gallery-{shown.kind}", count=frames),
        at=shown.captured_at or shown.created_at,
        kind=shown.kind,
        frames=frames,
        marks=sum(marks.get(row.id, 0) for row in instances),
        other_side=summaries.other_side(case.facts, shown.laterality),
        thumbnail=f"{place}/thumbnail?viewport=320,320",
        picture=f"/cases/{case.id}/pictures/{shown.id}/marked",
        viewer=f"/cases/{case.id}/viewer?instance={shown.id}",
    )
