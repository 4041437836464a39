"""WADO-RS: what is retrieved of studies, series and instances (PS3.18 §10.4), in two steps.

``find`` and the ``open_…`` verbs work in the caller's transaction: they check, record the look and take what later
reading needs. When that is committed, the functions that take opened things give an ``Answer``, whose pieces come
without a database. Whoever may not see identity gets everything de-identified, whichever door they come through.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import select

from auth import policy
from core.actor import Actor
from core.db import Tx
from core.errors import Damaged, NotFound, Unsupported
from imaging import attributes, codecs, deidentify, frames, multipart, negotiation, part10, previews, studies
from imaging.bodies import Readable
from imaging.dicomweb import IDENTIFY, IN_INBOX, Scope, Subjects, identified
from imaging.frames import EXPLICIT_LITTLE, NATIVE, Frames
from imaging.multipart import Part
from imaging.negotiation import Form
from imaging.previews import Kind, Small
from imaging.sandbox import Pool
from imaging.studies import Header, Instance, Series, Study

CHUNK = frames.CHUNK
_BULK = b'"BulkDataURI":"bulk/'
_WORDS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2), **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}  # fmt: skip
"""Bytes of the words in a value (PS3.5 §7.3); the order of those of an unknown one is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body by pieces; ``length`` where it is known. What was withheld by a late fault ends the pieces with an error."""

    content_type: str
    chunks: Iterator[bytes]
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An instance the caller may read, where it lives, and how much of it they may know. ``number`` is its case's."""

    row: Instance
    study: Study
    series: Series
    identified: bool
    number: str

    def place(self, base: str) -> str:
        """Its address."""
        study, series = self.study.study_instance_uid, self.series.series_instance_uid
        return f"{base}/studies/{study}/series/{series}/instances/{self.row.sop_instance_uid}"


@dataclass(frozen=True, slots=True)
class Opened:
    """An instance with its header as the caller may see it; ``source`` is the plain file, ``frames`` None without pixels."""

    found: Found
    header: Header
    source: Readable
    frames: Frames | None
    previews: Mapping[Kind, Small]


def find(
    db: Tx,
    actor: Actor,
    scope: Scope,
    subjects: Subjects,
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    instance_id: UUID | None = None,
) -> list[Found]:
    """The filed instances at an address, in order. The look is recorded once per study. Raises NotFound."""
    named = (
        (Instance.case_id, scope.case_id),
        (Study.study_instance_uid, study_uid),
        (Series.series_instance_uid, series_uid),
        (Instance.sop_instance_uid, sop_uid),
        (Instance.id, instance_id),
    )
    rows = db.execute(
        select(Instance, Study, Series, identified(actor, Instance))
        .join(Study, Study.id == Instance.study_id)
        .join(Series, Series.id == Instance.series_id)
        .where(
            Instance.state == "filed", studies.visible(actor, Instance), *(column == value for column, value in named if value is not None)
        )
        .order_by(Series.series_number, Series.id, Instance.instance_number, Instance.id)
    ).all()
    if not rows:
        raise NotFound("image-not-found")
    held = {row.Study.id: row.Study for row in rows}
    known = subjects(db, {study.case_id for study in held.values() if study.case_id})
    for study in held.values():
        studies.seen(db, actor, study)
    return [
        Found(instance, study, series, bool(sees), (known.get(study.case_id, IN_INBOX) if study.case_id else IN_INBOX).number)
        for instance, study, series, sees in rows
    ]


def still(db: Tx, actor: Actor, found: Sequence[Found]) -> None:
    """Whether all of it is still the actor's to see, and as much of it, while a long answer is on its way.

    Raises NotFound or Denied.
    """
    for study, sees in {(one.study, one.identified) for one in found}:
        policy.require(db, actor, studies.READ, organisation_id=study.organisation_id, case_id=study.case_id)
        if sees:
            policy.require(db, actor, IDENTIFY, organisation_id=study.organisation_id, case_id=study.case_id)


def metadata(db: Tx, found: Sequence[Found], scope: Scope) -> bytes:
    """The attributes of instances as one DICOM JSON array; bulk values as addresses below each instance."""
    return b"[" + b",".join(_metadata(db, one, scope) for one in found) + b"]"


def _metadata(db: Tx, one: Found, scope: Scope) -> bytes:
    document = studies.header_bytes(db, one.row)
    if not one.identified:
        document = orjson.dumps(deidentify.header(orjson.loads(document), one.number))
    # a quotation mark inside a value is escaped, so that this cannot match within one
    return document.replace(_BULK, f'"BulkDataURI":"{one.place(scope.base)}/bulkdata/'.encode())


