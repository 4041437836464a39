"""The short way of an emergency: one act, all of it or nothing, once, and every wrong field told at once."""

from dataclasses import replace
from uuid import UUID

import pytest

from core import ids
from core.errors import Conflict, Denied, Invalid
from registry import cases, consents, entries, patients, referrals, urgent
from registry.urgent import Person, Question, Told
from tests.registry.conftest import World, wall

INJURY = {"mechanism": "sharp_cut", "side": "left"}
UNIT = {"part": "index", "side": "left", "completeness": "complete"}


def told(world: World, **more: object) -> Told:
    """A severed finger, asked of Taizhou."""
    question = Question("Can it be replanted?", world.cast.taizhou.id, agreed=True)
    injury = {"injured_at": wall(ids.now()), **INJURY}
    return replace(Told("amputation", Person(name="胡杨", sex="male"), question, injury, UNIT), **more)  # type: ignore[arg-type]


def count(world: World) -> tuple[int, int]:
    """How many cases and patients there are."""
    with world.begin() as db:
        actor = world.cast.surgeon.actor
        return len(cases.list_(db, actor).cases), len(patients.search(db, actor, "胡杨"))


def test_one_form_opens_the_case_enters_the_record_and_puts_the_question(world: World) -> None:
    with world.begin() as db:
        case = urgent.send(db, world.cast.surgeon.actor, told(world), client_key="k")
    with world.begin() as db:
        again = cases.get(db, world.cast.surgeon.actor, case.id)
        assert (again.state, again.urgency, again.kind) == ("referred", "emergency", "amputation")
        assert [item.entry.type for item in entries.for_case(db, world.cast.surgeon.actor, case.id)] == ["injury", "amputation"]
        (asked,) = referrals.for_case(db, world.cast.surgeon.actor, case.id)
        assert asked.words.question == "Can it be replanted?"
        standing = consents.standing(db, world.cast.surgeon.actor, case.id)
        given = {purpose: consent.standing if consent else None for purpose, consent in standing.items()}
        assert given == {"treatment": "given", "transfer": "given", "teaching": None, "research": None}


def test_sent_twice_it_is_done_once(world: World) -> None:
    with world.begin() as db:
        first = urgent.send(db, world.cast.surgeon.actor, told(world), client_key="k")
    with world.begin() as db:
        assert urgent.send(db, world.cast.surgeon.actor, told(world), client_key="k").id == first.id
    assert count(world) == (1, 1)


def test_every_wrong_field_is_told_at_once_and_nothing_is_made(world: World) -> None:
    wrong = Told("amputation", Person(), Question(), {"mechanism": "sharp_cut"}, {"side": "left"})
    with world.begin() as db, pytest.raises(Invalid) as refused:
        urgent.send(db, world.cast.surgeon.actor, wrong)
    assert set(refused.value.fields) == {
        "name", "sex", "injured_at", "part", "completeness", "question", "to_organisation_id", "agreed",
    }  # fmt: skip
    assert count(world) == (0, 0)


def test_what_the_question_refuses_undoes_the_case_and_the_patient(world: World) -> None:
    naming = told(world, question=Question("胡杨 wants to know", world.cast.taizhou.id, agreed=True))
    with pytest.raises(Invalid) as refused, world.begin() as db:
        urgent.send(db, world.cast.surgeon.actor, naming)
    assert "question" in {field.partition(".")[0] for field in refused.value.fields}
    assert count(world) == (0, 0)


def test_only_a_severed_part_is_asked_for_its_unit(world: World) -> None:
    with world.begin() as db:
        case = urgent.send(db, world.cast.surgeon.actor, told(world, kind="open_fracture", unit={}))
        assert case.urgency == "emergency"
        assert [item.entry.type for item in entries.for_case(db, world.cast.surgeon.actor, case.id)] == ["injury"]


def test_a_reason_stands_in_for_a_consent_that_nobody_could_give(world: World) -> None:
    unasked = Question("Can it be replanted?", world.cast.taizhou.id, without_consent="unconscious, alone")
    with world.begin() as db:
        case = urgent.send(db, world.cast.surgeon.actor, told(world, question=unasked))
        standing = consents.standing(db, world.cast.surgeon.actor, case.id)
        assert standing["treatment"] is not None
        assert standing["treatment"].standing == "excused"


def test_somebody_alike_is_asked_about_first(world: World) -> None:
    person = Person(name="胡杨", sex="male", record_number="Z26-1")
    with world.begin() as db:
        known = patients.create(db, world.cast.surgeon.actor, name="胡杨", sex="male", record_number="Z26-1")
    with pytest.raises(Conflict, match="patient-looks-known"), world.begin() as db:
        urgent.send(db, world.cast.surgeon.actor, told(world, person=person))
    with world.begin() as db:
        case = urgent.send(db, world.cast.surgeon.actor, told(world, person=Person(patient_id=known.id)))
        assert case.patient_id == known.id
        other = urgent.send(db, world.cast.surgeon.actor, told(world, person=replace(person, another=True)))
        assert other.patient_id != known.id


def test_who_may_open_no_case_may_not_ask_in_a_hurry(world: World) -> None:
    for member in (world.cast.nurse, world.cast.expert, world.cast.administrator):
        with pytest.raises(Denied), world.begin() as db:
            urgent.send(db, member.actor, told(world))


def test_a_patient_of_another_hospital_is_not_there(world: World) -> None:
    with pytest.raises(Exception, match="not-found"), world.begin() as db:
        urgent.send(db, world.cast.surgeon.actor, told(world, person=Person(patient_id=UUID(int=7))))
