"""STOW-RS: bodies of any shape, cut anywhere, and what each object of them becomes."""

import hashlib
import threading
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.actor import Actor
from core.audit import Event
from core.errors import Conflict, Denied, Invalid, NotFound, ShanhaiError, TooLarge, Unsupported
from core.keyring import Unit, WrappedKey
from imaging import bodies, inbox, intake, stow, studies, uploads
from imaging.bodies import Part
from imaging.patients import Expected
from imaging.related import Related
from imaging.stored import Answer
from imaging.studies import Instance, Series, Study
from imaging.uploads import Upload
from tests.imaging import samples
from tests.imaging.conftest import World

BOUNDARY = "=_boundary"
TYPE = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'


def body(
    files: Iterable[bytes], *, boundary: str = BOUNDARY, headers: bytes = b"Content-Type: application/dicom\r\n", end: bool = True
) -> bytes:
    parts = b"".join(b"--" + boundary.encode() + b"\r\n" + headers + b"\r\n" + file + b"\r\n" for file in files)
    return parts + b"--" + boundary.encode() + (b"--\r\n" if end else b"\r\n")


def begun(world: World, *, inbox: bool = False, content_type: str = TYPE) -> stow.Request:
    case_id = None if inbox else world.case_id
    return stow.Request(
        world.database, world.pool, world.surgeon, content_type=content_type, organisation_id=world.cast.aral.id, case_id=case_id
    )


def store(
    world: World, files: Iterable[bytes], *, inbox: bool = False, actor: Actor | None = None, step: int = 65_536, **more: Any
) -> Answer:
    request = stow.Request(
        world.database,
        world.pool,
        actor or world.surgeon,
        content_type=more.pop("content_type", TYPE),
        organisation_id=world.cast.aral.id,
        case_id=None if inbox else world.case_id,
        **more,
    )
    sent = body(files)
    for at in range(0, len(sent), step):
        request.feed(sent[at : at + step])
    return request.finish()


def outcomes(answer: Answer) -> list[tuple[str, str | None]]:
    return [(each.state, each.reason) for each in answer.outcomes]


