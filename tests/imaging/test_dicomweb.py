"""QIDO-RS: what a search finds, for whom, and what is written down about it."""

from typing import Any
from uuid import UUID

import pytest
from pydicom.uid import generate_uid

from core import audit
from core.actor import Actor
from core.errors import NotFound
from imaging import dicomweb, matching
from imaging.attributes import tag
from imaging.dicomweb import Scope
from tests.imaging import samples
from tests.imaging.conftest import World
from tests.imaging.visitors import BASE, PATIENT, SCOPE, let_in, subjects, within


def search(world: World, actor: Actor, level: Any = "study", /, *pairs: tuple[str, str], scope: Scope = SCOPE) -> list[dict[str, Any]]:
    with world.database.begin() as db:
        return dicomweb.search(db, actor, matching.parse(level, pairs), scope, subjects)


def value(answer: dict[str, Any], keyword: str) -> Any:
    found = answer.get(tag(keyword), {}).get("Value")
    return found[0] if found else None


def filed(world: World, *, case_id: UUID | None = None, inbox: bool = False, **attributes: Any) -> None:
    upload = world.take_in(samples.dicom(**attributes), case_id=case_id, inbox=inbox)
    assert upload.state == "filed", upload.reason


@pytest.fixture
def hand(world: World) -> str:
    """A study of two series: two slices and one radiograph; its UID."""
    study, series = generate_uid(), generate_uid()
    common = {"StudyInstanceUID": study, "StudyDescription": "HAND WANG LEI", "AccessionNumber": "A77"}
    for number in (1, 2):
        filed(world, SeriesInstanceUID=series, InstanceNumber=number, **common)
    filed(world, Modality="CR", SeriesNumber=1, BodyPartExamined="HAND", SOPClassUID="1.2.840.10008.5.1.4.1.1.1", **common)
    return study


def test_a_study_is_answered_with_what_the_standard_lists(world: World, hand: str) -> None:
    [answer] = search(world, world.surgeon)
    assert value(answer, "StudyInstanceUID") == hand
    assert value(answer, "PatientName") == {"Alphabetic": "WANG^LEI"}
    assert answer[tag("ModalitiesInStudy")]["Value"] == ["CR", "CT"]
    assert (value(answer, "NumberOfStudyRelatedSeries"), value(answer, "NumberOfStudyRelatedInstances")) == (2, 3)
    assert value(answer, "RetrieveURL") == f"{BASE}/studies/{hand}"
    assert value(answer, "InstanceAvailability") == "ONLINE"
    assert list(answer) == sorted(answer)


USUAL = [
    ("PatientName", "wang^lei", True),
    ("PatientName", "WANG*", True),
    ("PatientName", "LI*", False),
    ("PatientID", "0010234", True),
    ("PatientID", "10234", False),
    ("AccessionNumber", "A77", True),
    ("AccessionNumber", "B*", False),
    ("StudyDate", "20261101-20261130", True),
    ("StudyDate", "20261121-", False),
    ("ModalitiesInStudy", "CR", True),
    ("ModalitiesInStudy", "MR", False),
    ("ModalitiesInStudy", "M*", False),
    ("StudyInstanceUID", "1.2.3", False),
    ("StudyDescription", "HAND*", True),
]


def test_the_usual_keys_find_and_do_not_find(world: World, hand: str) -> None:
    for key, asked, found in USUAL:
        assert bool(search(world, world.surgeon, "study", (key, asked))) is found, (key, asked)


def test_series_and_instances_are_found_at_their_levels(world: World, hand: str) -> None:
    series = search(world, world.surgeon, "series", ("StudyInstanceUID", hand))
    assert {(value(one, "Modality"), value(one, "NumberOfSeriesRelatedInstances")) for one in series} == {("CT", 2), ("CR", 1)}
    assert all(tag("PatientName") not in one for one in series)
    assert all(tag("PatientName") in one for one in search(world, world.surgeon, "series"))
    [radiograph] = search(world, world.surgeon, "series", ("Modality", "CR"))
    assert value(radiograph, "BodyPartExamined") == "HAND"
    slices = search(
        world,
        world.surgeon,
        "instance",
        ("SeriesInstanceUID", value(next(one for one in series if value(one, "Modality") == "CT"), "SeriesInstanceUID")),
    )
    assert sorted(value(one, "InstanceNumber") for one in slices) == [1, 2]
    assert {value(one, "Rows") for one in slices} == {16}
    [second] = search(world, world.surgeon, "instance", ("StudyInstanceUID", hand), ("InstanceNumber", "2"))
    assert value(second, "SOPInstanceUID")
    assert value(second, "RetrieveURL").startswith(f"{BASE}/studies/{hand}/series/")


