"""What is sent twice at the very same time is done once, on either engine; of two who write at once one is told."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from core.db import Tx
from core.errors import Conflict, PreconditionFailed, ShanhaiError
from registry import audience, cases, decisions, entries, followups, messages, numbering, opinions, referrals
from registry.opinions import Opinion
from tests.registry.conftest import WORDS, World, stepped_up, wall


def at_once(world: World, verb: Callable[[Tx], Any], times: int = 4) -> tuple[set[Any], list[ShanhaiError]]:
    """The ids that come back, and what was refused, when a verb is called from several threads together."""
    ready, ids, errors = threading.Barrier(times), set(), []

    def call() -> None:
        ready.wait()
        try:
            with world.begin() as db:
                ids.add(verb(db).id)
        except ShanhaiError as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids, errors


def test_everything_with_a_client_key_is_written_once(world: World) -> None:
    cast, surgeon = world.cast, world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        patient = case.patient_id
        world.asked(db, case)
        opinion = world.sign(db, case)
        fresh = world.case(db)
        injured = {"injured_at": wall(case.created_at), "mechanism": "crush"}
    sent: dict[str, Callable[[Tx], Any]] = {
        "case": lambda db: cases.create(db, surgeon, patient_id=patient, kind="flap", client_key="k"),
        "entry": lambda db: entries.submit(db, surgeon, case.id, "injury", injured, client_key="k"),
        "message": lambda db: messages.post(db, surgeon, case_id=case.id, text="once", client_key="k"),
        "decision": lambda db: decisions.record(db, surgeon, case_id=case.id, opinion_id=opinion.id, choice="accept", client_key="k"),
        "referral": lambda db: referrals.request(
            db, surgeon, case_id=fresh.id, to_organisation_id=cast.taizhou.id, question="?", client_key="k"
        ),
    }
    for name, verb in sent.items():
        ids, errors = at_once(world, verb)
        assert (len(ids), errors) == (1, []), name


def test_an_opinion_signed_in_two_windows_is_signed_once(world: World) -> None:
    expert = stepped_up(world.cast.expert.actor)
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinions.save(db, expert, case.id, WORDS)
    ids, errors = at_once(world, lambda db: opinions.sign(db, expert, case.id))
    assert len(ids) == 1
    assert {error.code for error in errors} == {"opinion-nothing-to-sign"}
    with world.begin() as db:
        assert db.query(Opinion).count() == 1


def test_two_who_write_at_once_are_both_kept_and_a_draft_saved_twice_is_one(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        injured = {"injured_at": wall(case.created_at), "mechanism": "crush"}
    actors = iter([cast.surgeon.actor, cast.second_surgeon.actor, cast.nurse.actor])
    ids, errors = at_once(world, lambda db: entries.submit(db, next(actors), case.id, "injury", injured), 3)
    assert (len(ids), errors) == (3, [])
    versions = []

    class Saved:
        id = 1

    def save(db: Tx) -> type[Saved]:
        versions.append(entries.save(db, cast.surgeon.actor, case.id, "injury", {"note": "x"}).version)
        return Saved

    _, errors = at_once(world, save)
    assert errors == []
    assert sorted(versions) == [1, 2, 3, 4]


def test_a_question_is_given_to_one_expert_even_when_two_coordinators_act_at_once(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case)
    experts = iter([cast.expert.id, cast.second_expert.id])
    at_once(world, lambda db: referrals.allocate(db, cast.coordinator.actor, referral.id, expert_id=next(experts)), 2)
    with world.begin() as db:
        row = referrals.get(db, cast.surgeon.actor, referral.id).referral
        inside = {grant.person_id for grant in audience.grants(db, case) if grant.role == "expert"}
        assert inside == {row.expert_id}


def test_a_visit_is_recorded_by_one_of_two(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        visits = followups.plan(db, cast.nurse.actor, case.id, treated_on=case.created_at.date())
    seen = {"seen_on": case.created_at.date().isoformat(), "survival": "survived"}
    ids, errors = at_once(world, lambda db: followups.record(db, cast.nurse.actor, case.id, seen, visit_id=visits[0].id), 2)
    assert len(ids) == 1
    assert [error.code for error in errors] == ["visit-recorded-already"]


def test_what_another_transaction_did_first_is_said_in_our_own_words(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)

    def late() -> None:
        with world.begin() as db:
            row = db.get_one(cases.Case, case.id)
            db.execute(cases.Case.__table__.update().values(version=99))
            row.state = "closed"

    def twin() -> None:
        with world.begin() as db:
            db.add(numbering.CaseCounter(organisation_id=case.organisation_id, year=case.year, last=1))

    with pytest.raises(PreconditionFailed, match="changed-meanwhile"):
        late()
    with pytest.raises(Conflict, match="written-meanwhile"):
        twin()
