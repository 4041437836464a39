"""The second wall: what PostgreSQL itself shows, changes and refuses, with the first wall not asked at all.

SQL is written here by hand, in transactions that act for one hospital or another, so that no check of ours stands
between. SQLite has no such wall; a test over the application (web/test_walls.py) runs on both and shows the difference.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from auth import agreements, blinding, grants, invitations, organisations, proposals
from core import audit, ids
from core.actor import Actor
from core.db import ACTING, Database, Tx
from core.errors import Unavailable
from core.tables import Base
from imaging import annotations, intake, previews
from imaging.sandbox import Pool
from registry import (
    decisions,
    deliveries,
    entries,
    followups,
    holds,
    hooks,
    joint,
    matching,
    merges,
    messages,
    opinions,
    preferences,
    presentations,
    retention,
    reviews,
    scans,
    schema,
    subscriptions,
    walls,
)
from registry.cases import Case
from registry.preferences import Choices
from registry.walls import OPEN, WALLS
from tests import cast as people_of
from tests import trainees
from tests.conftest import Engine
from tests.engines import POSTGRES_S3
from tests.imaging import samples
from tests.registry.conftest import WORDS, World, stepped_up
from tests.registry.test_pushing import Held
from tests.registry.test_reviews import told as injured

schema.load()
TABLES: dict[str, Table] = dict(Base.metadata.tables)

on_postgres = pytest.mark.parametrize("engine", [POSTGRES_S3], indirect=True)


def test_every_table_is_decided() -> None:
    undecided = sorted(set(TABLES) - set(WALLS) - set(OPEN))
    assert not undecided, (
        f"{undecided}: decide for each in registry/walls.py. A table that holds or leads to what is in a record goes into WALLS with who "
        "sees, adds, changes and removes its rows (OWN: the owner's alone; CASE: also a hospital let into the case; what is left out the "
        "server has no right to do); then see that rows_of_everything() in this file makes a row of it. A table that must be read before "
        "anybody is known, or by every hospital, goes into OPEN with the reason. No migration is needed: 'shanhai migrate' puts the walls up."
    )
    assert sorted((set(WALLS) | set(OPEN)) - set(TABLES)) == [], "there are no such tables"
    assert set(WALLS) & set(OPEN) == set()


def test_every_decision_gives_its_reason() -> None:
    assert all([*OPEN.values(), *(wall.why for wall in WALLS.values())])


# --- a world with a row of everything ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


@dataclass(frozen=True)
class Full:
    """Aral's cases: ``shared`` was referred to Taizhou and has everything in it, ``closed`` is of the same patient and at home."""

    world: World
    shared: Case
    closed: Case

    def acting(self, organisation_id: UUID) -> Any:
        """A transaction of the edge that acts for a hospital."""
        return self.world.database.at_the_edge().begin(acting=organisation_id)

    @property
    def kashgar(self) -> Any:
        """A transaction of the stranger's hospital."""
        return self.acting(self.world.cast.kashgar.id)

    @property
    def taizhou(self) -> Any:
        """A transaction of the invited hospital."""
        return self.acting(self.world.cast.taizhou.id)


@pytest.fixture
def full(world: World, pool: Pool) -> Full:
    return rows_of_everything(world, pool)