def test_more_fields_come_when_they_are_asked_for(world: World, hand: str) -> None:
    usual = search(world, world.surgeon, "instance", ("InstanceNumber", "2"))[0]
    assert tag("BitsStored") not in usual
    more = search(
        world, world.surgeon, "instance", ("InstanceNumber", "2"), ("includefield", "BitsStored"), ("includefield", "PatientBirthDate")
    )[0]
    assert value(more, "BitsStored") == 12
    everything = search(world, world.surgeon, "instance", ("InstanceNumber", "2"), ("includefield", "all"))[0]
    assert value(everything, "HighBit") == 11
    assert tag("PixelData") not in everything


def test_pages_follow_one_another_without_gap(world: World) -> None:
    for number in range(5):
        filed(world, PatientID=str(number % 2), StudyInstanceUID=f"1.2.{number + 1}")
    whole = [value(one, "StudyInstanceUID") for one in search(world, world.surgeon)]
    assert whole == ["1.2.5", "1.2.4", "1.2.3", "1.2.2", "1.2.1"]
    pages = [
        [value(one, "StudyInstanceUID") for one in search(world, world.surgeon, "study", ("limit", "2"), ("offset", str(at)))]
        for at in (0, 2, 4, 6)
    ]
    assert pages == [whole[0:2], whole[2:4], whole[4:5], []]
    odd = [
        value(one, "StudyInstanceUID") for one in search(world, world.surgeon, "study", ("PatientID", "1"), ("limit", "1"), ("offset", "1"))
    ]
    assert odd == ["1.2.2"]
    assert search(world, world.surgeon, "study", ("limit", "0")) == []


def test_a_batch_is_no_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "BATCH", 2)
    for number in range(5):
        filed(world, StudyInstanceUID=f"1.2.{number + 1}")
    assert len(search(world, world.surgeon)) == 5
    assert len(search(world, world.surgeon, "instance", ("limit", "3"))) == 3


def test_whoever_may_not_see_identity_is_shown_and_finds_the_case_number(world: World, hand: str) -> None:
    expert = let_in(world)
    [answer] = search(world, expert, "study", ("includefield", "all"))
    assert value(answer, "PatientName") == {"Alphabetic": "SH-2026-0147"}
    assert "WANG" not in str(answer)
    assert "A77" not in str(answer)
    assert search(world, expert, "study", ("PatientName", "SH-2026-*"))
    assert search(world, expert, "study", ("PatientID", "SH-2026-0147"))
    for key, asked in (
        ("PatientName", "WANG*"),
        ("PatientID", "0010234"),
        ("AccessionNumber", "A77"),
        ("PatientBirthDate", "19870203"),
        ("StudyDescription", "HAND*"),
        ("StudyTime", "1015"),
    ):
        assert search(world, world.surgeon, "study", (key, asked)), key
        assert search(world, expert, "study", (key, asked)) == [], key
    [slice_, *_] = search(world, expert, "instance", ("includefield", "all"))
    assert "WANG" not in str(slice_)


def test_an_expert_whose_grant_shows_identity_sees_it(world: World, hand: str) -> None:
    expert = let_in(world, sees_identity=True)
    [answer] = search(world, expert, "study", ("PatientName", "WANG*"))
    assert value(answer, "PatientID") == "0010234"


def test_nobody_finds_what_is_not_theirs(world: World, hand: str) -> None:
    assert search(world, world.stranger) == []
    assert search(world, world.stranger, "instance", ("StudyInstanceUID", hand)) == []
    assert search(world, world.cast.expert.actor) == []
    assert search(world, world.cast.administrator.actor) == []
    with pytest.raises(NotFound):
        search(world, world.stranger, scope=within(world))


def test_a_case_is_searched_by_itself(world: World, hand: str) -> None:
    filed(world, case_id=world.other_case_id)
    assert len(search(world, world.surgeon)) == 2
    [answer] = search(world, world.surgeon, scope=within(world))
    assert value(answer, "StudyInstanceUID") == hand
    assert value(answer, "RetrieveURL").startswith(f"{BASE}/cases/{world.case_id}/studies/")


def test_the_inbox_is_found_by_those_who_file_it(world: World) -> None:
    filed(world, inbox=True)
    assert len(search(world, world.surgeon)) == 1
    assert search(world, world.cast.nurse.actor) == []


def test_a_search_is_one_event_that_names_the_patients_shown(world: World, hand: str) -> None:
    filed(world)
    search(world, world.surgeon)
    with world.database.begin() as db:
        [event] = audit.events(db, world.cast.aral.id, actions=["image:search"])
        assert event.patient_ids == {PATIENT} or list(event.patient_ids) == [PATIENT]
        assert event.actor_id == world.surgeon.person_id
    expert = let_in(world)
    search(world, expert)
    with world.database.begin() as db:
        events = audit.events(db, world.cast.aral.id, actions=["image:search"], actor_id=expert.person_id)
        assert len(events) == 1
        assert audit.events(db, world.cast.taizhou.id, actions=["image:search"]) == []


def test_a_search_that_finds_nothing_is_written_down_too(world: World) -> None:
    search(world, world.stranger)
    with world.database.begin() as db:
        [event] = audit.events(db, world.cast.kashgar.id, actions=["image:search"])
        assert not event.patient_ids