def open_one(db: Tx, found: Found) -> Opened:
    """An instance, ready to be read."""
    row = found.row
    header = studies.header(db, row)
    opened = _frames(db, row, header)
    shown = header if found.identified else deidentify.header(header, found.number)
    middle = previews.representative(row.number_of_frames)
    small: dict[Kind, Small] = {}
    for kind in previews.EDGES if opened is not None else ():
        if (one := previews.find(db, row, middle, kind)) is not None:
            small[kind] = one
    return Opened(found, shown, studies.source(db, row), opened, small)


def open_all(db: Tx, found: Sequence[Found], accept: str) -> list[Opened]:
    """Many instances, ready to leave as objects in the form ``accept`` asks for. Raises Unsupported (406).

    Headers and frames are opened only where an object has to be written anew.
    """
    form = negotiation.instances(accept, one=len(found) == 1)
    return [_bare(db, one) if one.identified and form.syntax in ("*", one.row.transfer_syntax_uid) else open_one(db, one) for one in found]


def _bare(db: Tx, found: Found) -> Opened:
    return Opened(found, {}, studies.source(db, found.row), None, {})


def _frames(db: Tx, row: Instance, header: Header) -> Frames | None:
    try:
        return frames.open_(db, row, header)
    except Unsupported:
        return None


def objects(opened: Sequence[Opened], pool: Pool, accept: str, scope: Scope) -> Answer:
    """Whole objects: as they came for whoever may see them so, else written anew. Raises Unsupported (406)."""
    form = negotiation.instances(accept, one=len(opened) == 1)
    sendable = [one for one in opened if _sendable(one, form)]
    if not sendable:
        raise Unsupported("not-acceptable")
    if not form.multipart:
        syntax, chunks, length = _object(sendable[0], form, pool)
        return Answer(f"{form.media}; transfer-syntax={syntax}", chunks, length)
    boundary = multipart.new_boundary()

    def parts() -> Iterator[Part]:
        for one in sendable:
            syntax, chunks, _ = _object(one, form, pool)
            yield Part(f"{form.media}; transfer-syntax={syntax}", chunks, one.found.place(scope.base))

    return Answer(multipart.content_type(boundary, form.media), multipart.write(parts(), boundary))


def _sendable(one: Opened, form: Form) -> bool:
    """Whether an object can leave in the wanted form, as far as that is known beforehand."""
    stored = one.found.row.transfer_syntax_uid
    if one.found.identified:
        return form.syntax in ("*", stored) or (form.syntax == EXPLICIT_LITTLE and one.frames is not None and _decodable(stored))
    if one.frames is None:
        return one.found.row.number_of_frames == 0 and form.syntax in ("*", EXPLICIT_LITTLE)
    if form.syntax == stored and stored in codecs.DECODED:
        return stored in codecs.CLEANED
    return _decodable(stored) and form.syntax in ("*", stored, EXPLICIT_LITTLE)


def _decodable(uid: str) -> bool:
    return uid in NATIVE or uid in codecs.DECODED


def _object(one: Opened, form: Form, pool: Pool) -> tuple[str, Iterator[bytes], int | None]:
    row, clean = one.found.row, not one.found.identified
    if not clean and form.syntax in ("*", row.transfer_syntax_uid):
        return row.transfer_syntax_uid, _original(one.source), one.source.size
    wanted = "*" if form.syntax in NATIVE and row.transfer_syntax_uid in NATIVE else form.syntax
    syntax = part10.target(one.frames, wanted, pool, clean=clean)
    return syntax, part10.write(one.header, one.frames, pool, transfer_syntax_uid=syntax, clean=clean, bulk=_bulk(one, pool)), None


def _bulk(one: Opened, pool: Pool) -> Callable[[attributes.Attributes], bytes | None]:
    def fetch(element: attributes.Attributes) -> bytes | None:
        place = attributes.bulk_range(element)
        if place is None:
            return None
        try:
            return b"".join(_value(one, str(element.get("vr")), *place, pool))
        except Unsupported:
            return None

    return fetch


def _value(one: Opened, vr: str, start: int, length: int, pool: Pool) -> Iterator[bytes]:
    """A value that intake left in the file, in little-endian order. Raises Unsupported and Damaged before the first piece comes."""
    syntax = one.found.row.transfer_syntax_uid
    if syntax == frames.DEFLATED:
        inflated = pool.run("codecs.inflate", one.source, start, length, organisation_id=one.found.row.organisation_id)
        return iter(inflated.blobs)
    if start + length > one.source.size:
        raise Damaged("image-truncated")
    width = _WORDS.get(vr, 1) if syntax == frames.EXPLICIT_BIG else 1
    if length % width or (syntax == frames.EXPLICIT_BIG and vr == "UN"):
        raise Unsupported("not-acceptable")
    places = range(start, start + length, CHUNK)
    return (frames.swapped(one.source.read(at, min(CHUNK, start + length - at)), width) for at in places)


