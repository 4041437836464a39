"""Agreements: each side binds itself, for its days, both ways; the signed document is each side's own."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import select

from auth import agreements, documents
from auth.agreements import EVENTS, MOVES, STANDINGS, Agreement
from auth.documents import Document
from core import audit, ids
from core.actor import Actor
from core.db import Database, Tx
from core.errors import Conflict, Damaged, Denied, Invalid, NotFound, StepUpNeeded, Unavailable
from core.jobs import JobRow
from core.keyring import Unit
from tests.cast import Cast, Member, join

DAY = dt.timedelta(days=1)
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 300 + b"%%EOF\n"


def today() -> dt.date:
    """The calendar day in both hospitals."""
    return ids.now().astimezone(dt.timezone(dt.timedelta(hours=7))).date()


def stepped_up(member: Member) -> Actor:
    """The member with a second factor just given."""
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


@pytest.fixture
def kashgar(database: Database, cast: Cast) -> Member:
    """The administrator of the hospital that has no agreement."""
    with database.begin() as db:
        return join(db, cast.kashgar, "guli", "古丽", "Guli", "administrator")


def propose(db: Tx, cast: Cast, **more: object) -> Agreement:
    """Aral offers Kashgar an agreement from today, for a year."""
    told = {"starts": today(), "ends": today() + 365 * DAY, "covers": ["consultation"], "words": "断指再植", "document": PDF, **more}
    return agreements.propose(db, stepped_up(cast.administrator), other_id=cast.kashgar.id, **told)  # type: ignore[arg-type]


def told_of(db: Tx, kind: str) -> list[UUID]:
    """Who is about to be told that."""
    return sorted(UUID(row.payload["person_id"]) for row in db.scalars(select(JobRow)) if row.payload.get("kind") == kind)


# --- the table ------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    assert set(MOVES) == {(standing, event) for standing in STANDINGS for event in EVENTS}
    assert {after for after in MOVES.values() if after} == {"confirmed", "refused", "withdrawn", "ended"}
    assert all(MOVES[over, event] is None for over in ("lapsed", "refused", "withdrawn", "ended") for event in EVENTS)


def test_every_standing_and_event_is_as_the_table_says(database: Database, cast: Cast, kashgar: Member) -> None:
    """Each event from each standing, by the side that may; what is refused changes nothing."""
    acts: dict[str, Callable[[Tx, Agreement], Agreement]] = {
        "confirm": lambda db, row: agreements.confirm(db, stepped_up(kashgar), row.id),
        "refuse": lambda db, row: agreements.refuse(db, stepped_up(kashgar), row.id, reason="terms"),
        "withdraw": lambda db, row: agreements.withdraw(db, stepped_up(cast.administrator), row.id),
        "end": lambda db, row: agreements.end(db, stepped_up(kashgar), row.id, reason="by_both"),
    }
    for standing in STANDINGS:
        for event in EVENTS:
            with database.begin() as db:
                row = propose(db, cast)
                row.state = {"upcoming": "confirmed", "in-force": "confirmed", "lapsed": "confirmed"}.get(standing, standing)
                if standing == "upcoming":
                    row.starts = ids.now() + DAY
                if standing == "lapsed":
                    row.ends = ids.now()
                db.flush()
                assert row.standing(ids.now()) == standing
            with database.begin() as db:
                row = db.get_one(Agreement, row.id)
                after = MOVES[standing, event]
                if after is None:
                    with pytest.raises(Conflict, match="agreement-state-forbids"):
                        acts[event](db, row)
                else:
                    assert acts[event](db, row).state == after
                row.state = "withdrawn"


def test_time_alone_brings_it_into_force_and_ends_it(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        row = propose(db, cast, starts=today() + DAY, ends=today() + 2 * DAY)
        assert agreements.agreement_between(db, cast.aral.id, cast.kashgar.id, ids.now() + DAY) is None
        agreements.confirm(db, stepped_up(kashgar), row.id)
        for a, b in ((cast.aral.id, cast.kashgar.id), (cast.kashgar.id, cast.aral.id)):
            found = [agreements.agreement_between(db, a, b, ids.now() + n * DAY) for n in range(5)]
            assert [agreement.id if agreement else None for agreement in found] == [None, row.id, row.id, None, None]
        assert [row.standing(ids.now() + n * DAY) for n in range(4)] == ["upcoming", "in-force", "in-force", "lapsed"]
        assert agreements.agreement_between(db, cast.taizhou.id, cast.kashgar.id, ids.now() + DAY) is None
        assert agreements.agreement_between(db, cast.aral.id, cast.aral.id, ids.now()) is None


def test_the_first_and_the_last_day_are_whole_days_where_it_was_proposed(database: Database, cast: Cast) -> None:
    """Aral lives by Xinjiang time, six hours ahead of Greenwich."""
    with database.begin() as db:
        row = propose(db, cast, starts=dt.date(2031, 1, 1), ends=dt.date(2031, 12, 31))
    assert (row.starts, row.ends) == (dt.datetime(2030, 12, 31, 18, tzinfo=dt.UTC), dt.datetime(2031, 12, 31, 18, tzinfo=dt.UTC))


# --- binding ---------------------------------------------------------------------------------------------


def test_nobody_binds_the_other_side(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        row = propose(db, cast)
        for act in (agreements.confirm, lambda *given: agreements.refuse(*given, reason="terms")):
            with pytest.raises(Denied, match="agreement-of-other-side"):
                act(db, stepped_up(cast.administrator), row.id)
        with pytest.raises(Denied, match="agreement-of-other-side"):
            agreements.withdraw(db, stepped_up(kashgar), row.id)
        assert row.state == "proposed"
        assert agreements.agreement_between(db, cast.aral.id, cast.kashgar.id, ids.now()) is None


def test_binding_asks_for_the_second_factor_and_a_person(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        row = propose(db, cast)
        acts: list[Callable[[Actor], object]] = [
            lambda actor: agreements.confirm(db, actor, row.id),
            lambda actor: agreements.refuse(db, actor, row.id, reason="terms"),
        ]
        for act in acts:
            with pytest.raises(StepUpNeeded):
                act(kashgar.actor)
            with pytest.raises(Denied, match="session-needed"):
                act(dataclasses.replace(stepped_up(kashgar), token_id=ids.new(), scopes=frozenset({"agreement:manage"})))
        with pytest.raises(StepUpNeeded):
            agreements.withdraw(db, cast.administrator.actor, row.id)
        with pytest.raises(StepUpNeeded):
            agreements.propose(db, cast.administrator.actor, other_id=cast.kashgar.id, starts=today(), covers=["teaching"], document=PDF)
        agreements.confirm(db, stepped_up(kashgar), row.id)
        with pytest.raises(StepUpNeeded):
            agreements.end(db, cast.administrator.actor, row.id, reason="other")


def test_strangers_and_other_roles_are_kept_out(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        stranger = stepped_up(join(db, cast.taizhou, "qiao", "乔", "Qiao", "administrator"))
        row = propose(db, cast)
        for act in (agreements.get, agreements.document, agreements.confirm, agreements.withdraw):
            with pytest.raises(NotFound, match="agreement-not-found"):
                act(db, stranger, row.id)
        with pytest.raises(NotFound):
            agreements.end(db, stranger, row.id, reason="other")
        assert agreements.words(db, stranger, row) == ""
        assert [one.id for one in agreements.listed(db, kashgar.actor)] == [row.id]
        assert row.id not in [one.id for one in agreements.listed(db, stranger)]
        for member in cast.members.values():
            if "administrator" not in member.actor.roles:
                for read in (agreements.listed, lambda db, actor: agreements.get(db, actor, row.id)):
                    with pytest.raises(Denied):
                        read(db, member.actor)
                with pytest.raises(Denied):
                    agreements.propose(db, stepped_up(member), other_id=cast.kashgar.id, starts=today(), covers=["research"], document=PDF)


def test_only_the_operator_records_for_both(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        operator = join(db, cast.kashgar, "guo.ping", "郭平", "Guo Ping", "operator").actor
        for member in cast.members.values():
            with pytest.raises(Denied):
                agreements.agree(db, stepped_up(member), other_id=cast.kashgar.id)
        made = agreements.agree(db, operator, other_id=cast.taizhou.id, document=PDF)
        assert made.standing(ids.now()) == "in-force"
        assert [partner.id for partner in agreements.partners(db, cast.taizhou.id, ids.now())] == [cast.aral.id, cast.kashgar.id]


def test_it_is_ended_by_either_side_once(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        agreement = agreements.agreement_between(db, cast.aral.id, cast.taizhou.id, ids.now())
        assert agreement is not None
        with pytest.raises(Invalid):
            agreements.end(db, Actor.system(cast.taizhou.id), agreement.id, reason="because")
        agreements.end(db, Actor.system(cast.taizhou.id), agreement.id, reason="service_ended")
        assert agreements.partners(db, cast.aral.id, ids.now()) == []
        with pytest.raises(Conflict):
            agreements.end(db, Actor.system(cast.aral.id), agreement.id, reason="other")
    assert log(cast.aral.id)[0] == log(cast.taizhou.id)[0] == "agreement:end success"


def test_what_does_not_cover_consultation_lets_no_referral_cross(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        agreements.confirm(db, stepped_up(kashgar), propose(db, cast, covers=["teaching", "research"]).id)
        assert agreements.agreement_between(db, cast.aral.id, cast.kashgar.id, ids.now()) is None
        assert agreements.partners(db, cast.kashgar.id, ids.now()) == []
        both = propose(db, cast, covers=["research", "consultation"])
        agreements.confirm(db, stepped_up(kashgar), both.id)
        assert both.covers == ["consultation", "research"]
        assert [partner.id for partner in agreements.partners(db, cast.kashgar.id, ids.now())] == [cast.aral.id]


def test_agreements_that_cannot_be(database: Database, cast: Cast) -> None:
    def wrong(**told: object) -> dict[str, str]:
        with database.begin() as db, pytest.raises(Invalid) as caught:
            propose(db, cast, **told)
        return caught.value.fields

    assert wrong(ends=today() - DAY) == {"ends": "ends-before-start"}
    assert wrong(starts=today() - 9 * DAY, ends=today() - DAY) == {"ends": "agreement-over-already"}
    assert wrong(starts=dt.date(9999, 12, 31), ends=None) == {"starts": "date-too-far"}
    assert wrong(ends=dt.date(9999, 12, 31)) == {"ends": "date-too-far"}
    assert wrong(covers=[]) == wrong(covers=["surgery"]) == {"covers": "agreement-covers-nothing"}
    assert wrong(words="字" * 2001) == {"words": "text-too-long"}
    assert wrong(document=b"") == wrong(document=b"<html>%PDF-1.7") == wrong(document=b"MZ" + PDF) == {"document": "document-type"}
    assert wrong(document=PDF + bytes(documents.LARGEST)) == {"document": "document-too-large"}
    with database.begin() as db:
        administrator = stepped_up(cast.administrator)
        with pytest.raises(Invalid, match="invalid"):
            agreements.propose(db, administrator, other_id=cast.aral.id, starts=today(), covers=["consultation"], document=PDF)
        with pytest.raises(NotFound):
            agreements.propose(db, administrator, other_id=ids.new(), starts=today(), covers=["consultation"], document=PDF)
        assert not list(db.store.keys()), "what is refused leaves no bytes behind"


def test_one_proposal_at_a_time_between_two(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        row = propose(db, cast)
        for side, other in ((stepped_up(cast.administrator), cast.kashgar.id), (stepped_up(kashgar), cast.aral.id)):
            with pytest.raises(Conflict, match="agreement-proposed-already"):
                agreements.propose(db, side, other_id=other, starts=today(), covers=["consultation"], document=PDF)
        agreements.withdraw(db, stepped_up(cast.administrator), row.id)
        assert propose(db, cast).state == "proposed"


# --- the document and the words --------------------------------------------------------------------------


def test_each_side_has_its_own_copy_under_its_own_key(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        row = propose(db, cast)
    with database.begin() as db:
        copies = {one.organisation_id: one for one in db.scalars(select(Document))}
        assert set(copies) == {cast.aral.id, cast.kashgar.id}
        for member in (cast.administrator, kashgar):
            copy, reader = agreements.document(db, member.actor, row.id)
            assert copy is copies[member.actor.organisation_id]
            assert (copy.media_type, copy.size) == ("application/pdf", len(PDF))
            assert reader.read(0, reader.size) == PDF
            assert agreements.words(db, member.actor, row) == "断指再植"
        stored = [database.store.read(documents.store_key(copy.id), 0, 1 << 20) for copy in copies.values()]
        assert stored[0] != stored[1]
        assert not any(b"%PDF" in sealed for sealed in stored)
        assert row.words is not None
        assert "断指再植".encode() not in row.words
    with database.begin() as db:
        db.keyring.destroy(db, Unit("organisation", cast.aral.id, cast.aral.id))
    with database.begin() as db:
        with pytest.raises(NotFound, match="key-destroyed"):
            documents.reader(db, copies[cast.aral.id])
        reader = documents.reader(db, copies[cast.kashgar.id])
        assert reader.read(0, reader.size) == PDF, "what one side loses, the other keeps"


def test_copies_cannot_be_swapped(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        row = propose(db, cast)
    with database.begin() as db:
        one, other = db.scalars(select(Document).where(Document.agreement_id == row.id))
        sealed = [database.store.read(documents.store_key(copy.id), 0, 1 << 20) for copy in (one, other)]
        database.store.put(documents.store_key(one.id), [sealed[1]])
        reader = documents.reader(db, one)
        with pytest.raises(Damaged):
            reader.read(0, len(PDF))


@pytest.mark.parametrize("start", [b"%PDF-1.4", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_a_file_is_what_its_first_bytes_say(database: Database, cast: Cast, start: bytes) -> None:
    with database.begin() as db:
        row = propose(db, cast, document=start + b"anything")
        copy, _ = agreements.document(db, cast.administrator.actor, row.id)
        assert copy.media_type == next(media for first, media in documents.TYPES.items() if start.startswith(first))


def test_bytes_that_no_row_names_go_after_a_day_and_no_others(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        propose(db, cast)
    with suppress(Unavailable), database.begin() as db:
        db.scalars(select(Agreement).where(Agreement.state == "proposed")).one().state = "withdrawn"
        propose(db, cast)
        raise Unavailable("database-unavailable")
    database.store.put(f"00/{ids.new()}", [b"a picture is not ours to sweep"])
    assert len(list(database.store.keys())) == 5
    assert documents.sweep(database, at=ids.now() + dt.timedelta(hours=23)) == 0
    assert documents.sweep(database, at=ids.now() + dt.timedelta(hours=25)) == 2
    assert len(list(database.store.keys())) == 3
    with database.begin() as db:
        for copy in db.scalars(select(Document)):
            assert documents.reader(db, copy).size == len(PDF)


def test_the_sweeping_of_pictures_leaves_documents_alone(database: Database, cast: Cast) -> None:
    from imaging import orphans

    with database.begin() as db:
        propose(db, cast)
    assert orphans.sweep(database, at=ids.now() + 2 * DAY) == 0
    assert len(list(database.store.keys("agreements/"))) == 2


# --- who hears of it --------------------------------------------------------------------------------------


def test_both_logs_say_it_and_what_was_bound(database: Database, cast: Cast, kashgar: Member, log: Callable[[UUID], list[str]]) -> None:
    with database.begin() as db:
        row = propose(db, cast)
        agreements.confirm(db, stepped_up(kashgar), row.id)
    for organisation in (cast.aral, cast.kashgar):
        assert {"agreement:propose success", "agreement:confirm success"} <= set(log(organisation.id))
        with database.begin() as db:
            events = audit.events(db, organisation.id, actions=["agreement:propose", "agreement:confirm"])
            (copy,) = db.scalars(select(Document).where(Document.organisation_id == organisation.id))
        assert [event.detail for event in events] == [{"sha256": copy.sha256}] * 2


def test_the_other_sides_administrators_are_told(database: Database, cast: Cast, kashgar: Member) -> None:
    ours = [cast.administrator.id]
    with database.begin() as db:
        row = propose(db, cast)
        assert told_of(db, "agreement-proposed") == [kashgar.id]
        agreements.refuse(db, stepped_up(kashgar), row.id, reason="terms")
        assert told_of(db, "agreement-refused") == ours
        row = propose(db, cast)
        agreements.withdraw(db, stepped_up(cast.administrator), row.id)
        assert told_of(db, "agreement-withdrawn") == [kashgar.id]
        row = propose(db, cast)
        agreements.confirm(db, stepped_up(kashgar), row.id)
        assert told_of(db, "agreement-confirmed") == ours
        agreements.end(db, stepped_up(kashgar), row.id, reason="replaced")
        assert told_of(db, "agreement-ended") == ours


def test_both_sides_are_told_a_month_and_a_week_before_it_lapses_once_each(database: Database, cast: Cast, kashgar: Member) -> None:
    both = sorted([cast.administrator.id, kashgar.id])
    with database.begin() as db:
        row = propose(db, cast, ends=today() + 40 * DAY)
        agreements.confirm(db, stepped_up(kashgar), row.id)
    assert agreements.remind(database) == 0
    for left, kind in ((29, "agreement-lapses-30"), (6, "agreement-lapses-7")):
        with database.begin() as db:
            db.get_one(Agreement, row.id).ends = ids.now() + left * DAY
        assert [agreements.remind(database), agreements.remind(database)] == [1, 0]
        with database.begin() as db:
            assert told_of(db, kind) == both
    with database.begin() as db:
        assert len(told_of(db, "agreement-lapses-30")) == 2
        db.get_one(Agreement, row.id).ends = ids.now()
    assert agreements.remind(database) == 0


def test_one_that_is_followed_by_another_needs_no_reminding(database: Database, cast: Cast, kashgar: Member) -> None:
    with database.begin() as db:
        agreements.confirm(db, stepped_up(kashgar), propose(db, cast, ends=today() + 5 * DAY).id)
        agreements.confirm(db, stepped_up(kashgar), propose(db, cast, starts=today() + 3 * DAY).id)
    assert agreements.remind(database) == 0