def rows_of_everything(world: World, pool: Pool) -> Full:
    """At least one row of Aral's in every table with a wall, made through verbs."""
    surgeon, expert = world.cast.surgeon.actor, world.cast.expert.actor
    with world.begin() as db:
        shared = world.case(db)
        closed = world.case(db, patient_id=shared.patient_id)
        for case in (shared, closed):
            world.injury(db, case)
            world.severed(db, case)
            messages.post(db, surgeon, case_id=case.id, text="The part lies on ice.")
        entries.save(db, surgeon, shared.id, "injury", {"note": "x"})
        world.asked(db, shared)
        agreements.agree(db, Actor.system(world.cast.aral.id), other_id=world.cast.taizhou.id, document=b"%PDF-1.7 signed")
        admin = stepped_up(world.cast.administrator.actor)
        invitations.invite(db, admin, email="new@example.org", roles=["nurse"])
        proposals.propose(db, admin, proposals.GIVE, person_id=world.cast.nurse.id, role="auditor")
        hotan = organisations.create(db, name="和田地区医院", name_en="Hotan District Hospital", city="和田")
        people_of.join(db, hotan, "yu.jie", "于洁", "Yu Jie", "coordinator")
        world.refer(db, shared, to_organisation_id=hotan.id, without_agreement="The nearest.")
        blinding.begin(db, surgeon, organisation_id=shared.organisation_id, case_id=shared.id)
        blinding.lift(db, surgeon, shared.id, "hospital")
        preferences.choose(db, surgeon, Choices())
        retention.set_rule(db, admin, outpatient_years=20, inpatient_years=30, archive_after_days=90)
        holds.place(db, admin, number=closed.number, reason="An inquiry.")
        where = {"url": "https://systems.aral.example/in", "urgency": "routine", "language": "zh"}
        hook, _ = hooks.set_up(db, admin, name="on call", form="standard", fits=lambda _: True, **where)
        deliveries.try_out(db, admin, hook.id)
        browser = Held("https://push.aral.example", "/x").browser
        subscriptions.subscribe(db, surgeon, browser, name="", fits=lambda _: True)
        world.restrict(db, closed)
        world.behind_glass(db, world.cast.nurse, closed)
    for case in (shared, closed):
        data = samples.photo(colour=1 if case is shared else 2)
        upload = intake.take_in(world.database, pool, surgeon, case.id, "a.jpg", data, expected=matching.expected)
        assert upload.state == "filed", upload.reason
        assert upload.instance_id is not None
        previews.make(world.database, pool, upload.instance_id)
        with world.begin() as db:
            drawn = {"case_id": case.id, "instance_id": upload.instance_id, "frame": 1}
            author = expert if case is shared else surgeon
            annotations.create(db, author, tool="arrow", points=[(3.0, 4.0), (30.5, 20.25)], client_id=ids.new(), **drawn)
    with world.begin() as db:
        messages.thread(db, surgeon, shared.id)
        opinion = world.sign(db, shared)
        learning, until = trainees.expert(db, world.cast), ids.now() + dt.timedelta(days=30)
        let_in = {"organisation_id": world.cast.aral.id, "grantee_organisation_id": world.cast.taizhou.id, "expires_at": until}
        grants.give(db, surgeon, case_id=shared.id, role="expert", person_id=learning.id, reason="test", **let_in)
        signed = presentations.present(db, stepped_up(learning.actor), shared.id, WORDS, senior_id=world.cast.expert.id)
        presentations.countersign(db, stepped_up(expert), signed.id)
        told = entries.submit(db, trainees.surgeon(db, world.cast).actor, shared.id, "injury", injured())
        reviews.countersign(db, surgeon, told.id)
        scans.attach(db, surgeon, shared.id, scans.Sheet("application/pdf", b"%PDF-1.7"), purposes=["treatment"])
        merges.merge(db, surgeon, kept_id=shared.patient_id, merged_id=world.patient(db).id, reason="One person.")
        colleague = people_of.join(db, world.cast.taizhou, "he.xin", "何欣", "He Xin", "expert")
        grants.give(db, surgeon, case_id=shared.id, role="expert", person_id=colleague.id, reason="test", **let_in)
        opinions.sign(db, stepped_up(colleague.actor), shared.id, WORDS)
        joint.sign(db, stepped_up(expert), shared.id, WORDS)
        decisions.record(db, surgeon, case_id=shared.id, opinion_id=opinion.id, choice="accept")
        followups.plan(db, surgeon, shared.id, treated_on=ids.now().date())
    return Full(world, shared, closed)


def count(db: Session, table: str) -> int:
    return db.scalar(select(func.count()).select_from(TABLES[table])) or 0


def values(db: Session, table: str, column: str) -> set[Any]:
    return set(db.scalars(select(TABLES[table].c[column]).distinct()))


def everything(root: Database) -> dict[str, list[Any]]:
    with root.begin(readonly=True) as db:
        return {name: sorted(map(str, db.execute(select(TABLES[name])))) for name in WALLS}


# --- strangers --------------------------------------------------------------------------------------------------------


@on_postgres
def test_strangers_and_nobody_see_no_row_of_any_table(full: Full) -> None:
    """Kashgar has nothing but its own log and keys; whoever acts for nobody sees nothing at all."""
    aral = full.world.cast.aral.id
    with full.world.begin() as db:
        there = {name: count(db, name) for name in WALLS}
    assert [name for name, rows in there.items() if not rows] == [], "these tables were not tried: give rows_of_everything() a row"
    with full.kashgar as db:
        seen = {name: count(db, name) for name in WALLS}
        assert all(aral not in values(db, name, "organisation_id") for name in WALLS if "organisation_id" in TABLES[name].c)
        cases_seen = {name for name in WALLS if "case_id" in TABLES[name].c and values(db, name, "case_id") - {None}}
        assert cases_seen == set()
    own = {"audit_events", "audit_leaves", "audit_heads", "wrapped_keys", "jobs", "message_marks"}
    assert {name: rows for name, rows in seen.items() if rows and name not in own} == {}
    with full.world.database.at_the_edge().begin() as db:
        assert {name: count(db, name) for name in WALLS} == dict.fromkeys(WALLS, 0)


