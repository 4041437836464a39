"""Patients: sealed, found exactly by whoever may search, warned about when they look known, never seen from outside."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from core import audit
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed
from registry import board, cases, names, patients
from registry.indexes import PatientIndex
from registry.patients import Patient
from tests.registry.conftest import World, run_jobs

BORN = dt.date(1988, 3, 5)


def made(world: World, **who: Any) -> Patient:
    told = {"name": "张卫国", "sex": "male", "birth_date": BORN, "national_id": "650101198803050017", "record_number": "A-1001", **who}
    with world.begin() as db:
        return patients.create(db, world.cast.surgeon.actor, **told)


def test_identity_is_sealed_and_comes_back_whole_to_the_own_hospital(world: World) -> None:
    patient = made(world, phone="13800001234")
    for word in ("张卫国", "650101198803050017", "A-1001", "13800001234", "1988"):
        assert word.encode() not in patient.identity
    with world.begin() as db:
        who = patients.identity(db, world.cast.nurse.actor, patient.id)
        assert (who.name, who.birth_date, who.phone) == ("张卫国", BORN, "13800001234")
    with world.begin() as db:
        (event, *_) = audit.events(db, world.cast.aral.id, patient_id=patient.id)
        assert (event.action, event.actor_id) == ("patient:identify", world.cast.nurse.id)


def test_what_is_entered_is_checked(world: World) -> None:
    with world.begin() as db:
        for who, wrong in (
            ({"name": "  "}, {"name": "field-required"}),
            ({"name": "张", "sex": "m"}, {"sex": "field-code-unknown"}),
            ({"name": "张", "birth_date": dt.date(2999, 1, 1)}, {"birth_date": "field-in-the-future"}),
            ({"name": "张", "birth_date": dt.date(1500, 1, 1)}, {"birth_date": "field-not-a-date"}),
            ({"name": "张" * 101, "phone": "1" * 41}, {"name": "field-too-long", "phone": "field-too-long"}),
        ):
            with pytest.raises(Invalid) as caught:
                patients.create(db, world.cast.surgeon.actor, **who)  # type: ignore[arg-type]
            assert caught.value.fields == wrong


def test_a_patient_who_looks_known_is_warned_about_and_can_be_entered_all_the_same(world: World) -> None:
    patient = made(world)
    lookalikes = {
        "same-name-birth": {"name": "张 卫国", "birth_date": BORN},
        "same-sound-birth": {"name": "章伟国", "birth_date": BORN},
        "same-national-id": {"name": "王二", "national_id": "650101 19880305 0017"},
        "same-record-number": {"name": "王二", "record_number": "a 1001"},
    }
    with world.begin() as db:
        for why, who in lookalikes.items():
            (found,) = patients.duplicates(db, world.cast.surgeon.actor, **who)  # type: ignore[arg-type]
            assert (found.patient_id, found.why, found.identity.name) == (patient.id, (why,), "张卫国")
            with pytest.raises(Conflict) as caught:
                patients.create(db, world.cast.surgeon.actor, **who)  # type: ignore[arg-type]
            assert (caught.value.code, caught.value.params) == ("patient-looks-known", {"count": 1})
        assert patients.duplicates(db, world.cast.surgeon.actor, name="张卫国") == []
        assert patients.duplicates(db, world.cast.surgeon.actor, name="张卫国", birth_date=dt.date(1990, 1, 1)) == []
        patients.create(db, world.cast.surgeon.actor, name="章伟国", birth_date=BORN, despite_duplicates=True)
    with world.begin() as db:
        assert len(patients.duplicates(db, world.cast.surgeon.actor, name="张卫国", birth_date=BORN)) == 2


def test_another_hospitals_patients_are_never_found(world: World) -> None:
    patient = made(world)
    stranger = world.cast.stranger.actor
    with world.begin() as db:
        assert patients.duplicates(db, stranger, name="张卫国", birth_date=BORN, record_number="A-1001") == []
        assert patients.find(db, stranger, number="A-1001") == []
        assert patients.search(db, stranger, "张卫国") == []
        patients.create(db, stranger, name="张卫国", birth_date=BORN, record_number="A-1001")
        for verb in (patients.get, patients.identity):
            with pytest.raises(NotFound):
                verb(db, stranger, patient.id)
        with pytest.raises(NotFound):
            patients.amend(db, stranger, patient.id, version=1, name="x")
        own = db.scalars(select(PatientIndex.value).where(PatientIndex.patient_id == patient.id)).all()
        theirs = db.scalars(select(PatientIndex.value).where(PatientIndex.organisation_id == world.cast.kashgar.id)).all()
        assert theirs
        assert not set(own) & set(theirs), "equal values have different indexes in different hospitals"


def test_an_administrator_searches_exactly_and_each_search_names_whom_it_showed(world: World) -> None:
    patient = made(world)
    made(world, name="张卫国", birth_date=dt.date(1970, 1, 1), national_id=None, record_number="A-1002")
    administrator = world.cast.administrator.actor
    with world.begin() as db:
        for query in ({"name": "张卫国", "birth_date": BORN}, {"number": "a1001"}, {"number": "650101198803050017"}):
            assert [found.patient_id for found in patients.find(db, administrator, **query)] == [patient.id]  # type: ignore[arg-type]
        assert patients.find(db, administrator, number="A-1002", name="张卫国", birth_date=BORN) == []
        assert patients.find(db, administrator, name="张", birth_date=BORN) == []
        for query in ({"name": "张卫国"}, {"name": "·", "birth_date": BORN}, {}):
            with pytest.raises(Invalid, match="search-needs-name-and-birth"):
                patients.find(db, administrator, **query)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            patients.search(db, administrator, "张")
    with world.begin() as db:
        events = audit.events(db, world.cast.aral.id, actions=("patient:search",))
        assert [event.patient_ids for event in reversed(events)] == [(patient.id,)] * 3 + [()] * 2
        assert all(event.actor_id == world.cast.administrator.id for event in events)


def test_a_clinician_searches_by_part_pinyin_initials_and_number(world: World) -> None:
    patient = made(world)
    made(world, name="阿依古丽·买买提", birth_date=None, national_id=None, record_number="B-7")
    with world.begin() as db:
        surgeon = world.cast.surgeon.actor
        for query in ("卫国", "zhangwei", "zwg", "A-10"):
            assert [found.patient_id for found in patients.search(db, surgeon, query)] == [patient.id], query
        assert patients.search(db, surgeon, "z") == []
        assert patients.search(db, surgeon, "王") == []
        assert len(patients.search(db, surgeon, "国", limit=1)) == 1


def test_who_may_not_search_or_write_is_refused(world: World) -> None:
    with world.begin() as db:
        for member in (world.cast.nurse, world.cast.expert, world.cast.coordinator):
            with pytest.raises((Denied, NotFound)):
                patients.search(db, member.actor, "zhang")
            with pytest.raises((Denied, NotFound)):
                patients.find(db, member.actor, number="A-1001")
        for member in (world.cast.nurse, world.cast.administrator, world.cast.auditor):
            with pytest.raises((Denied, NotFound)):
                patients.create(db, member.actor, name="x")


def test_an_amended_identity_is_found_anew_and_the_cases_follow_it(world: World) -> None:
    patient = made(world)
    with world.begin() as db:
        case = world.case(db, patient_id=patient.id)
        assert (case.summary.sex, case.summary.age) == (
            "male",
            case.created_at.year - 1988 - ((case.created_at.month, case.created_at.day) < (3, 5)),
        )
    sealed = patient.identity
    with world.begin() as db:
        surgeon = world.cast.surgeon.actor
        amended = patients.amend(db, surgeon, patient.id, version=1, name="张伟", sex="female", record_number="A-9")
        assert (amended.version, patients.unsealed(db, amended).name) == (2, "张伟")
        with pytest.raises(PreconditionFailed):
            patients.amend(db, surgeon, patient.id, version=1, name="李四")
        assert patients.find(db, surgeon, number="A-1001") == []
        assert [found.identity.name for found in patients.find(db, surgeon, number="A-9")] == ["张伟"]
    run_jobs(world.database, {patients.AMENDED: board.person_changed})
    with world.begin() as db:
        summary = cases.get(db, world.cast.surgeon.actor, case.id).summary
        assert (summary.sex, summary.age) == ("female", None)
        row = db.get_one(Patient, patient.id)
        row.identity = sealed
        with pytest.raises(Exception, match="sealed"):
            patients.unsealed(db, row)
        db.rollback()


def test_every_spelling_of_a_name_and_both_forms_of_a_number_find_the_patient_and_say_what_matches(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    who = made(world, name="單雲", national_id="110105880305123", record_number="R-1")
    mixed = made(world, name="Maria Lindgren", national_id=None, record_number="R-2")
    ethnic = made(world, name="买买提·吐尔逊", national_id=None, record_number="R-3")
    (longer,) = names.number_forms("110105880305123")[1:]
    asked: list[tuple[Patient, dict[str, Any], tuple[str, ...]]] = [
        (who, {"name": "单云", "birth_date": BORN}, ("same-name-birth",)),
        (who, {"name": "善芸", "birth_date": BORN}, ("same-sound-birth",)),
        (who, {"name": "Shan Yun", "birth_date": BORN}, ("same-sound-birth",)),
        (who, {"name": "Yun Dan", "birth_date": BORN}, ("same-sound-birth",)),
        (who, {"name": "单云", "birth_date": BORN, "national_id": longer.upper()}, ("same-national-id", "same-name-birth")),
        (who, {"name": "甲", "national_id": "110105880305123", "record_number": "r1"}, ("same-national-id", "same-record-number")),
        (mixed, {"name": "LINDGREN, Maria", "birth_date": BORN}, ("same-name-birth",)),
        (ethnic, {"name": "买买提•吐尔逊", "birth_date": BORN}, ("same-name-birth",)),
        (ethnic, {"name": "麦麦提吐尔逊", "birth_date": BORN}, ("same-sound-birth",)),
    ]
    with world.begin() as db:
        for patient, query, why in asked:
            assert [(f.patient_id, f.why) for f in patients.duplicates(db, surgeon, **query)] == [(patient.id, why)], query
        administrator = world.cast.administrator.actor
        for number in ("110105880305123", longer, longer.upper()):
            assert [found.patient_id for found in patients.find(db, administrator, number=number)] == [who.id]
        assert [found.patient_id for found in patients.find(db, administrator, name="单云", birth_date=BORN)] == [who.id]


def test_that_somebody_is_another_person_is_recorded_with_whom_they_were_told_apart_from(world: World) -> None:
    known = made(world)
    with world.begin() as db:
        apart = patients.create(db, world.cast.surgeon.actor, name="张卫国", birth_date=BORN, despite_duplicates=True)
        patients.create(db, world.cast.surgeon.actor, name="不像谁", birth_date=BORN, despite_duplicates=True)
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, actions=("patient:told-apart",))
        assert (event.object_id, set(event.patient_ids), event.actor_id) == (apart.id, {apart.id, known.id}, world.cast.surgeon.id)
