"""Annotations: what people draw on a picture, never lost and never silently changed.

A mark is geometry in image pixels (column, row; 0,0 is the top-left corner of the first pixel), a text and an
author. Each change is a new sealed version naming the one it follows; withdrawing is a version too, so that what was
seen at any time can be shown again. Only its author changes a mark. Frames are counted from 1, as in WADO-RS.
"""

import datetime as dt
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, ForeignKey, String, UniqueConstraint, func, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from auth import blinding, policy
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed, SignInNeeded
from core.keyring import Unit
from core.tables import Base, Code, IdColumn
from imaging import studies
from imaging.studies import Instance

Tool = Literal["length", "angle", "arrow", "freehand"]
Points = Sequence[Sequence[float]]

READ, WRITE = "annotation:read", "annotation:write"
POINTS = {"length": (2, 2), "angle": (3, 3), "arrow": (2, 2), "freehand": (2, 5_000)}
"""How many points each tool has; of an angle the middle one is the vertex, of an arrow the first is the tail."""
TEXT_LIMIT = 500
DECIMALS = 3


class Annotation(Base):
    """One mark. ``version`` is the newest; ``client_id`` is the name its author's browser gave it, so that sending twice is once."""

    __tablename__ = "annotations"
    __table_args__ = (UniqueConstraint("created_by", "client_id"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID] = mapped_column(index=True)
    instance_id: Mapped[UUID] = mapped_column(ForeignKey("instances.id"), index=True)
    frame: Mapped[int]
    tool: Mapped[Tool] = mapped_column(String(16))
    client_id: Mapped[UUID]
    created_by: Mapped[UUID]
    author_organisation_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(default=1)
    withdrawn: Mapped[bool] = mapped_column(default=False)


class AnnotationVersion(Base):
    """A mark as it stood from ``at`` on. ``body`` is sealed under the case's key: points, text and finding."""

    __tablename__ = "annotation_versions"
    __table_args__ = (UniqueConstraint("annotation_id", "version"),)

    id: Mapped[IdColumn]
    annotation_id: Mapped[UUID] = mapped_column(ForeignKey("annotations.id"))
    organisation_id: Mapped[UUID]
    case_id: Mapped[UUID] = mapped_column(index=True)
    version: Mapped[int]
    author_id: Mapped[UUID]
    at: Mapped[dt.datetime] = mapped_column(default=ids.now)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    finding: Mapped[Code | None]
    body: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Mark:
    """One version of a mark, opened. ``points`` are (column, row) in image pixels."""

    id: UUID
    instance_id: UUID
    frame: int
    tool: Tool
    points: tuple[tuple[float, float], ...]
    text: str
    finding: str | None
    version: int
    author_id: UUID
    at: dt.datetime


def create(
    db: Tx,
    actor: Actor,
    *,
    case_id: UUID,
    instance_id: UUID,
    frame: int,
    tool: str,
    points: Points,
    text: str = "",
    finding: str | None = None,
    client_id: UUID,
) -> Mark:
    """Draw a mark on a frame of a picture of the case. The same ``client_id`` again gives the mark as it stands.

    Raises Invalid, NotFound, Denied, and Conflict when the ``client_id`` names another mark or a withdrawn one.
    """
    instance = _instance(db, actor, case_id, instance_id)
    author_id = _author(actor)
    body = _checked(instance, tool, points, text, finding, frame)
    if known := _known(db, author_id, client_id):
        return _same(db, known, instance, frame, tool)
    row = Annotation(
        id=ids.new(),
        organisation_id=instance.organisation_id,
        case_id=case_id,
        instance_id=instance.id,
        frame=frame,
        tool=cast(Tool, tool),
        client_id=client_id,
        created_by=author_id,
        author_organisation_id=actor.organisation_id,
        version=1,
    )
    try:
        with db.begin_nested():
            db.add(row)
            db.flush()
    except IntegrityError:
        # the same mark sent twice at once: the other transaction has written it by now
        known = _known(db, author_id, client_id)
        if known is None:
            raise
        return _same(db, known, instance, frame, tool)
    return _write(db, actor, row, body, finding, action="annotation:create")


def change(
    db: Tx,
    actor: Actor,
    annotation_id: UUID,
    *,
    case_id: UUID,
    expected: int,
    tool: str,
    points: Points,
    text: str = "",
    finding: str | None = None,
) -> Mark:
    """The next version of one's own mark, following version ``expected``.

    Raises Invalid, NotFound (also when it was withdrawn), Denied for another's mark, PreconditionFailed when
    somebody wrote first.
    """
    row = _own(db, actor, case_id, annotation_id)
    instance = db.get_one(Instance, row.instance_id)
    if tool != row.tool:
        raise Invalid("annotation-invalid", fields={"tool": "annotation-tool"})
    body = _checked(instance, tool, points, text, finding, row.frame)
    _advance(db, row, expected, withdrawn=False)
    return _write(db, actor, row, body, finding, action="annotation:change")


def withdraw(db: Tx, actor: Actor, annotation_id: UUID, *, case_id: UUID, expected: int) -> None:
    """Take back one's own mark, version ``expected``: shown no more, kept for ever. Raises as ``change`` does."""
    row = _own(db, actor, case_id, annotation_id)
    last = _opened(db, [row])[0]
    _advance(db, row, expected, withdrawn=True)
    body: dict[str, object] = {"points": last.points, "text": last.text}
    _write(db, actor, row, body, last.finding, action="annotation:withdraw", withdrawn=True)


def for_case(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID, *, at: dt.datetime | None = None) -> list[Mark]:
    """The marks of a case, oldest first, as they stand or as they stood at a time; withdrawn ones are left out, and what a
    blinding keeps from the actor.

    Raises NotFound, Denied. The look is recorded.
    """
    policy.require(db, actor, READ, organisation_id=organisation_id, case_id=case_id)
    _seen(db, actor, organisation_id, case_id)
    return standing(db, organisation_id, case_id, at=at, reader=actor)


def standing(db: Tx, organisation_id: UUID, case_id: UUID, *, at: dt.datetime | None = None, reader: Actor | None = None) -> list[Mark]:
    """The same for whoever holds the case already: what an opinion carries, what is drawn into a picture.

    Without a ``reader`` all of them: for a check that shows nobody a mark.
    """
    if at is None:
        rows = db.scalars(
            select(Annotation)
            .where(Annotation.case_id == case_id, Annotation.organisation_id == organisation_id, Annotation.withdrawn.is_(False))
            .where(_open_to(reader))
            .order_by(Annotation.id)
        )
        return _opened(db, list(rows))
    newest = (
        select(AnnotationVersion.annotation_id, func.max(AnnotationVersion.version).label("version"))
        .where(AnnotationVersion.case_id == case_id, AnnotationVersion.organisation_id == organisation_id, AnnotationVersion.at <= at)
        .group_by(AnnotationVersion.annotation_id)
        .subquery()
    )
    found = db.execute(
        select(Annotation, AnnotationVersion)
        .join(AnnotationVersion, AnnotationVersion.annotation_id == Annotation.id)
        .join(newest, (newest.c.annotation_id == Annotation.id) & (newest.c.version == AnnotationVersion.version))
        .where(AnnotationVersion.withdrawn.is_(False), _open_to(reader))
        .order_by(Annotation.id)
    )
    return [_mark(db, row, version) for row, version in found]


def counts(db: Tx, actor: Actor, case_id: UUID, organisation_id: UUID) -> dict[UUID, int]:
    """How many marks stand on each picture of a case, for whoever may read them; nothing for others."""
    if not policy.allowed(db, actor, READ, organisation_id=organisation_id, case_id=case_id):
        return {}
    rows = db.execute(
        select(Annotation.instance_id, func.count().label("marks"))
        .where(Annotation.case_id == case_id, Annotation.organisation_id == organisation_id, Annotation.withdrawn.is_(False))
        .where(_open_to(actor))
        .group_by(Annotation.instance_id)
    )
    return {row.instance_id: row.marks for row in rows}


def _checked(instance: Instance, tool: str, points: Points, text: str, finding: str | None, frame: int) -> dict[str, object]:
    wrong: dict[str, str] = {}
    if tool not in get_args(Tool):
        wrong["tool"] = "annotation-tool"
    if not 1 <= frame <= instance.number_of_frames:
        wrong["frame"] = "annotation-frame"
    low, high = POINTS.get(tool, (0, len(points)))
    if not low <= len(points) <= high:
        wrong["points"] = "annotation-points"
    elif not all(_lies(point, instance) for point in points):
        wrong["points"] = "annotation-outside"
    cleaned = unicodedata.normalize("NFC", text.strip())
    if len(cleaned) > TEXT_LIMIT or any(unicodedata.category(letter) in ("Cc", "Cs") and letter != "\n" for letter in cleaned):
        wrong["text"] = "annotation-text"
    if finding is not None and not (0 < len(finding) <= 64 and finding.isascii() and finding.replace("_", "").replace("-", "").isalnum()):
        wrong["finding"] = "annotation-finding"
    if wrong:
        raise Invalid("annotation-invalid", fields=wrong)
    return {"points": [[round(float(value), DECIMALS) for value in point] for point in points], "text": cleaned}


def _lies(point: Sequence[float], instance: Instance) -> bool:
    """Whether a point is on the picture or not further outside than the picture is large: a tail may begin beside it."""
    if len(point) != 2 or not all(math.isfinite(value) for value in point):
        return False
    column, row = point
    return -instance.columns <= column <= 2 * instance.columns and -instance.rows <= row <= 2 * instance.rows


def _instance(db: Tx, actor: Actor, case_id: UUID, instance_id: UUID) -> Instance:
    """A picture of the case that the actor sees and may draw on."""
    found = db.scalar(
        select(Instance).where(
            Instance.id == instance_id, Instance.case_id == case_id, Instance.state == "filed", studies.visible(actor, Instance)
        )
    )
    if found is None:
        raise NotFound("image-not-found")
    policy.require(db, actor, WRITE, organisation_id=found.organisation_id, case_id=case_id)
    return found


def _author(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise SignInNeeded("sign-in-needed")
    return actor.person_id


def _own(db: Tx, actor: Actor, case_id: UUID, annotation_id: UUID) -> Annotation:
    row = db.scalar(
        select(Annotation).where(
            Annotation.id == annotation_id, Annotation.case_id == case_id, Annotation.withdrawn.is_(False), _open_to(actor)
        )
    )
    if row is None or not policy.allowed(db, actor, READ, organisation_id=row.organisation_id, case_id=case_id):
        raise NotFound("annotation-not-found")
    policy.require(db, actor, WRITE, organisation_id=row.organisation_id, case_id=case_id)
    if row.created_by != actor.person_id:
        raise Denied("annotation-not-yours")
    return row


def _open_to(reader: Actor | None) -> ColumnElement[bool]:
    """The marks that no blinding keeps from this reader."""
    if reader is None:
        return true()
    return blinding.open_to(
        reader,
        organisation_id=Annotation.organisation_id,
        case_id=Annotation.case_id,
        author_id=Annotation.created_by,
        author_organisation_id=Annotation.author_organisation_id,
    )


def _known(db: Tx, author_id: UUID, client_id: UUID) -> Annotation | None:
    return db.scalar(select(Annotation).where(Annotation.created_by == author_id, Annotation.client_id == client_id))


def _same(db: Tx, known: Annotation, instance: Instance, frame: int, tool: str) -> Mark:
    if (known.instance_id, known.case_id, known.frame, known.tool, known.withdrawn) != (instance.id, instance.case_id, frame, tool, False):
        raise Conflict("annotation-client-id")
    return _opened(db, [known])[0]


def _advance(db: Tx, row: Annotation, expected: int, *, withdrawn: bool) -> None:
    """Take the next version, or find that somebody else has: the row itself decides between two who write at once."""
    taken = db.scalar(
        update(Annotation)
        .where(Annotation.id == row.id, Annotation.version == expected, Annotation.withdrawn.is_(False))
        .values(version=expected + 1, withdrawn=withdrawn)
        .returning(Annotation.version)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise PreconditionFailed("annotation-changed-meanwhile")
    db.refresh(row)


def _write(
    db: Tx, actor: Actor, row: Annotation, body: dict[str, object], finding: str | None, *, action: str, withdrawn: bool = False
) -> Mark:
    version = AnnotationVersion(
        id=ids.new(),
        annotation_id=row.id,
        organisation_id=row.organisation_id,
        case_id=row.case_id,
        version=row.version,
        author_id=_author(actor),
        at=ids.now(),
        withdrawn=withdrawn,
        finding=finding,
    )
    table = AnnotationVersion.__tablename__
    version.body = db.keyring.seal(db, _unit(row), "annotation", table, version.id, version.version, orjson.dumps(body))
    db.add(version)
    db.flush()
    audit.record(
        db,
        actor,
        action,
        organisation_id=row.organisation_id,
        case_id=row.case_id,
        object_type="annotation",
        object_id=row.id,
        detail={"version": row.version},
    )
    return _mark(db, row, version)


def _opened(db: Tx, rows: Sequence[Annotation]) -> list[Mark]:
    found = db.scalars(
        select(AnnotationVersion)
        .join(Annotation, (Annotation.id == AnnotationVersion.annotation_id) & (Annotation.version == AnnotationVersion.version))
        .where(Annotation.id.in_([row.id for row in rows]))
    )
    newest = {version.annotation_id: version for version in found}
    return [_mark(db, row, newest[row.id]) for row in rows]


def _mark(db: Tx, row: Annotation, version: AnnotationVersion) -> Mark:
    table = AnnotationVersion.__tablename__
    body = orjson.loads(db.keyring.unseal(db, _unit(row), "annotation", table, version.id, version.version, version.body))
    return Mark(
        id=row.id,
        instance_id=row.instance_id,
        frame=row.frame,
        tool=row.tool,
        points=tuple((float(column), float(row_)) for column, row_ in body["points"]),
        text=body["text"],
        finding=version.finding,
        version=version.version,
        author_id=version.author_id,
        at=version.at,
    )


def _unit(row: Annotation) -> Unit:
    return Unit("case", row.organisation_id, row.case_id)


def _seen(db: Tx, actor: Actor, organisation_id: UUID, case_id: UUID) -> None:
    audit.view(db, actor, READ, organisation_id=organisation_id, case_id=case_id, object_type="case", object_id=case_id)


def authors(marks: Iterable[Mark]) -> list[UUID]:
    """Who drew, in the order of their first mark: each has the colour of this place in every picture and viewer."""
    return list(dict.fromkeys(mark.author_id for mark in sorted(marks, key=lambda mark: mark.id)))
