"""DICOMweb, the search side: QIDO-RS over studies, series and instances (PS3.18 §10.6).

Rights are in the query, and keys match only what the caller would be shown: whoever may not see identity searches
the de-identified attributes. The database narrows by ids, dates and modality; names are sealed and matched after
opening. One event per owning hospital names the patients that an answer showed.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from auth import policy
from core import audit
from core.actor import Actor
from core.db import Tx
from core.errors import NotFound
from imaging import attributes, deidentify, matching, studies
from imaging.attributes import tag
from imaging.matching import LEVELS, Level, Query
from imaging.studies import Header, Instance, Series, Study

IDENTIFY = "patient:identify"
BATCH = 200

_STUDY = """
SpecificCharacterSet StudyDate StudyTime AccessionNumber InstanceAvailability ModalitiesInStudy ReferringPhysicianName
TimezoneOffsetFromUTC RetrieveURL PatientName PatientID PatientBirthDate PatientSex PatientIdentityRemoved StudyInstanceUID StudyID
StudyDescription NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances
"""
_SERIES = """
SpecificCharacterSet Modality TimezoneOffsetFromUTC SeriesDescription RetrieveURL StudyInstanceUID SeriesInstanceUID SeriesNumber
NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate PerformedProcedureStepStartTime RequestAttributesSequence BodyPartExamined
Laterality
"""
_INSTANCE = """
SpecificCharacterSet InstanceAvailability RetrieveURL StudyInstanceUID SeriesInstanceUID SOPClassUID SOPInstanceUID InstanceNumber Rows
Columns BitsAllocated NumberOfFrames AvailableTransferSyntaxUID TimezoneOffsetFromUTC
"""
USUAL: dict[Level, frozenset[str]] = {
    "study": frozenset(map(tag, _STUDY.split())),
    "series": frozenset(map(tag, _SERIES.split())),
    "instance": frozenset(map(tag, _INSTANCE.split())),
}
"""What is answered unasked: PS3.18 tables 10.6.3-3 to 10.6.3-5."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the registry knows of the case a picture belongs to: its number, and whose it is."""

    number: str
    patient_ids: tuple[UUID, ...]


Subjects = Callable[[Tx, Collection[UUID]], Mapping[UUID, Subject]]
"""Looks cases up by their ids, without a check: imaging knows no cases."""

IN_INBOX = Subject("inbox", ())


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: everywhere the caller may, or in one case. ``base`` is the address answers point to."""

    base: str
    case_id: UUID | None = None
    organisation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    study: Study
    identified: bool
    series: Series | None = None
    instance: Instance | None = None


def search(db: Tx, actor: Actor, query: Query, scope: Scope, subjects: Subjects) -> list[Header]:
    """The answers to a query, newest first, as DICOM JSON. Raises NotFound for a case that is not the caller's to see."""
    if scope.case_id is not None:
        if scope.organisation_id is None:
            raise NotFound("case-not-found")
        policy.require(db, actor, studies.READ, organisation_id=scope.organisation_id, case_id=scope.case_id)
    found: list[Header] = []
    shown: dict[UUID, set[UUID]] = {}
    skip = query.offset
    for row, answer, subject in _answers(db, actor, query, scope, subjects):
        if not query.matches(answer):
            continue
        if skip:
            skip -= 1
            continue
        if len(found) >= query.limit:
            break
        found.append(_chosen(answer, query, row, scope))
        shown.setdefault(row.study.organisation_id, set()).update(subject.patient_ids)
    _record(db, actor, scope, shown, len(found))
    return found


def _record(db: Tx, actor: Actor, scope: Scope, shown: Mapping[UUID, set[UUID]], count: int) -> None:
    """One event for each hospital whose patients were shown; a search that found nothing is an event of one's own."""
    own = scope.organisation_id or actor.organisation_id
    for organisation_id in sorted(shown or {own: set()}):
        audit.view(
            db,
            actor,
            "image:search",
            organisation_id=organisation_id,
            case_id=scope.case_id,
            patient_ids=sorted(shown.get(organisation_id, ())),
            object_type="study",
            detail={"shown": count},
        )


def identified(actor: Actor, table: type[Study] | type[Instance]) -> ColumnElement[bool]:
    """Whether the actor sees whose a row is, as a column."""
    return policy.predicate(actor, IDENTIFY, organisation_id=table.organisation_id, case_id=table.case_id)


def _answers(db: Tx, actor: Actor, query: Query, scope: Scope, subjects: Subjects) -> Iterator[tuple[_Row, Header, Subject]]:
    """Candidates with all that could be answered about them, in batches."""
    after: UUID | None = None
    while rows := _batch(db, actor, query, scope, after):
        known = subjects(db, {row.study.case_id for row in rows if row.study.case_id})
        seen: dict[UUID, Header] = {}
        counts = _counts(db, rows)
        for row in rows:
            subject = known.get(row.study.case_id, IN_INBOX) if row.study.case_id else IN_INBOX
            yield row, _answer(db, query, row, subject, counts, seen), subject
        last = rows[-1]
        after = (last.instance or last.series or last.study).id
        if len(rows) < BATCH:
            return


def _batch(db: Tx, actor: Actor, query: Query, scope: Scope, after: UUID | None) -> list[_Row]:
    columns: list[Any] = [Study, identified(actor, Study)]
    key = Study.id
    if query.level != "study":
        columns.append(Series)
        key = Series.id
    if query.level == "instance":
        columns.append(Instance)
        key = Instance.id
    statement: Select[Any] = select(*columns)
    if query.level != "study":
        statement = statement.join(Series, Series.study_id == Study.id)
    if query.level == "instance":
        statement = statement.join(Instance, Instance.series_id == Series.id).where(Instance.state == "filed")
    statement = statement.where(studies.visible(actor, Study), *_narrowed(query, scope))
    if after is not None:
        statement = statement.where(key < after)
    return [_Row(found[0], bool(found[1]), *found[2:]) for found in db.execute(statement.order_by(key.desc()).limit(BATCH))]