def slices(count: int, **attributes: Any) -> list[bytes]:
    return [samples.dicom(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3", InstanceNumber=n + 1, **attributes) for n in range(count)]


def test_a_series_is_filed_and_kept_bit_for_bit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "BATCH", 3)
    files = slices(7)
    answer = store(world, files)
    assert (answer.stored, outcomes(answer)) == ("all", [("filed", None)] * 7)
    with world.database.begin() as db:
        [study] = studies.for_case(db, world.surgeon, world.case_id, world.cast.aral.id)
        [series] = studies.series_of(db, study)
        rows = studies.instances_of(db, study)
        sources = [studies.source(db, row) for row in rows]
        assert len(db.scalars(select(WrappedKey).where(WrappedKey.kind == "study")).all()) == 1, "a key per slice"
        events = db.scalars(select(Event).where(Event.case_id == world.case_id, Event.action == "image:upload")).all()
    assert [source.read(0, source.size) for source in sources] == files
    assert [row.instance_number for row in rows] == list(range(1, 8))
    assert [event.detail["filed"] for event in sorted(events, key=lambda event: event.at)] == [3, 3, 1]
    assert {event.actor_id for event in events} == {world.surgeon.person_id}
    dataset = answer.dataset("https://here/dicomweb")
    assert dataset["00081190"]["Value"] == ["https://here/dicomweb/studies/1.2"]
    assert dataset["00081199"]["Value"][0]["00081190"]["Value"] == [
        f"https://here/dicomweb/studies/1.2/series/1.2.3/instances/{rows[0].sop_instance_uid}"
    ]
    assert series.series_instance_uid == "1.2.3"


def test_each_object_ends_its_own_way(world: World) -> None:
    good, other = samples.dicom(), samples.dicom(PatientID="999")
    clash = samples.dicom(SOPInstanceUID="1.2.3.4")
    store(world, [clash])
    files = [good, good, b"no picture", samples.dicom()[:-9], other, samples.dicom(SOPInstanceUID="1.2.3.4"), samples.photo()]
    answer = store(world, files, expected=lambda _, __: Expected(ids=("10234",)))
    assert sorted(outcomes(answer), key=str) == sorted(
        [
            ("filed", None),
            ("duplicate", None),
            ("refused", "unknown-type"),
            ("refused", "truncated"),
            ("held", "another-patient"),
            ("held", "uid-conflict"),
            ("refused", "unknown-type"),
        ],
        key=str,
    )
    assert answer.stored == "some"
    dataset = answer.dataset("")
    assert len(dataset["00081199"]["Value"]) == 2
    assert sorted(item["00081197"]["Value"][0] for item in dataset["00081198"]["Value"]) == [0x0110, 0x0111]
    assert [item["00081197"]["Value"][0] for item in dataset["0008119A"]["Value"]] == [0xC000] * 3
    states = sorted(upload.state for upload in world.rows(Upload))
    assert states == ["duplicate", "filed", "filed", "held", "held", "refused", "refused", "refused"]
    assert len(list(world.database.store.keys(""))) == len(world.rows(Part)) == 4


def test_sending_it_all_again_changes_nothing(world: World) -> None:
    files = slices(3)
    store(world, files)
    before = sorted(world.database.store.keys(""))
    answer = store(world, files)
    assert (answer.stored, outcomes(answer)) == ("all", [("duplicate", None)] * 3)
    assert sorted(world.database.store.keys("")) == before
    assert len(world.rows(Instance)) == 3


def test_two_senders_of_the_same_study_at_once_file_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "BATCH", 2)
    files, answers = slices(6), list[Answer]()
    threads = [threading.Thread(target=lambda order=order: answers.append(store(world, order))) for order in (files, files[::-1], files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.stored for answer in answers] == ["all"] * 3
    assert sorted(each for answer in answers for each, _ in outcomes(answer)) == ["duplicate"] * 12 + ["filed"] * 6
    assert (len(world.rows(Study)), len(world.rows(Series)), len(world.rows(Instance))) == (1, 1, 6)
    assert len(list(world.database.store.keys(""))) == len(world.rows(Part)) == 6
    with world.database.begin() as db:
        [study] = studies.for_case(db, world.surgeon, world.case_id, world.cast.aral.id)
        found = [studies.source(db, row) for row in studies.instances_of(db, study)]
    assert [source.read(0, source.size) for source in found] == files


def test_a_held_object_can_be_confirmed(world: World) -> None:
    answer = store(world, [samples.dicom(PatientID="999")], expected=lambda _, __: Expected(ids=("10234",)))
    assert outcomes(answer) == [("held", "another-patient")]
    [upload] = world.rows(Upload)
    assert intake.confirm(world.database, world.pool, world.surgeon, upload.id).state == "filed"
    with world.database.begin() as db:
        [row] = db.scalars(select(Instance)).all()
        assert hashlib.sha256(studies.source(db, row).read(0, row.size)).hexdigest() == row.sha256


def test_a_long_object_is_sealed_as_it_streams(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is held beyond one part, and the end is the same."""
    monkeypatch.setattr(stow, "SMALL", 1_000)
    monkeypatch.setattr(bodies.Sink.__init__, "__kwdefaults__", {"start": 0, "part_bytes": 2_000})
    large = samples.dicom(Rows=128, Columns=64, PixelData=bytes(range(256)) * 64)
    answer = store(world, [large, samples.dicom(), large[:-5], large], step=777)
    assert sorted(outcomes(answer), key=str) == [("duplicate", None), ("filed", None), ("filed", None), ("refused", "truncated")]
    with world.database.begin() as db:
        row = db.scalars(select(Instance).where(Instance.rows == 128)).one()
        source = studies.source(db, row)
    assert row.parts > 5
    assert source.read(0, source.size) == large
    assert source.read(1_990, 30) == large[1_990:2_020]
    assert len(list(world.database.store.keys(""))) == len(world.rows(Part))


def test_objects_of_another_study_than_the_address_names_are_refused(world: World) -> None:
    answer = store(world, [samples.dicom(StudyInstanceUID="1.2"), samples.dicom(StudyInstanceUID="1.3")], study_instance_uid="1.2")
    assert sorted(outcomes(answer)) == [("filed", None), ("refused", "wrong-study")]
    assert answer.dataset("")["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xA900]}}]


def test_who_may_not_may_not(world: World) -> None:
    for actor in (world.stranger, world.cast.expert.actor, world.cast.administrator.actor):
        for into_inbox in (True, False):
            with pytest.raises((NotFound, Denied)):
                store(world, [samples.dicom()], actor=actor, inbox=into_inbox)
    assert not world.rows(Upload)


@pytest.mark.parametrize(
    "content_type",
    ["application/dicom", "multipart/form-data; boundary=x", 'multipart/related; type="application/dicom+json"; boundary=x', ""],
)
def test_other_content_types_are_not_taken(world: World, content_type: str) -> None:
    with pytest.raises(Unsupported):
        store(world, [], content_type=content_type)


def test_bodies_that_break_a_rule(world: World) -> None:
    """Attack 33. What came whole before is filed and stays."""
    good = samples.dicom()

    def send(data: bytes, content_type: str = TYPE, **more: Any) -> None:
        request = stow.Request(
            world.database,
            world.pool,
            world.surgeon,
            content_type=content_type,
            organisation_id=world.cast.aral.id,
            case_id=world.case_id,
            **more,
        )
        try:
            request.feed(data)
            request.finish()
        finally:
            request.close()

    for data, code in (
        (b"", "stow-body-incomplete"),
        (b"no boundary at all", "stow-body-malformed"),
        (body([])[: len(BOUNDARY)], "stow-body-incomplete"),
        (body([good], end=False), "stow-body-incomplete"),
        (body([good])[:-200], "stow-body-incomplete"),
        (body([good], headers=b"X: y" * 10_000 + b"\r\n"), "stow-body-malformed"),
    ):
        with pytest.raises(Invalid, match=code):
            send(data)
    for content_type in ('multipart/related; type="application/dicom"', f"multipart/related; boundary={'x' * 201}"):
        with pytest.raises(Invalid, match="stow-boundary"):
            send(b"", content_type)
    with pytest.raises(TooLarge):
        send(body([good]), largest=len(good) - 1)
    assert [upload.state for upload in world.rows(Upload)] == ["filed"]
    assert len(list(world.database.store.keys(""))) == 1


def test_the_long_boundary_of_orthanc_is_taken(world: World) -> None:
    """Two UUIDs and a hyphen, 73 characters: three over what RFC 2046 allows."""
    boundary = f"{uuid4()}-{uuid4()}"
    request = begun(world, content_type=f"multipart/related; type=application/dicom; boundary={boundary}")
    request.feed(body([samples.dicom()], boundary=boundary))
    assert outcomes(request.finish()) == [("filed", None)]


class Collected:
    """A taker that keeps what it is given."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.open = False

    def begin(self) -> None:
        assert not self.open
        self.open = True
        self.parts.append(b"")

    def data(self, data: bytes) -> None:
        assert self.open
        self.parts[-1] += data

    def end(self) -> None:
        assert self.open
        self.open = False


NASTY = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", BOUNDARY.encode(), b"\r\n--" + BOUNDARY.encode()[:-1], b"\0", b"x"]), max_size=12
)


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(NASTY.map(b"".join) | st.binary(max_size=40), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_parts_come_out_whole_wherever_the_stream_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    delimiter = b"\r\n--" + BOUNDARY.encode()
    files = [part.replace(delimiter, b"") for part in parts]
    files = [part if not (b"\r\n" + part).count(delimiter) and delimiter not in part + b"\r\n--" else b"" for part in files]
    sent, taker = body(files), Collected()
    parser = Related(TYPE, stow.MEDIA_TYPE, taker)
    at = 0
    while at < len(sent):
        step = cuts[at % len(cuts)]
        parser.feed(sent[at : at + step])
        at += step
    parser.finish()
    assert (taker.parts, taker.open) == (files, False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_body_is_more_than_malformed(data: bytes) -> None:
    parser = Related(TYPE, stow.MEDIA_TYPE, Collected())

    def send() -> None:
        parser.feed(b"--" + data)
        parser.finish()

    with pytest.raises(Invalid):
        send()


def test_a_right_withdrawn_while_bytes_are_put_away_files_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 10: the actor is authorised anew in the transaction that files, not only when the request begins."""
    request = begun(world)
    put = bodies.put

    def withdrawn(*given: Any) -> bodies.Piece:
        request._actor = Actor(world.surgeon.person_id, world.surgeon.organisation_id, roles=frozenset({"learner"}))
        return put(*given)

    monkeypatch.setattr(bodies, "put", withdrawn)
    request.feed(body(slices(2)))
    with pytest.raises(NotFound):
        request.finish()
    assert not world.rows(Upload)
    assert not world.rows(Part)
    assert list(world.database.store.keys("")) == []


# -- the inbox ------------------------------------------------------------------------------------------


def test_a_study_of_the_inbox_is_filed_into_a_case(world: World) -> None:
    files = slices(2)
    store(world, files, inbox=True)
    late = world.take_in(slices(1)[0], inbox=True, name="late.dcm")
    with world.database.begin() as db:
        [study] = studies.inbox(db, world.surgeon)
        with pytest.raises((NotFound, Denied)):
            inbox.file_study(db, world.cast.nurse.actor, study.id, case_id=world.case_id)
        with pytest.raises(NotFound):
            inbox.file_study(db, world.surgeon, study.id, case_id=world.foreign_case_id)
        with pytest.raises(NotFound):
            inbox.file_study(db, world.stranger, study.id, case_id=world.foreign_case_id)
        with pytest.raises(Conflict, match="study-of-another-patient"):
            inbox.file_study(db, world.surgeon, study.id, case_id=world.case_id, expected=Expected(ids=("777",)))
    with world.database.begin() as db:
        filed = inbox.file_study(db, world.surgeon, study.id, case_id=world.case_id, expected=Expected(ids=("10234",)))
        assert filed.case_id == world.case_id
    with world.database.begin() as db:
        assert studies.inbox(db, world.surgeon) == []
        rows = studies.instances_of(db, filed)
        found = {studies.source(db, row).read(0, row.size) for row in rows}
        assert set(files) < found
        assert len(rows) == 3
        assert {row.case_id for row in (*rows, *db.scalars(select(Series)))} == {world.case_id}
        assert studies.header(db, filed)["00100020"]["Value"] == ["0010234"]
        assert uploads.name(db, db.get_one(Upload, late.id)) == "late.dcm"
        keys = db.scalars(select(WrappedKey).where(WrappedKey.kind == "study", WrappedKey.destroyed_at.is_(None))).all()
        case_key = db.scalars(select(WrappedKey).where(WrappedKey.kind == "case", WrappedKey.unit_id == world.case_id)).one()
        assert {key.parent_id for key in keys} == {case_key.id}
    assert outcomes(store(world, files)) == [("duplicate", None)] * 2


def test_a_study_already_in_the_case_takes_up_what_lay_in_the_inbox(world: World) -> None:
    first, second, third = slices(3)
    other = samples.dicom(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.4", Modality="DX")
    store(world, [first])
    store(world, [second, third, other], inbox=True)
    with world.database.begin() as db:
        [lying] = studies.inbox(db, world.surgeon)
        inbox.file_study(db, world.surgeon, lying.id, case_id=world.case_id)
    with world.database.begin() as db:
        [study] = db.scalars(select(Study)).all()
        assert study.modalities == ["CT", "DX"]
        assert [studies.header(db, each)["0020000E"]["Value"] for each in studies.series_of(db, study)] == [["1.2.3"], ["1.2.4"]]
        rows = studies.instances_of(db, study)
        assert {studies.source(db, row).read(0, row.size) for row in rows} == {first, second, third, other}


def test_a_study_that_was_filed_cannot_be_filed_again(world: World) -> None:
    store(world, slices(1), inbox=True)
    with world.database.begin() as db:
        [study] = studies.inbox(db, world.surgeon)
        inbox.file_study(db, world.surgeon, study.id, case_id=world.case_id)
    with pytest.raises(ShanhaiError), world.database.begin() as db:
        inbox.file_study(db, world.surgeon, study.id, case_id=world.other_case_id)


def lying(world: World) -> Study:
    with world.database.begin() as db:
        [study] = studies.inbox(db, world.surgeon)
    return study


def put_into(world: World, study: Study, case_id: UUID) -> None:
    with world.database.begin() as db:
        inbox.file_study(db, world.surgeon, study.id, case_id=case_id)


@pytest.mark.parametrize("merged", [False, True])
def test_a_study_filed_into_a_case_while_the_rest_of_it_comes(world: World, monkeypatch: pytest.MonkeyPatch, merged: bool) -> None:
    """What comes later is a study of its own in the inbox, under a key of its own, and can be filed after it."""
    monkeypatch.setattr(stow, "BATCH", 1)
    first, second, third, other = slices(4)
    if merged:
        store(world, [other])
    request = begun(world, inbox=True)
    request.feed(body([first], end=False))
    filed = lying(world)
    put_into(world, filed, world.case_id)
    request.feed(body([second, third]).removeprefix(b"--" + BOUNDARY.encode() + b"\r\n"))
    assert outcomes(request.finish()) == [("filed", None)] * 3
    assert lying(world).id != filed.id
    put_into(world, lying(world), world.case_id)
    with world.database.begin() as db:
        [study] = db.scalars(select(Study)).all()
        found = {studies.source(db, row).read(0, row.size) for row in studies.instances_of(db, study)}
    assert found == {first, second, third, *([other] if merged else [])}


def test_a_study_filed_into_a_case_while_bytes_are_put_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key they were sealed under is the case's by then: they are sealed again under another."""
    first, second, third = slices(3)
    store(world, [first], inbox=True)
    filed, put = lying(world), bodies.put
    turns = iter([lambda: put_into(world, filed, world.case_id)])

    def meanwhile(*given: Any) -> bodies.Piece:
        for turn in turns:
            turn()
        return put(*given)

    monkeypatch.setattr(bodies, "put", meanwhile)
    assert outcomes(store(world, [second, third], inbox=True)) == [("filed", None)] * 2
    assert len(list(world.database.store.keys(""))) == len(world.rows(Part)) == 3
    put_into(world, lying(world), world.other_case_id)
    with world.database.begin() as db:
        db.keyring.destroy(db, Unit("case", world.cast.aral.id, world.case_id))
    with world.database.begin() as db:
        rows = db.scalars(select(Instance).where(Instance.case_id == world.other_case_id)).all()
        assert {studies.source(db, row).read(0, row.size) for row in rows} == {second, third}