def _original(source: Readable) -> Iterator[bytes]:
    """The stored file. Its preamble is blanked, for a program can hide in it, unless a TIFF needs it (PS3.10 §7.1)."""
    for start in range(0, source.size, CHUNK):
        piece = source.read(start, CHUNK)
        if start == 0 and not piece.startswith((b"II*\0", b"MM\0*")):
            piece = bytes(128) + piece[128:]
        yield piece


def frame_list(one: Opened, numbers: str, pool: Pool, accept: str, scope: Scope) -> Answer:
    """Frames by their numbers (``1,3``), in the first form the client takes that can be given. Raises Invalid, NotFound, Unsupported.

    A film has no frames to give: it is one bitstream, and leaves with its object.
    """
    if one.frames is None:
        raise NotFound("frame-not-found")
    source, row = one.frames, one.found.row
    wanted = frames.checked_numbers(numbers, source.count)
    if source.encoding == "stream":
        raise Unsupported("not-acceptable")
    stored, decodable = row.transfer_syntax_uid, row.transfer_syntax_uid in codecs.DECODED
    if not one.found.identified and source.layout.compressed:
        stored = _cleanable(source, wanted[0], pool)
    form = negotiation.frames(accept, stored, count=len(wanted), decodable=decodable)
    if form.syntax == EXPLICIT_LITTLE and decodable:
        source.raw(wanted[0], pool)
    get = _getter(source, form, pool, clean=not one.found.identified)
    if not form.multipart:
        data = get(wanted[0])
        return Answer(form.part_type, iter((data,)), len(data))
    boundary = multipart.new_boundary()
    place = one.found.place(scope.base)
    parts = (Part(form.part_type, iter((get(frame),)), f"{place}/frames/{frame + 1}") for frame in wanted)
    whole = multipart.content_type(boundary, form.media, form.syntax)
    if len(wanted) == 1:
        # one frame is in memory anyway, and a client that knows its length can show progress
        body = b"".join(multipart.write(parts, boundary))
        return Answer(whole, iter((body,)), len(body))
    return Answer(whole, multipart.write(parts, boundary))


def _cleanable(source: Frames, frame: int, pool: Pool) -> str:
    try:
        source.clean(frame, pool)
    except Unsupported:
        return EXPLICIT_LITTLE
    return source.layout.transfer_syntax_uid


def _getter(source: Frames, form: Form, pool: Pool, *, clean: bool) -> Callable[[int], bytes]:
    compressed = source.layout.compressed
    if compressed and form.syntax == EXPLICIT_LITTLE:
        return lambda frame: source.masked(frame, pool) if clean else source.raw(frame, pool)
    if clean:
        return lambda frame: source.clean(frame, pool)
    return lambda frame: source.stored(frame, pool) if compressed else source.raw(frame, pool)


def bulk_data(one: Opened, start: int, length: int, pool: Pool, scope: Scope) -> Answer:
    """A value that metadata names by address. Raises NotFound for any range that the shown header does not name, Unsupported."""
    named = _named(one.header, start, length)
    if named is None:
        raise NotFound("image-not-found")
    name, vr = named
    if name in part10.PIXEL_TAGS and one.frames is not None:
        numbers = ",".join(str(number) for number in range(1, one.frames.count + 1))
        return frame_list(one, numbers, pool, "*/*" if one.frames.layout.compressed else negotiation.OCTETS_RELATED, scope)
    return Answer(negotiation.OCTETS, _value(one, vr, start, length, pool), length)


def _named(header: attributes.Attributes, start: int, length: int) -> tuple[str, str] | None:
    """(tag, VR) of the value at a place."""
    return next(
        ((name, str(element.get("vr"))) for name, element in header.items() if attributes.bulk_range(element) == (start, length)), None
    )


def representative(found: Sequence[Found]) -> Found:
    """The instance that stands for a study or a series: the middle one of the first series that has pictures."""
    pictures = [one for one in found if one.row.number_of_frames]
    if not pictures:
        raise Unsupported("image-without-pixels")
    series = [one for one in pictures if one.series.id == pictures[0].series.id]
    return series[len(series) // 2]
