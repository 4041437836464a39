"""Intake: each file ends filed, duplicate, held or refused, and what is there is never harmed."""

import datetime as dt
import hashlib
import threading
from typing import Any

import pytest
from sqlalchemy import select

from core.audit import Event
from core.errors import Conflict, NotFound
from core.keyring import Unit
from imaging import bodies, examined, intake, studies, uploads
from imaging.bodies import Part
from imaging.patients import Expected
from imaging.sandbox import Pool
from imaging.studies import Instance, Series, Study
from imaging.uploads import Upload
from tests.imaging import samples
from tests.imaging.conftest import World

WANG = Expected(names=("王雷",), birth_date=dt.date(1987, 2, 3), sex="M", ids=("10234",))


def outcome(upload: Upload) -> tuple[str, str | None]:
    return upload.state, upload.reason


def test_a_dicom_file_is_filed_and_kept_bit_for_bit(world: World) -> None:
    file = samples.dicom(preamble=b"anything at all".ljust(128, b"\1"))
    upload = world.take_in(file, name="IM001")
    assert outcome(upload) == ("filed", None)
    with world.database.begin() as db:
        assert upload.instance_id
        row = studies.instance(db, world.surgeon, upload.instance_id)
        source = studies.source(db, row)
        header, index = studies.header(db, row), studies.frame_index(db, row)
        [study] = studies.for_case(db, world.surgeon, world.case_id, world.cast.aral.id)
        [series] = studies.series_of(db, study)
        assert [each.id for each in studies.instances_of(db, study)] == [row.id]
        assert studies.header(db, study)["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "WANG^LEI"}]}
        assert "00100010" not in studies.header(db, series)
    assert source.read(0, source.size) == file
    assert (row.sha256, row.size) == (hashlib.sha256(file).hexdigest(), len(file))
    assert (row.rows, row.columns, row.number_of_frames, row.kind, row.instance_number) == (16, 8, 1, "ct", 7)
    assert (study.study_date, study.modalities, series.modality) == (dt.date(2026, 11, 20), ["CT"], "CT")
    assert row.captured_at == dt.datetime(2026, 11, 20, 10, 16, 22, 500_000, tzinfo=dt.timezone(dt.timedelta(hours=6)))
    [(start, length)] = index.ranges(0)
    assert source.read(start, length) == bytes.fromhex("".join(f"{n:02x}00" for n in range(128)))
    assert header["7FE00010"] == {"vr": "OW", "BulkDataURI": f"bulk/{start}/{length}"}


def test_nothing_that_was_sent_can_be_found_in_database_or_store(world: World) -> None:
    """Attack 56, for this part: neither the words nor the pixels nor the name lie anywhere in the clear."""
    upload = world.take_in(samples.dicom(PatientName="OMUROV^SECRET"), name="omurov-hand.dcm")
    with world.database.begin(readonly=True) as db:
        row = db.get_one(Instance, upload.instance_id)
        everything = b"".join(db.store.read(key, 0, 1 << 20) for key in db.store.keys(""))
        everything += b"".join((row.header, row.frame_index, upload.name or b""))
        everything += db.scalars(select(Study.header)).one()
        assert uploads.name(db, upload) == "omurov-hand.dcm"
    for word in (b"OMUROV", b"omurov", b"DICM", bytes(range(0, 64))):
        assert word not in everything


@pytest.mark.parametrize("field", ["PatientName", "PatientID", "PatientBirthDate", "PatientSex"])
def test_a_file_of_somebody_else_is_held_until_a_person_confirms(world: World, field: str) -> None:
    other = {"PatientName": "LI^NA", "PatientID": "999", "PatientBirthDate": "19900101", "PatientSex": "F"}
    upload = world.take_in(samples.dicom(**{field: other[field]}), whom=WANG)
    names = {"PatientName": "name", "PatientID": "id", "PatientBirthDate": "birth_date", "PatientSex": "sex"}
    assert outcome(upload) == ("held", "another-patient")
    assert upload.disagreeing == [names[field]]
    assert not world.rows(Instance)
    with world.database.begin() as db:
        assert uploads.identity(db, world.surgeon, upload)["birth_date"] in ("19870203", "19900101")
    with pytest.raises(NotFound):
        intake.confirm(world.database, world.pool, world.stranger, upload.id)
    confirmed = intake.confirm(world.database, world.pool, world.surgeon, upload.id, expected=lambda _, __: WANG)
    assert outcome(confirmed) == ("filed", None)
    assert confirmed.identity is None
    with pytest.raises(Conflict):
        intake.confirm(world.database, world.pool, world.surgeon, upload.id)


def test_a_held_file_may_be_rejected_and_is_gone(world: World) -> None:
    upload = world.take_in(samples.dicom(PatientID="999"), whom=WANG)
    with world.database.begin() as db:
        with pytest.raises(NotFound):
            intake.reject(db, world.stranger, upload.id)
        intake.reject(db, world.surgeon, upload.id)
    with world.database.begin(readonly=True) as db:
        assert list(db.store.keys("")) == []
        assert outcome(db.get_one(Upload, upload.id)) == ("discarded", "not-this-patient")
        with pytest.raises(NotFound):
            db.keyring.writer(db, Unit("study", upload.organisation_id, upload.id), "x", "x", upload.id, 1)


@pytest.mark.parametrize(
    "says",
    [
        {},
        {"PatientName": "Lei Wang", "PatientID": "10234"},
        {"PatientName": "Wang^Lei=王^雷"},
        {"PatientName": "", "PatientID": "", "PatientBirthDate": "", "PatientSex": ""},
        {"PatientName": None, "PatientID": None, "PatientBirthDate": None, "PatientSex": "O"},
    ],
)
def test_a_file_that_agrees_or_says_nothing_is_filed(world: World, says: dict[str, str | None]) -> None:
    assert outcome(world.take_in(samples.dicom(**says), whom=WANG)) == ("filed", None)


def test_the_same_file_twice_is_one(world: World) -> None:
    for file in (samples.dicom(), samples.photo(exif=samples.exif())):
        first = world.take_in(file)
        again = world.take_in(file)
        assert (first.state, again.state) == ("filed", "duplicate")
        assert again.instance_id == first.instance_id
    with world.database.begin(readonly=True) as db:
        assert len(list(db.store.keys(""))) == len(world.rows(Part)) == 2


def test_the_same_photograph_twice_at_once_is_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are looked at before either is filed, so that neither knows of the other."""
    photo, gate = samples.photo(exif=samples.exif()), threading.Barrier(2)
    look = intake.examine

    def together(*given: Any, **more: Any) -> Any:
        seen = look(*given, **more)
        gate.wait(60)
        return seen

    monkeypatch.setattr(intake, "examine", together)
    threads = [threading.Thread(target=world.take_in, args=(photo,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(upload.state for upload in world.rows(Upload)) == ["duplicate", "filed"]
    assert len(world.rows(Instance)) == len(world.rows(Part)) == len(list(world.database.store.keys(""))) == 1


def test_other_pixels_under_a_known_uid_are_held_and_harm_nothing(world: World) -> None:
    first = world.take_in(samples.dicom(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2", SeriesInstanceUID="1.2.9"))
    other = samples.dicom(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2", SeriesInstanceUID="1.2.9", PixelData=bytes(256))
    upload = world.take_in(other)
    assert outcome(upload) == ("held", "uid-conflict")
    with pytest.raises(Conflict, match="image-not-confirmable"):
        intake.confirm(world.database, world.pool, world.surgeon, upload.id)
    with world.database.begin() as db:
        assert first.instance_id
        row = studies.instance(db, world.surgeon, first.instance_id)
        assert hashlib.sha256(studies.source(db, row).read(0, row.size)).hexdigest() == row.sha256 == first.sha256


def test_a_study_uid_of_another_patient_is_held(world: World) -> None:
    world.take_in(samples.dicom(StudyInstanceUID="1.2"))
    for case_id in (world.case_id, world.other_case_id):
        upload = world.take_in(samples.dicom(StudyInstanceUID="1.2", PatientID="777", PatientName="LI^NA"), case_id=case_id)
        assert outcome(upload) == ("held", "study-of-another-patient")
    assert outcome(world.take_in(samples.dicom(StudyInstanceUID="1.2"))) == ("filed", None)
    assert len(world.rows(Study)) == 1


def test_a_series_uid_of_another_study_is_held(world: World) -> None:
    world.take_in(samples.dicom(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1"))
    assert outcome(world.take_in(samples.dicom(StudyInstanceUID="1.9", SeriesInstanceUID="1.2.1"))) == ("held", "uid-conflict")
    assert len(world.rows(Series)) == 1


def test_one_object_lies_in_one_case(world: World) -> None:
    file = samples.dicom()
    world.take_in(file)
    assert outcome(world.take_in(file, case_id=world.other_case_id)) == ("held", "in-another-case")
    inbox = samples.dicom()
    world.take_in(inbox, inbox=True)
    assert outcome(world.take_in(inbox)) == ("held", "in-inbox")
    assert outcome(world.take_in(file, inbox=True)) == ("duplicate", None)


def test_the_same_uid_in_another_organisation_is_not_our_concern(world: World) -> None:
    file = samples.dicom()
    world.take_in(file)
    theirs = intake.take_in(world.database, world.pool, world.stranger, world.foreign_case_id, "", file)
    assert outcome(theirs) == ("filed", None)


def test_what_cannot_be_taken_says_why_and_leaves_nothing(world: World) -> None:
    for file, reason in ((b"MZ" + bytes(300), "unknown-type"), (samples.dicom()[:-40], "truncated"), (samples.png_bomb(), "bomb")):
        upload = world.take_in(file)
        assert outcome(upload) == ("refused", reason)
        with world.database.begin(readonly=True) as db:
            event = db.scalars(select(Event).where(Event.action == "image:file", Event.object_id == upload.id)).one()
            assert event.detail == {"state": "refused", "reason": reason}
            assert list(db.store.keys("")) == []
    assert not world.rows(Instance)
    assert not world.rows(Part)


def test_a_file_that_kills_its_worker_is_refused_and_the_next_is_filed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the sandbox meets ends as a reason, never as an error."""
    for task, reason in (("hostile.die", "sandbox-fault"), ("hostile.hang", "sandbox-timeout"), ("hostile.echo", "sandbox-fault")):
        with monkeypatch.context() as patch:
            patch.setattr(examined, "TASK", task)
            hostile = Pool(1, ["imaging.examine", "tests.imaging.hostile"])
            try:
                upload = intake.take_in(world.database, hostile, world.surgeon, world.case_id, "", samples.dicom())
            finally:
                hostile.close()
        assert outcome(upload) == ("refused", reason)
    assert outcome(world.take_in(samples.dicom())) == ("filed", None)


def test_a_file_whose_worker_died_by_accident_is_filed_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork server and its workers are killed from outside while a file is read."""
    pool = Pool(1)
    killed = []

    class Interrupted(bodies.Body):
        def read(self, start: int, length: int) -> bytes:
            if not killed and pool._server is not None:
                killed.append(start)
                pool._server._process.kill()
                pool._server._process.wait()
            return super().read(start, length)

    monkeypatch.setattr(bodies, "Body", Interrupted)
    try:
        upload = intake.take_in(world.database, pool, world.surgeon, world.case_id, "", samples.dicom())
    finally:
        pool.close()
    assert killed
    assert outcome(upload) == ("filed", None)


def test_a_photograph_becomes_an_object_of_the_cases_photo_study(world: World) -> None:
    one = world.take_in(samples.photo(exif=samples.exif(), comment=b"<script>alert(1)</script>"), name="IMG_0001.jpg")
    two = world.take_in(samples.photo("HEIF", exif=samples.exif()), name="IMG_0002.HEIC")
    three = world.take_in(samples.photo("PNG"), case_id=world.other_case_id)
    assert {outcome(each) for each in (one, two, three)} == {("filed", None)}
    with world.database.begin() as db:
        [study] = studies.for_case(db, world.surgeon, world.case_id, world.cast.aral.id)
        assert (study.photos, study.modalities) == (True, ["XC"])
        first, second = studies.instances_of(db, study)
        assert (first.instance_number, second.instance_number) == (1, 2)
        assert (first.kind, first.sop_class_uid) == ("photo", "1.2.840.10008.5.1.4.1.1.77.1.4")
        assert first.captured_at == dt.datetime(2026, 11, 20, 2, 30, 15, tzinfo=dt.UTC)
        file = studies.source(db, first).read(0, first.size)
    assert len({each.study_instance_uid for each in world.rows(Study)}) == 2
    for secret in (b"script", b"43.79N", b"Exif"):
        assert secret not in file


def test_the_original_of_a_photograph_does_not_stay(world: World) -> None:
    upload = world.take_in(samples.photo(exif=samples.exif()))
    with world.database.begin(readonly=True) as db:
        assert bodies.pieces(db, upload.id) == []
        assert len(list(db.store.keys(""))) == 1


def test_a_job_that_runs_twice_files_once(world: World) -> None:
    upload = world.take_in(samples.photo())
    again = intake.process(world.database, world.pool, upload.id)
    assert (again.state, again.instance_id) == (upload.state, upload.instance_id)
    assert len(world.rows(Instance)) == 1


def test_what_was_done_is_recorded(world: World) -> None:
    world.take_in(samples.dicom())
    with world.database.begin(readonly=True) as db:
        done = db.scalars(select(Event).where(Event.case_id == world.case_id).order_by(Event.at)).all()
        assert [(event.action, event.actor_id) for event in done] == [("image:upload", world.surgeon.person_id), ("image:file", None)]


def test_a_study_key_falls_with_its_case(world: World) -> None:
    """Crypto-shredding: with the case's key every picture of it is unreadable, tables and objects still there."""
    upload = world.take_in(samples.dicom())
    with world.database.begin() as db:
        db.keyring.destroy(db, Unit("case", world.cast.aral.id, world.case_id))
    with world.database.begin(readonly=True) as db:
        row = db.get_one(Instance, upload.instance_id)
        with pytest.raises(NotFound):
            studies.source(db, row)
        with pytest.raises(NotFound):
            studies.header(db, row)
