"""Manifest: what the viewer has to know of a case's pictures before it asks for any.

Studies with their series and instances as plain data for JSON: sizes, spacing with its origin, titles made of coded
attributes (free text may name the patient and is shown only to whoever may know), and where a thumbnail is.
"""

from typing import Any
from uuid import UUID

from auth import policy
from core.actor import Actor
from core.db import Tx
from imaging import attributes, deidentify, spacing, studies
from imaging.attributes import Attributes
from imaging.dicomweb import IDENTIFY
from imaging.studies import Instance, Series, Study


def of_case(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID, *, base: str) -> list[dict[str, Any]]:
    """The studies of a case as the viewer reads them; ``base`` is the address of its DICOMweb. Raises NotFound.

    Each study is recorded as looked through, for what follows is only its pictures.
    """
    identified = policy.allowed(db, actor, IDENTIFY, organisation_id=organisation_id, case_id=case_id)
    found = studies.for_case(db, actor, case_id, organisation_id)
    return [_study(db, actor, study, base, identified=identified) for study in found]


def _study(db: Tx, actor: Actor, study: Study, base: str, *, identified: bool) -> dict[str, Any]:
    studies.seen(db, actor, study)
    header = studies.header(db, study)
    instances = studies.instances_of(db, study)
    place = f"{base}/studies/{study.study_instance_uid}"
    series = [(one, [row for row in instances if row.series_id == one.id]) for one in studies.series_of(db, study)]
    return {
        "id": str(study.id),
        "study_instance_uid": study.study_instance_uid,
        "title": _free(header, "StudyDescription", identified=identified) or " ".join(sorted(study.modalities)),
        "date": study.study_date.isoformat() if study.study_date else None,
        "series": [_series(db, one, rows, place, identified=identified) for one, rows in series if rows],
    }


def _series(db: Tx, series: Series, rows: list[Instance], place: str, *, identified: bool) -> dict[str, Any]:
    place = f"{place}/series/{series.series_instance_uid}"
    header = studies.header(db, series)
    described = [_instance(db, row, place) for row in rows]
    titles = {one["title"] for one in described}
    common = next(iter(titles)) if len(titles) == 1 else ""
    return {
        "series_instance_uid": series.series_instance_uid,
        "modality": series.modality,
        "kind": rows[0].kind,
        "title": _free(header, "SeriesDescription", identified=identified) or common or series.modality,
        "instances": described,
    }


def _instance(db: Tx, row: Instance, place: str) -> dict[str, Any]:
    header = studies.header(db, row)
    known = spacing.of(header)
    return {
        "id": str(row.id),
        "sop_instance_uid": row.sop_instance_uid,
        "rows": row.rows,
        "columns": row.columns,
        "number_of_frames": row.number_of_frames,
        "kind": row.kind,
        "transfer_syntax_uid": row.transfer_syntax_uid,
        "title": title(header),
        "captured_at": row.captured_at.isoformat() if row.captured_at else None,
        "spacing": {"row_mm": known.row_mm, "column_mm": known.column_mm, "origin": known.origin},
        "burned_in": deidentify.burned_in(header),
        "thumbnail_url": f"{place}/instances/{row.sop_instance_uid}/thumbnail",
    }


def title(header: Attributes) -> str:
    """Body part, view and side in the standard's own words, of which none can name a patient; empty without any."""
    shown = deidentify.header(header, "")
    regions = attributes.items(shown, "AnatomicRegionSequence")
    part = attributes.text(shown, "BodyPartExamined") or (attributes.text(regions[0], "CodeMeaning") if regions else None)
    views = attributes.items(shown, "ViewCodeSequence")
    view = attributes.text(shown, "ViewPosition") or (attributes.text(views[0], "CodeMeaning") if views else None)
    side = attributes.text(shown, "ImageLaterality") or attributes.text(shown, "Laterality")
    return " ".join(word for word in (part, view, side) if word)


def _free(header: Attributes, keyword: str, *, identified: bool) -> str | None:
    return attributes.text(header, keyword) if identified else None
