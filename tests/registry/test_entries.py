"""Entries: typed into drafts that nothing loses, appended once, corrected as new versions, never overwritten."""

import datetime as dt
import threading

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core import audit, ids
from core.db import Database
from core.errors import Conflict, Denied, Invalid, NotFound, PreconditionFailed, TooLarge
from registry import board, cases, drafts, entries, notices
from registry.drafts import DraftRow
from registry.entries import Entry
from registry.forms.amputation import Amputation
from registry.forms.fields import Document
from registry.forms.injury import Injury
from registry.forms.shown import describe
from tests.registry.conftest import INDEX, World, wall

HOUR = dt.timedelta(hours=1)


def test_a_draft_keeps_what_was_typed_field_by_field_and_is_its_authors_alone(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        assert entries.draft(db, cast.surgeon.actor, case.id, "injury").version == 0
        entries.save(db, cast.surgeon.actor, case.id, "injury", {"injured_at": "yesterday or so", "note": "脱套"})
    with world.begin() as db:
        entries.save(db, cast.surgeon.actor, case.id, "injury", {"mechanism": "crush", "organisation_id": "x"})
    with world.begin() as db:
        draft = entries.draft(db, cast.surgeon.actor, case.id, "injury")
        assert draft.raw == {"injured_at": "yesterday or so", "note": "脱套", "mechanism": "crush"}
        assert (draft.version, draft.model) == (2, Injury)
        assert entries.draft(db, cast.second_surgeon.actor, case.id, "injury").raw == {}
        (row,) = db.scalars(select(DraftRow))
        assert "脱套".encode() not in row.body
        assert drafts.started(db, cast.surgeon.actor, [case.id]) == {(case.id, "injury")}


def test_two_devices_with_one_draft_are_told_of_each_other(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        first = entries.save(db, surgeon, case.id, "injury", {"note": "one"}, version=0)
        with pytest.raises(PreconditionFailed, match="draft-changed-meanwhile"):
            entries.save(db, surgeon, case.id, "injury", {"note": "two"}, version=0)
        entries.save(db, surgeon, case.id, "injury", {"note": "two"}, version=first.version)
        with pytest.raises(TooLarge):
            entries.save(db, surgeon, case.id, "injury", {"note": "x" * drafts.LIMIT})
        assert entries.draft(db, surgeon, case.id, "injury").raw == {"note": "two"}
        entries.discard(db, surgeon, case.id, "injury")
        entries.discard(db, surgeon, case.id, "injury")
        assert entries.draft(db, surgeon, case.id, "injury").saved_at is None


def test_a_form_that_is_wrong_keeps_its_draft(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        entries.save(db, surgeon, case.id, "injury", {"injured_at": wall(ids.now() + HOUR), "mechanism": "crush"})
    with pytest.raises(Invalid) as caught, world.begin() as db:
        entries.submit(db, surgeon, case.id, "injury")
    assert caught.value.fields == {"injured_at": "field-in-the-future"}
    with world.begin() as db:
        draft = entries.draft(db, surgeon, case.id, "injury")
        assert draft.raw["mechanism"] == "crush"
        entries.submit(db, surgeon, case.id, "injury", {"injured_at": wall(ids.now() - HOUR)})
        assert entries.draft(db, surgeon, case.id, "injury").saved_at is None


def test_an_entry_is_sealed_read_back_and_told_in_the_log(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        entry = world.injury(db, case, note="伤口污染，皮缘苍白", region=["finger"])
        assert "苍白".encode() not in entry.body
        assert b"crush" not in entry.body
    with world.begin() as db:
        (item,) = entries.for_case(db, world.cast.nurse.actor, case.id)
        assert isinstance(item.document, Injury)
        assert (item.document.note, item.document.region) == ("伤口污染，皮缘苍白", ["finger"])
        assert (item.entry.schema_id, item.entry.version, item.entry.author_id) == ("injury/1", 1, world.cast.surgeon.id)
        assert entries.get(db, world.cast.nurse.actor, entry.id).current
    with world.begin() as db:
        (event,) = audit.events(db, world.cast.aral.id, case_id=case.id, actions=("entry:submit",))
        assert (event.object_id, event.detail) == (entry.id, {"type": "injury", "version": 1})


def test_a_correction_is_a_new_version_that_names_the_one_it_replaces(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case, note="left")
        draft = entries.draft(db, surgeon, case.id, "injury", replaces=first.id)
        assert draft.raw["note"] == "left"
        assert entries.draft(db, surgeon, case.id, "injury").raw == {}
        for reason, code in ((" ", "field-required"), ("长" * 4001, "field-too-long")):
            with pytest.raises(Invalid) as caught:
                entries.correct(db, surgeon, first.id, {"note": "right"}, reason=reason)
            assert caught.value.fields == {"reason": code}
        entries.save(db, surgeon, case.id, "injury", {"side": "right"}, replaces=first.id)
        second = entries.correct(db, surgeon, first.id, {"note": "right"}, reason="wrong side", client_key="c")
        assert entries.correct(db, surgeon, first.id, {"note": "right"}, reason="wrong side", client_key="c") is second
        assert (second.version, second.replaces_id, second.chain_id) == (2, first.id, first.chain_id)
        with pytest.raises(PreconditionFailed, match="entry-corrected-meanwhile"):
            entries.correct(db, world.cast.second_surgeon.actor, first.id, {"note": "both"}, reason="late")
    with world.begin() as db:
        (now,) = entries.for_case(db, surgeon, case.id)
        assert isinstance(now.document, Injury)
        assert (now.entry.id, now.reason, now.document.note, now.document.side) == (second.id, "wrong side", "right", "right")
        assert now.document.injured_at == entries.get(db, surgeon, first.id).document.injured_at  # type: ignore[attr-defined]
        history = entries.for_case(db, surgeon, case.id, history=True)
        assert [(item.entry.id, item.current) for item in history] == [(first.id, False), (second.id, True)]
        assert history[0].document.note == "left"  # type: ignore[attr-defined]
        assert cases.get(db, surgeon, case.id).summary.side == "right"


def test_a_correction_can_be_corrected_again(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        standing = world.injury(db, case, note="1")
        for note in ("2", "3"):
            draft = entries.save(db, surgeon, case.id, "injury", {"note": note}, replaces=standing.id)
            assert draft.about == standing.id
            standing = entries.correct(db, surgeon, standing.id, reason="better")
        assert standing.version == 3
        assert [entries.standing(db, surgeon, item.entry.id) for item in entries.for_case(db, surgeon, case.id, history=True)] == [
            standing
        ] * 3


def test_an_old_draft_of_a_correction_does_not_undo_what_somebody_else_corrected(world: World) -> None:
    surgeon, nurse = world.cast.surgeon.actor, world.cast.nurse.actor
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
        entries.save(db, nurse, case.id, "injury", {"note": "of the nurse"}, replaces=first.id)
        second = entries.correct(db, surgeon, first.id, {"allergy": "penicillin", "systolic": "80"}, reason="asked")
        with pytest.raises(PreconditionFailed, match="entry-corrected-meanwhile"):
            entries.correct(db, nurse, first.id, reason="late")
        entries.save(db, nurse, case.id, "injury", {"smoking": "never"}, replaces=first.id)
        assert entries.draft(db, nurse, case.id, "injury", replaces=first.id).raw["note"] == "of the nurse"
        begun = entries.draft(db, nurse, case.id, "injury", replaces=second.id)
        assert (begun.version, begun.raw["allergy"], begun.raw.get("note")) == (0, "penicillin", "")
        third = entries.correct(db, nurse, second.id, {"note": "of the nurse"}, reason="more")
        document = entries.get(db, surgeon, third.id).document
        assert isinstance(document, Injury)
        assert (document.allergy, document.systolic, document.note) == ("penicillin", 80, "of the nurse")
        entries.discard(db, nurse, case.id, "injury", replaces=first.id)
        assert entries.draft(db, nurse, case.id, "injury", replaces=first.id).saved_at is None


def test_the_reason_of_a_correction_is_kept_with_its_draft_and_apart_from_its_fields(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
        entries.save(db, surgeon, case.id, "injury", {"note": "a"}, replaces=first.id, reason="wrong side")
        entries.save(db, surgeon, case.id, "injury", {"note": "b", drafts.REASON: "slipped in"}, replaces=first.id)
    with world.begin() as db:
        draft = entries.draft(db, surgeon, case.id, "injury", replaces=first.id)
        assert (draft.reason, draft.raw["note"], drafts.REASON in draft.raw) == ("wrong side", "b", False)
        assert entries.draft(db, surgeon, case.id, "injury").reason == ""


@pytest.mark.parametrize("in_a_draft", [False, True])
def test_a_time_keeps_its_seconds_through_a_form_that_shows_minutes(world: World, in_a_draft: bool) -> None:
    surgeon = world.cast.surgeon.actor
    back = (ids.now() - HOUR).replace(second=37)
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, ago=3 * HOUR)
        unit = world.severed(db, case, reflow_at=wall(back), **{"reflow_at.zone": "Asia/Urumqi"})
        draft = entries.draft(db, surgeon, case.id, "amputation", replaces=unit.id)
        shown = {item.name: item.value for item in describe(Amputation, draft.raw).fields() if not item.note.many}
        assert shown["reflow_at"] == wall(back)[:16]
        if in_a_draft:
            entries.save(db, surgeon, case.id, "amputation", shown, replaces=unit.id)
        unit = entries.correct(db, surgeon, unit.id, {**shown, "tamai": "zone_3"}, reason="zone")
        assert _reflow(entries.get(db, surgeon, unit.id).document) == back
        later = wall(back + dt.timedelta(minutes=5))[:16]
        unit = entries.correct(db, surgeon, unit.id, {**shown, "reflow_at": later}, reason="time")
        assert _reflow(entries.get(db, surgeon, unit.id).document) == back.replace(second=0, microsecond=0) + dt.timedelta(minutes=5)
        assert [reading.running for reading in board.read(db, surgeon, case.id)] == ["stopped"]


def test_a_draft_that_comes_after_its_entry_is_not_kept(world: World) -> None:
    surgeon, raw = world.cast.surgeon.actor, {"injured_at": wall(ids.now() - HOUR), "mechanism": "crush"}
    with world.begin() as db:
        case = world.case(db)
        entries.submit(db, surgeon, case.id, "injury", raw, client_key="k")
        with pytest.raises(Conflict, match="client-key-reused"):
            entries.save(db, surgeon, case.id, "injury", raw, version=0, client_key="k")
        assert entries.draft(db, surgeon, case.id, "injury").raw == {}
        assert entries.save(db, surgeon, case.id, "injury", {"note": "the next"}, version=0, client_key="k2").version == 1
        # somebody else's key of the same name is none of theirs
        assert entries.save(db, world.cast.nurse.actor, case.id, "injury", {"note": "mine"}, client_key="k").version == 1


def test_a_draft_that_is_saved_while_its_entry_is_being_made_is_not_kept(world: World) -> None:
    surgeon, raw = world.cast.surgeon.actor, {"injured_at": wall(ids.now() - HOUR), "mechanism": "crush"}
    told: list[str] = []

    def save() -> None:
        try:
            with world.begin() as db:
                entries.save(db, surgeon, case.id, "injury", raw, client_key="k")
        except Conflict as refusal:
            told.append(refusal.code)

    with world.begin() as db:
        case = world.case(db)
    saving = threading.Thread(target=save)
    with world.begin() as db:
        entries.submit(db, surgeon, case.id, "injury", raw, client_key="k")
        saving.start()
        saving.join(1)
        assert saving.is_alive()
    saving.join()
    assert told == ["client-key-reused"]
    with world.begin() as db:
        assert entries.draft(db, surgeon, case.id, "injury").version == 0


def test_two_corrections_at_once_leave_one(world: World) -> None:
    """The row itself refuses a second version 2, whoever comes past the check."""
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
        entries.correct(db, world.cast.surgeon.actor, first.id, {"note": "a"}, reason="r")
    with world.begin() as db:
        row = db.get_one(Entry, first.id)
        twin = {column.key: getattr(row, column.key) for column in Entry.__table__.columns}
        db.add(Entry(**{**twin, "id": ids.new(), "version": 2, "client_key": None}))
        with pytest.raises(IntegrityError):
            db.flush()
        db.rollback()


def test_of_two_who_correct_at_once_one_is_told_of_the_other(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        first = world.injury(db, case)
    told: list[str] = []

    def correct() -> None:
        try:
            with world.begin() as db:
                entries.correct(db, world.cast.nurse.actor, first.id, {"note": "b"}, reason="r")
        except PreconditionFailed as refusal:
            told.append(refusal.code)

    other = threading.Thread(target=correct)
    with world.begin() as db:
        entries.correct(db, world.cast.surgeon.actor, first.id, {"note": "a"}, reason="r")
        other.start()
        other.join(1)
    other.join()
    assert told == ["entry-corrected-meanwhile"]


def test_what_a_phone_sends_twice_is_written_once(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        raw = {"injured_at": wall(ids.now() - HOUR), "mechanism": "crush"}
        first = entries.submit(db, surgeon, case.id, "injury", raw, client_key="k")
        assert entries.submit(db, surgeon, case.id, "injury", raw, client_key="k") is first
        with pytest.raises(Conflict, match="client-key-reused"):
            entries.submit(db, surgeon, case.id, "injury", {**raw, "mechanism": "avulsion"}, client_key="k")
        assert len(entries.for_case(db, surgeon, case.id)) == 1


def test_a_severed_unit_needs_a_time_of_injury_somewhere(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        with pytest.raises(Invalid) as caught:
            world.severed(db, case)
        assert caught.value.fields == {"injured_at": "field-injury-time-needed"}
        own = world.severed(db, case, injured_at=wall(ids.now() - HOUR))
        assert own.version == 1
        world.injury(db, case, ago=HOUR)
        world.injury(db, case, ago=2 * HOUR)
        early = {"storage": "dry_iced", "cooling_started_at": wall(ids.now() - 3 * HOUR)}
        with pytest.raises(Invalid) as caught:
            world.severed(db, case, part="middle", **early)
        assert caught.value.fields == {"cooling_started_at": "field-before-injury"}
        world.severed(db, case, part="middle")
        world.severed(db, case, part="ring", reflow_at=wall(ids.now() - 1.5 * HOUR))
        units = [item.document for item in entries.for_case(db, world.cast.surgeon.actor, case.id, entry_type="amputation")]
        assert [unit.part for unit in units if isinstance(unit, Amputation)] == ["index", "middle", "ring"]


def test_pictures_must_be_of_the_case(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        seen = {"seen_on": ids.now().date().isoformat(), "survival": "survived"}
        for pictures in ([str(ids.new())], ["<script>"]):
            with pytest.raises(Invalid) as caught:
                entries.submit(db, world.cast.nurse.actor, case.id, "follow-up", {**seen, "pictures": pictures})
            assert caught.value.fields == {"pictures": "field-picture-unknown"}


def test_who_may_write_what(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        other = world.case(db, kind="flap")
        entry = world.injury(db, case)
        world.asked(db, case)
        raw = {"injured_at": wall(ids.now() - HOUR), "mechanism": "crush"}
        entries.submit(db, cast.nurse.actor, case.id, "injury", raw)
        for member, error in ((cast.expert, Denied), (cast.coordinator, Denied), (cast.stranger, NotFound), (cast.administrator, NotFound)):
            with pytest.raises(error):
                entries.submit(db, member.actor, case.id, "injury", raw)
            with pytest.raises(error):
                entries.draft(db, member.actor, case.id, "injury")
            with pytest.raises(error):
                entries.correct(db, member.actor, entry.id, {"note": "x"}, reason="y")
        assert entries.get(db, cast.expert.actor, entry.id).document
        for member in (cast.stranger, cast.administrator):
            with pytest.raises(NotFound):
                entries.get(db, member.actor, entry.id)
            with pytest.raises(NotFound):
                entries.for_case(db, member.actor, case.id)
        with pytest.raises(NotFound):
            entries.draft(db, cast.surgeon.actor, other.id, "injury", replaces=entry.id)
        with pytest.raises(NotFound):
            entries.draft(db, cast.surgeon.actor, case.id, "amputation", replaces=entry.id)
        with pytest.raises(NotFound, match="entry-type-not-found"):
            entries.submit(db, cast.surgeon.actor, case.id, "opinion", {})


def test_words_that_name_the_patient_are_refused_once_outsiders_read_the_case(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        with pytest.raises(Invalid) as caught:
            world.injury(db, case, note="张卫国 左手")
        assert (caught.value.code, caught.value.fields) == ("text-identifies-patient", {"note": "text-names-patient"})
        shown = world.case(db)
        world.asked(db, shown, sees_identity=True)
        world.injury(db, shown, note="张卫国 左手")


def test_those_who_read_the_case_are_told_of_a_late_entry_and_its_author_is_not(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        assert notices.for_actor(db, world.cast.surgeon.actor) == []
        world.asked(db, case)
        world.severed(db, case)
        assert [told.kind for told in notices.for_actor(db, world.cast.expert.actor)].count("entry-added") == 1
        assert "entry-added" not in [told.kind for told in notices.for_actor(db, world.cast.surgeon.actor)]


def test_a_stored_entry_cannot_be_moved_to_another_case_or_version(world: World, root: Database) -> None:
    with world.begin() as db:
        one, two = world.case(db), world.case(db)
        first, second = world.injury(db, one), world.injury(db, two)
    for column, value in (("body", first.body), ("version", 7)):
        with root.begin() as db:
            setattr(db.get_one(Entry, second.id), column, value)
            with pytest.raises(Exception, match="sealed"):
                entries.for_case(db, world.cast.surgeon.actor, two.id)
            db.rollback()


def test_the_index_of_a_unit_is_what_the_summary_shows(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case, region=["finger"])
        world.severed(db, case)
        summary = case.summary
        assert (summary.mechanism, summary.side, summary.regions) == ("sharp_cut", "left", ("finger",))
        assert [(unit.part, unit.side, unit.tamai) for unit in summary.units] == [(INDEX["part"], "left", "zone_2")]


def _reflow(document: Document) -> dt.datetime | None:
    assert isinstance(document, Amputation)
    return document.reflow_at.at if document.reflow_at else None


def test_the_reason_of_a_correction_does_not_name_the_patient_to_who_may_not_know(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        entry = world.injury(db, case)
        world.asked(db, case)
        with pytest.raises(Invalid) as refused:
            entries.correct(db, surgeon, entry.id, {}, reason="张卫国 said so himself")
        assert set(refused.value.fields) == {"reason"}