@on_postgres
def test_strangers_and_nobody_change_no_row_of_any_table(full: Full, root: Database) -> None:
    """Neither a change nor a removal touches a foreign row, and a foreign row is not added. (Theirs are left out of it.)"""
    aral = full.world.cast.aral.id
    with root.begin() as db:
        rows = {name: dict(db.execute(_of(TABLES[name], aral)).mappings().first() or {}) for name in WALLS}
    assert [name for name, row in rows.items() if not row] == []
    before = everything(root)
    for acting in (full.world.cast.kashgar.id, None):
        for name, row in rows.items():
            table = TABLES[name]
            column = table.c[(WALLS[name].columns or (next(iter(table.c)).name,))[0]]
            this = [key == row[key.name] for key in table.primary_key]
            for attempt in (update(table).where(*this).values({column: row[column.name]}), delete(table).where(*this)):
                assert tried(full.world.database, acting, attempt) in (0, "42501"), (name, attempt)
            assert tried(full.world.database, acting, insert(table).values(row)) == "42501", name
    assert everything(root) == before


def _of(table: Table, organisation_id: UUID) -> Any:
    query = select(table).limit(1)
    return query.where(table.c.organisation_id == organisation_id) if "organisation_id" in table.c else query


def tried(database: Database, acting: UUID | None, statement: Any) -> int | str:
    """The rows a statement touched, or the SQLSTATE it was refused with (PostgreSQL appendix A: 42501 insufficient_privilege)."""
    try:
        with database.at_the_edge().begin(acting=acting) as db:
            return int(db.execute(statement).rowcount)  # type: ignore[attr-defined]
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", None))


@on_postgres
def test_nobody_writes_into_a_log_in_another_hospitals_name(full: Full) -> None:
    """Neither into a strange log, nor by a visitor as somebody of the house."""
    cast = full.world.cast
    for acting, actor in ((cast.kashgar, cast.stranger.actor), (cast.taizhou, cast.surgeon.actor)):
        with pytest.raises(DBAPIError, match="row-level security"), full.acting(acting.id) as db:
            audit.record(db, actor, "case:read", organisation_id=cast.aral.id, case_id=full.shared.id)
    with full.taizhou as db:
        audit.record(db, cast.expert.actor, "case:read", organisation_id=cast.aral.id, case_id=full.shared.id)
    events = TABLES["audit_events"]
    with full.world.begin() as db:
        forged = dict(db.execute(select(events).where(events.c.actor_organisation_id == cast.aral.id).limit(1)).mappings().one())
    assert tried(full.world.database, cast.taizhou.id, insert(events).values(forged | {"id": ids.new()})) == "42501"


# --- the hospital that was let in ---------------------------------------------------------------------------------------


@on_postgres
def test_the_invited_hospital_sees_the_case_and_no_other_of_the_patient(full: Full) -> None:
    with full.taizhou as db:
        for name in WALLS:
            table = TABLES[name]
            if "case_id" in table.c and name != "audit_events":
                assert values(db, name, "case_id") <= {full.shared.id}, name
        assert values(db, "cases", "id") == {full.shared.id}
        assert values(db, "patients", "id") == {full.shared.patient_id}
        assert {name for name in ("patient_indexes", "case_counters", "uploads", "drafts") if count(db, name)} == {"drafts"}
        pictures = set(db.scalars(select(TABLES["instances"].c.id)))
        assert len(pictures) == 1
        assert values(db, "renditions", "instance_id") == pictures
        bodies = values(db, "instances", "body_id")
        assert values(db, "image_parts", "body_id") == bodies
        keys = TABLES["wrapped_keys"]
        seen = set(map(tuple, db.execute(select(keys.c.kind, keys.c.unit_id).where(keys.c.organisation_id == aral(full)))))
        studies = values(db, "instances", "key_id") | values(db, "studies", "id")
        assert seen == {
            ("organisation", aral(full)),
            ("case", full.shared.id),
            ("patient", full.shared.patient_id),
            *(("study", study) for study in studies),
        }
        foreign = select(TABLES["audit_events"].c.actor_organisation_id).where(TABLES["audit_events"].c.organisation_id == aral(full))
        assert set(db.scalars(foreign)) == {full.world.cast.taizhou.id}, "of Aral's log, what its own people did"


