"""Nothing of a patient stands in the clear, and no verb lets an outsider in: both over the whole record."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Denied, NotFound
from core.tables import Base
from registry import (
    access,
    board,
    cases,
    consents,
    decisions,
    entries,
    followups,
    messages,
    opinions,
    patients,
    referrals,
    verdicts,
)
from tests.registry.conftest import WORDS, World, stepped_up

SECRETS = (
    "张卫国",
    "zhangweiguo",
    "650101198803050017",
    "A-1001",
    "13800001234",
    "1988-03-05",
    "皮缘苍白",
    "能否再植",
    "断端整齐",
    "妻子签字",
)
SECRETS += ("家属拒绝", "指腹饱满", "草稿未完", "毛细血管", "本院无显微", "剪草机", "转院撤回")


def whole_case(world: World) -> dict[str, Any]:
    """A case with something in every table of the record."""
    cast, surgeon = world.cast, world.cast.surgeon.actor
    with world.begin() as db:
        patient = patients.create(
            db,
            surgeon,
            name="张卫国",
            sex="male",
            birth_date=dt.date(1988, 3, 5),
            national_id="650101198803050017",
            record_number="A-1001",
            phone="13800001234",
        )
        case = world.case(db, patient_id=patient.id)
        consents.record(db, surgeon, case_id=case.id, purpose="teaching", statement="give", note="妻子签字")
        entry = world.injury(db, case, note="皮缘苍白", occupation="剪草机手")
        world.severed(db, case)
        entries.save(db, surgeon, case.id, "injury", {"note": "草稿未完"})
        referral = world.asked(db, case, question="能否再植？", reason="本院无显微外科")
        messages.post(db, surgeon, case_id=case.id, text="毛细血管充盈消失")
        opinions.save(db, cast.expert.actor, case.id, {"monitoring": "草稿未完"})
        opinion = world.sign(db, case, findings="断端整齐")
        decisions.record(db, surgeon, case_id=case.id, opinion_id=opinion.id, choice="modify", reason="家属拒绝转院")
        visits = followups.plan(db, surgeon, case.id, treated_on=ids.now().date() - dt.timedelta(days=14))
        seen = {"seen_on": ids.now().date().isoformat(), "survival": "survived", "note": "指腹饱满"}
        followups.record(db, surgeon, case.id, seen, visit_id=visits[0].id)
        again = world.refer(db, case, question="能否再植第二问？")
        referrals.withdraw(db, surgeon, again.id, reason="转院撤回")
    return {"patient": patient, "case": case, "entry": entry, "referral": referral, "opinion": opinion, "visit": visits[1]}


def test_no_word_about_the_patient_stands_in_the_clear_in_any_table(world: World) -> None:
    whole_case(world)
    filled = set()
    with world.begin() as db:
        for table in Base.metadata.sorted_tables:
            rows = db.execute(select(table)).all()
            filled |= {table.name} if rows else set()
            for row in rows:
                for column, value in row._mapping.items():
                    plain = value if isinstance(value, bytes) else str(value).encode()
                    if (table.name, str(column)) == ("people", "name"):
                        continue
                    for secret in SECRETS:
                        assert secret.encode() not in plain, f"{table.name}.{column}"
                        assert repr(secret)[1:-1].encode("unicode_escape") not in plain, f"{table.name}.{column}"
    assert {
        "patients",
        "patient_indexes",
        "patient_shards",
        "cases",
        "entries",
        "referrals",
        "referral_steps",
        "messages",
        "opinions",
    } <= filled
    assert {"decisions", "consents", "drafts", "visits", "notices", "jobs", "audit_events"} <= filled


def test_no_secret_reaches_the_file_of_the_database(world: World) -> None:
    whole_case(world)
    if world.database.engine.dialect.name != "sqlite":
        return
    with world.database.engine.connect() as connection:
        path = connection.execute(text("PRAGMA database_list")).first()
    assert path is not None
    for file in Path(path[2]).parent.glob("shanhai.sqlite*"):
        held = file.read_bytes()
        assert not [secret for secret in SECRETS if secret.encode() in held and secret != "1988-03-05"]


def verbs(found: dict[str, Any]) -> dict[str, Callable[[Tx, Actor], object]]:
    """Every verb on one case, as somebody might call it."""
    case, patient, entry = found["case"].id, found["patient"].id, found["entry"].id
    referral, opinion, visit = found["referral"].id, found["opinion"].id, found["visit"].id
    today = ids.now().date()
    version = found["case"].version
    return {
        "cases.get": lambda db, a: cases.get(db, a, case),
        "cases.identity": lambda db, a: cases.identity(db, a, case),
        "cases.set_urgency": lambda db, a: cases.set_urgency(db, a, case, urgency="emergency", version=version),
        "cases.treat": lambda db, a: cases.treat(db, a, case, on=today),
        "cases.close": lambda db, a: cases.close(db, a, case),
        "cases.create": lambda db, a: cases.create(db, a, patient_id=patient, kind="flap"),
        "patients.get": lambda db, a: patients.get(db, a, patient),
        "patients.identity": lambda db, a: patients.identity(db, a, patient),
        "patients.amend": lambda db, a: patients.amend(db, a, patient, version=1, name="x"),
        "board.read": lambda db, a: board.read(db, a, case),
        "consents.record": lambda db, a: consents.record(db, a, case_id=case, purpose="research", statement="give"),
        "consents.standing": lambda db, a: consents.standing(db, a, case),
        "entries.draft": lambda db, a: entries.draft(db, a, case, "injury"),
        "entries.save": lambda db, a: entries.save(db, a, case, "injury", {}),
        "entries.discard": lambda db, a: entries.discard(db, a, case, "injury"),
        "entries.submit": lambda db, a: entries.submit(db, a, case, "injury", {}),
        "entries.correct": lambda db, a: entries.correct(db, a, entry, {}, reason="x"),
        "entries.get": lambda db, a: entries.get(db, a, entry),
        "entries.for_case": lambda db, a: entries.for_case(db, a, case),
        "referrals.request": lambda db, a: referrals.request(db, a, case_id=case, to_organisation_id=a.organisation_id, question="?"),
        "referrals.allocate": lambda db, a: referrals.allocate(db, a, referral, expert_id=a.person_id or ids.new()),
        "referrals.acknowledge": lambda db, a: referrals.acknowledge(db, a, referral),
        "referrals.decline": lambda db, a: referrals.decline(db, a, referral, code="no_capacity"),
        "referrals.withdraw": lambda db, a: referrals.withdraw(db, a, referral),
        "referrals.for_case": lambda db, a: referrals.for_case(db, a, case),
        "referrals.get": lambda db, a: referrals.get(db, a, referral),
        "messages.post": lambda db, a: messages.post(db, a, case_id=case, text="x"),
        "messages.thread": lambda db, a: messages.thread(db, a, case),
        "opinions.draft": lambda db, a: opinions.draft(db, a, case),
        "opinions.save": lambda db, a: opinions.save(db, a, case, {}),
        "opinions.sign": lambda db, a: opinions.sign(db, stepped_up(a), case, WORDS),
        "opinions.for_case": lambda db, a: opinions.for_case(db, a, case),
        "opinions.get": lambda db, a: opinions.get(db, a, opinion),
        "opinions.canonical": lambda db, a: opinions.canonical(db, a, opinion),
        "verdicts.verify": lambda db, a: verdicts.verify(db, a, opinion),
        "decisions.record": lambda db, a: decisions.record(db, a, case_id=case, opinion_id=opinion, choice="accept"),
        "decisions.for_case": lambda db, a: decisions.for_case(db, a, case),
        "followups.plan": lambda db, a: followups.plan(db, a, case, treated_on=today),
        "followups.record": lambda db, a: followups.record(db, a, case, {}, visit_id=visit),
        "followups.for_case": lambda db, a: followups.for_case(db, a, case),
        "access.who_saw_case": lambda db, a: access.who_saw_case(db, a, case),
    }


# What an auditor of the own hospital, and its administrator while duties are not separate, may do with identities and the log.
AUDITOR = {"cases.identity", "patients.get", "patients.identity", "access.who_saw_case"}


def test_to_every_outsider_every_verb_says_not_found_and_leaves_no_trace(world: World) -> None:
    cast = world.cast
    found = whole_case(world)
    outsiders = {
        "stranger": (cast.stranger.actor, set[str]()),
        "colleague of the expert": (cast.second_expert.actor, set[str]()),
        "administrator": (cast.administrator.actor, AUDITOR),
        "auditor": (cast.auditor.actor, AUDITOR),
    }
    with world.begin() as db:
        before = len(audit.events(db, cast.aral.id, limit=1000))
        for who, (actor, allowed) in outsiders.items():
            for name, verb in verbs(found).items():
                if name in allowed:
                    continue
                outside_any_case = name == "cases.create" or name.startswith("patients.")
                with pytest.raises((NotFound, Denied) if outside_any_case else NotFound):
                    pytest.fail(f"{who}: {name} gave {verb(db, actor)!r}")
    with world.begin() as db:
        assert len(audit.events(db, cast.aral.id, limit=1000)) == before


def test_an_expert_whose_grant_has_ended_is_an_outsider_too(world: World) -> None:
    found = whole_case(world)
    late = ids.now() + dt.timedelta(days=401)
    with ids.told(late), world.begin() as db:
        for name in ("cases.get", "entries.for_case", "messages.thread", "opinions.for_case", "followups.for_case", "opinions.draft"):
            with pytest.raises(NotFound):
                verbs(found)[name](db, world.cast.expert.actor)
    with world.begin() as db:
        assert cases.get(db, world.cast.expert.actor, found["case"].id)