def _narrowed(query: Query, scope: Scope) -> Iterator[ColumnElement[bool]]:
    """What the database can tell already. Never more than ``Query.matches`` would leave out."""
    if scope.case_id is not None:
        yield Study.case_id == scope.case_id
    columns = {
        "StudyInstanceUID": Study.study_instance_uid,
        "SeriesInstanceUID": Series.series_instance_uid,
        "SOPInstanceUID": Instance.sop_instance_uid,
        "SOPClassUID": Instance.sop_class_uid,
    }
    for keyword, uids in query.uids.items():
        yield columns[keyword].in_(uids)
    if dates := query.keys.get("StudyDate"):
        first, last = matching.day_range(dates)
        if day := _day(first):
            yield Study.study_date >= day
        if day := _day(last):
            yield Study.study_date <= day
    if matching.plain(modality := query.keys.get("Modality", "")):
        yield Series.modality == modality
    if matching.plain(modality := query.keys.get("ModalitiesInStudy", "")):
        yield select(Series.id).where(Series.study_id == Study.id, Series.modality == modality).exists()
    if query.level == "study":
        yield select(Instance.id).where(Instance.study_id == Study.id, Instance.state == "filed").exists()


def _day(value: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 - a DICOM date has no zone
    except ValueError:
        return None


def _counts(db: Tx, rows: list[_Row]) -> dict[UUID, tuple[int, int]]:
    """(series, instances) of each study and (1, instances) of each series among the rows."""
    study_ids = {row.study.id for row in rows}
    found: dict[UUID, tuple[int, int]] = {}
    counted = db.execute(
        select(Instance.study_id, Instance.series_id, func.count())
        .where(Instance.study_id.in_(study_ids), Instance.state == "filed")
        .group_by(Instance.study_id, Instance.series_id)
    )
    for study_id, series_id, count in counted:
        series, instances = found.get(study_id, (0, 0))
        found[study_id] = (series + 1, instances + count)
        found[series_id] = (1, count)
    return found


def _answer(db: Tx, query: Query, row: _Row, subject: Subject, counts: Mapping[UUID, tuple[int, int]], seen: dict[UUID, Header]) -> Header:
    study = row.study
    if study.id not in seen:
        found = studies.header(db, study)
        found |= _facts(ModalitiesInStudy=sorted(study.modalities), StudyInstanceUID=[study.study_instance_uid])
        series_count, instance_count = counts.get(study.id, (0, 0))
        found |= _facts(NumberOfStudyRelatedSeries=[series_count], NumberOfStudyRelatedInstances=[instance_count])
        seen[study.id] = _shown(found, row, subject)
    answer = dict(seen[study.id])
    if row.series is not None:
        if row.series.id not in seen:
            found = studies.header(db, row.series)
            found |= _facts(SeriesInstanceUID=[row.series.series_instance_uid], Modality=[row.series.modality])
            found |= _facts(NumberOfSeriesRelatedInstances=[counts.get(row.series.id, (0, 0))[1]])
            seen[row.series.id] = _shown(found, row, subject)
        answer |= seen[row.series.id]
    if row.instance is not None:
        answer |= _instance(db, query, row.instance, row, subject)
    return answer


def _instance(db: Tx, query: Query, instance: Instance, row: _Row, subject: Subject) -> Header:
    """An instance from its columns; its sealed header is opened only for what they do not hold."""
    found: Header = {}
    if query.everything or query.include - USUAL["instance"] - USUAL["series"] - USUAL["study"]:
        found = {name: element for name, element in studies.header(db, instance).items() if "BulkDataURI" not in element}
    found |= _facts(
        SOPClassUID=[instance.sop_class_uid],
        SOPInstanceUID=[instance.sop_instance_uid],
        AvailableTransferSyntaxUID=[instance.transfer_syntax_uid],
    )
    if instance.instance_number is not None:
        found |= _facts(InstanceNumber=[instance.instance_number])
    if instance.number_of_frames:
        found |= _facts(Rows=[instance.rows], Columns=[instance.columns], BitsAllocated=[instance.bits_allocated])
        found |= _facts(NumberOfFrames=[instance.number_of_frames])
    return _shown(found, row, subject)


def _shown(found: Header, row: _Row, subject: Subject) -> Header:
    return found if row.identified else deidentify.header(found, subject.number)


def _facts(**named: list[Any]) -> Header:
    return {tag(keyword): {"vr": attributes.vr(keyword), "Value": values} for keyword, values in named.items()}


def _chosen(answer: Header, query: Query, row: _Row, scope: Scope) -> Header:
    """The usual attributes of the level (and, searching across studies, of those above), what was asked for, and the address."""
    narrow = {"study": "", "series": "StudyInstanceUID", "instance": "SeriesInstanceUID"}[query.level]
    above = LEVELS[: LEVELS.index(query.level)] if narrow not in query.keys else ()
    wanted = USUAL[query.level].union(*(USUAL[level] for level in above), map(tag, query.keys))
    kept = answer if query.everything else {name: element for name, element in answer.items() if name in wanted | query.include}
    place = f"{scope.base}/studies/{row.study.study_instance_uid}"
    if row.series is not None:
        place += f"/series/{row.series.series_instance_uid}"
    if row.instance is not None:
        place += f"/instances/{row.instance.sop_instance_uid}"
    kept = kept | _facts(RetrieveURL=[place], InstanceAvailability=["ONLINE"])
    return dict(sorted(kept.items()))