def aral(full: Full) -> UUID:
    return full.world.cast.aral.id


@on_postgres
def test_the_invited_hospital_writes_no_record(full: Full, root: Database) -> None:
    """It talks, draws and signs; the record, the pictures and the keys are the treating hospital's."""
    ours = ("entries", "consents", "decisions", "visits", "studies", "series", "instances", "renditions", "wrapped_keys", "patients")
    before = everything(root)
    with full.world.begin() as db:
        rows = {name: dict(db.execute(_of(TABLES[name], aral(full))).mappings().one()) for name in ours}
    for name, row in rows.items():
        assert tried(full.world.database, full.world.cast.taizhou.id, insert(TABLES[name]).values(row)) == "42501", name
        for attempt in (update(TABLES[name]).values(organisation_id=aral(full)), delete(TABLES[name])):
            if name != "wrapped_keys":
                assert tried(full.world.database, full.world.cast.taizhou.id, attempt) in (0, "42501"), name
    assert everything(root) == before


@on_postgres
@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_the_end_of_a_grant_ends_it_a_minute_later(full: Full, root: Database, end: str) -> None:
    """The first wall ends it at once; the second allows for clocks that differ."""
    for seconds, seen in ((30, 1), (61, 0)):
        with root.begin() as db:
            db.execute(text(f"UPDATE grants SET {end} = now() - interval '{seconds} seconds'"))
        with full.taizhou as db:
            assert count(db, "cases") == seen, seconds
    with full.taizhou as db:
        seen = {name for name in WALLS if "case_id" in TABLES[name].c and values(db, name, "case_id") - {None}}
        assert seen == {"audit_events", "grants", "notices"}, "what was, and what its own people did and were told"
        assert {
            name: count(db, name) for name in ("cases", "patients", "instances", "renditions", "image_parts", "annotations")
        } == dict.fromkeys(("cases", "patients", "instances", "renditions", "image_parts", "annotations"), 0)
        keys = TABLES["wrapped_keys"]
        assert list(db.scalars(select(keys.c.id).where(keys.c.organisation_id == aral(full)))) == []


@on_postgres
def test_a_right_that_is_withdrawn_can_still_be_written_about(full: Full) -> None:
    """In the transaction that withdraws it, and no longer after a minute."""
    expert = full.world.cast.expert.actor
    with full.taizhou as db:
        mine = next(grant for grant in grants.for_case(db, expert, case_id=full.shared.id, organisation_id=aral(full)) if grant.person_id)
        grants.revoke(db, expert, mine.id, because="given-up")
        assert db.get(Case, full.shared.id) is not None


@on_postgres
def test_a_grant_is_neither_lengthened_nor_revived_by_whom_it_serves(full: Full) -> None:
    table = TABLES["grants"]
    taizhou = full.world.cast.taizhou.id
    assert tried(full.world.database, taizhou, update(table).values(expires_at=ids.now())) == "42501"
    assert tried(full.world.database, taizhou, update(table).values(revoked_at=None)) == "42501"
    assert tried(full.world.database, taizhou, text("UPDATE grants SET revoked_at = 'infinity'")) == 4
    with full.taizhou as db:
        assert count(db, "cases") == 0


@on_postgres
def test_no_third_hospital_knows_of_what_waits_for_a_senior_and_nobody_rewrites_it(full: Full) -> None:
    """Hotan was asked about the same case; the asker may end what waits and not touch what was signed."""
    cast, table = full.world.cast, TABLES["presentations"]
    with full.world.begin() as db:
        hotan = next(one.id for one in organisations.every(db) if one.name_en.startswith("Hotan"))
    with full.acting(hotan) as db:
        assert values(db, "opinions", "case_id") == {full.shared.id}
        assert count(db, "presentations") == 0
    for acting in (cast.aral.id, cast.taizhou.id):
        for column in ("document", "sha256", "signature", "author_id"):
            assert tried(full.world.database, acting, update(table).values({column: table.c[column]})) == "42501", column
    with full.taizhou as db:
        row = dict(db.execute(select(table)).mappings().one())
    assert tried(full.world.database, cast.aral.id, insert(table).values(row | {"id": ids.new()})) == "42501"


# --- transactions -------------------------------------------------------------------------------------------------------


@on_postgres
def test_a_transaction_narrows_and_never_widens(full: Full) -> None:
    cast = full.world.cast
    with full.world.database.at_the_edge().begin() as db:
        assert count(db, "cases") == 0
        db.act_for(cast.aral.id)
        assert count(db, "cases") == 2
        db.act_for(cast.aral.id)
        with pytest.raises(RuntimeError):
            db.act_for(cast.kashgar.id)
        assert count(db, "cases") == 2
    with full.world.database.begin() as db:
        db.act_for(cast.kashgar.id)
        assert count(db, "cases") == 0


@on_postgres
def test_nothing_is_left_on_a_connection(full: Full) -> None:
    """Neither what a transaction acted for, nor after a fault in one: the next on that connection begins as nobody."""
    database = full.world.database
    database.engine.dispose()  # so that there is one connection, and each transaction takes it
    seen = set()
    for fault in (False, True):
        with pytest.raises(ZeroDivisionError) if fault else nullcontext(), database.begin(acting=aral(full)) as db:
            seen.add(backend(db))
            if fault:
                raise ZeroDivisionError
        with database.at_the_edge().begin() as db:
            seen.add(backend(db))
            assert (count(db, "cases"), db.scalar(text("SELECT current_setting(:name, true)"), {"name": ACTING})) == (0, "")
    assert len(seen) == 1


def backend(db: Tx) -> int:
    return int(db.scalar(text("SELECT pg_backend_pid()")) or 0)


# --- roles --------------------------------------------------------------------------------------------------------------


@on_postgres
def test_what_is_only_added_to_the_server_cannot_change(full: Full) -> None:
    """Not even as the system, and not the log above all."""
    kept = {name for name, wall in WALLS.items() if not wall.changes}
    assert {"audit_events", "audit_event_patients", "audit_leaves", "entries", "opinions", "annotation_versions", "messages"} <= kept
    for name in sorted(kept):
        for statement in (f"UPDATE {name} SET organisation_id = NULL", f"DELETE FROM {name}", f"TRUNCATE {name}"):
            if statement.startswith("DELETE") and WALLS[name].removes:
                continue
            with pytest.raises(DBAPIError, match=r"permission denied|does not exist"), full.world.begin() as db:
                db.execute(text(statement))


@on_postgres
def test_a_role_that_no_wall_holds_is_refused(engine: Engine, database: Database, root: Database, caplog: pytest.LogCaptureFixture) -> None:
    walls.check(database)
    assert caplog.text == ""
    with pytest.raises(Unavailable, match="database-role-over-walls"):
        walls.check(root)
    owner = engine.open(engine.owner_url)
    walls.check(owner)
    assert "OWNS ITS TABLES" in caplog.text
    with owner.at_the_edge().begin() as db:
        assert count(db, "audit_events") == 0, "FORCE holds the owner"
    owner.close()


@pytest.mark.parametrize("blank_engine", [POSTGRES_S3], indirect=True)
@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE messages DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY wall_select ON messages",
        "CREATE POLICY all_of_it ON messages USING (true)",
        "ALTER POLICY wall_select ON messages USING (true)",
    ],
)
def test_a_wall_that_is_down_is_refused_and_put_up_again(blank_engine: Engine, damage: str) -> None:
    owner, served = blank_engine.open(blank_engine.owner_url), blank_engine.open()
    schema.upgrade(owner, walls.role(served))
    walls.check(served)
    with owner.begin() as db:
        db.execute(text(damage))
    with pytest.raises(Unavailable, match="walls-down"):
        walls.check(served)
    schema.upgrade(owner, walls.role(served))
    walls.check(served)
    owner.close()
    served.close()


@pytest.mark.parametrize("blank_engine", [POSTGRES_S3], indirect=True)
def test_a_database_that_says_beforehand_for_whom_everybody_acts_is_refused(blank_engine: Engine) -> None:
    root, served = blank_engine.open(blank_engine.root_url), blank_engine.open()
    name, acted_for = root.engine.url.database, f"SET {ACTING} = 'system'"
    with root.begin() as db:
        db.execute(text(f'ALTER ROLE {walls.role(served)} IN DATABASE "{name}" {acted_for}'))
    served.engine.dispose()
    with pytest.raises(Unavailable, match="database-acting-preset"):
        walls.check(served)
    root.close()
    served.close()
