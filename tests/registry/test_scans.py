"""Signed consent sheets: examined, sealed, shown to whoever may see identity alone, recorded, kept after a withdrawal."""

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from core import audit, ids
from core.errors import Denied, Invalid, NotFound
from imaging.sandbox import Pool
from registry import cases, consents, referrals, scans
from registry.scans import Scan, Sheet
from tests.imaging import samples
from tests.registry.conftest import World

PDF = b"%PDF-1.7\n" + b"1 0 obj\n" * 300 + b"trailer\n%%EOF\n"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


def test_a_photograph_is_made_upright_and_bare_and_a_pdf_is_kept_as_it_came(world: World, pool: Pool) -> None:
    photo = samples.photo()
    for kind in ("JPEG", "PNG", "HEIF", "WEBP"):
        sheet = scans.look(pool, samples.photo(kind), organisation_id=world.cast.aral.id)
        assert sheet.media_type == "image/jpeg"
        assert sheet.data.startswith(b"\xff\xd8\xff")
        assert b"Exif" not in sheet.data
    assert scans.look(pool, PDF, organisation_id=world.cast.aral.id) == Sheet("application/pdf", PDF)
    for data, code in (
        (b"", "field-required"),
        (photo[: len(photo) // 2], "scan-unreadable"),
        (PDF[:200], "scan-unreadable"),
        (b"PK\x03\x04" + bytes(200), "scan-unreadable"),
        (b"<html>" + bytes(200), "scan-unreadable"),
        (b"%PDF-" + bytes(scans.LARGEST), "document-too-large"),
    ):
        with pytest.raises(Invalid) as caught:
            scans.look(pool, data, organisation_id=world.cast.aral.id)
        assert caught.value.fields == {"scan": code}


def test_who_may_see_identity_reads_it_and_each_reading_is_recorded(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        shown, hidden = world.case(db), world.case(db)
        rows = {
            c.id: scans.attach(db, cast.surgeon.actor, c.id, Sheet("application/pdf", PDF), purposes=["treatment"]) for c in (shown, hidden)
        }
        for case, sees in ((shown, True), (hidden, False)):
            asked = world.refer(db, case, sees_identity=sees)
            referrals.allocate(db, cast.coordinator.actor, asked.id, expert_id=cast.expert.id)
    with world.begin() as db:
        for member in (cast.surgeon, cast.nurse, cast.expert):
            row, reader = scans.read(db, member.actor, shown.id, rows[shown.id].id)
            assert b"".join(reader.stream()) == PDF
            assert [one.id for one in scans.of_case(db, member.actor, shown)] == [row.id]
        with pytest.raises(Denied):
            scans.read(db, cast.expert.actor, hidden.id, rows[hidden.id].id)
        assert scans.of_case(db, cast.expert.actor, hidden) == []
        for member in (cast.stranger, cast.administrator):
            with pytest.raises(NotFound):
                scans.read(db, member.actor, shown.id, rows[shown.id].id)
        with pytest.raises(NotFound):
            scans.read(db, cast.surgeon.actor, shown.id, rows[hidden.id].id)
    with world.begin() as db:
        opened = audit.events(db, cast.aral.id, case_id=shown.id, actions=("consent:open",))
        assert {event.actor_id for event in opened} == {cast.surgeon.id, cast.nurse.id, cast.expert.id}
        assert len(audit.events(db, cast.aral.id, actions=("consent:attach",))) == 2


def test_it_lies_sealed_under_the_key_of_its_case_and_apart_from_the_pictures(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        row = scans.attach(db, world.cast.surgeon.actor, case.id, Sheet("application/pdf", PDF), purposes=["treatment", "transfer"])
        key = f"consents/{row.id}"
        assert PDF[:8] not in db.store.read(key, 0, row.sealed_size)
    with world.begin() as db:
        db.keyring.destroy(db, cases.unit(case))
        with pytest.raises(NotFound, match="key-destroyed"):
            scans.read(db, world.cast.surgeon.actor, case.id, row.id)


def test_a_withdrawal_leaves_it_and_a_closed_case_still_takes_one(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        row = scans.attach(db, surgeon, case.id, Sheet("application/pdf", PDF), purposes=["treatment"])
        consents.record(db, surgeon, case_id=case.id, purpose="treatment", statement="withdraw")
        assert [one.id for one in scans.of_case(db, surgeon, case)] == [row.id]
        cases.close(db, surgeon, case.id)
        scans.attach(db, surgeon, case.id, Sheet("image/jpeg", b"\xff\xd8\xff"), purposes=["teaching"])


def test_only_who_records_consents_attaches_and_says_for_what(world: World) -> None:
    sheet = Sheet("application/pdf", PDF)
    with world.begin() as db:
        case = world.case(db)
        for member, error in ((world.cast.nurse, Denied), (world.cast.stranger, NotFound), (world.cast.administrator, NotFound)):
            with pytest.raises(error):
                scans.attach(db, member.actor, case.id, sheet, purposes=["treatment"])
        for purposes, code in (([], "field-required"), (["x"], "field-code-unknown"), (["treatment", "x"], "field-code-unknown")):
            with pytest.raises(Invalid) as caught:
                scans.attach(db, world.cast.surgeon.actor, case.id, sheet, purposes=purposes)
            assert caught.value.fields == {"purpose": code}


def test_what_no_row_names_is_swept_after_a_day(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        row = scans.attach(db, world.cast.surgeon.actor, case.id, Sheet("application/pdf", PDF), purposes=["treatment"])
    lost = ids.new()
    world.database.store.put(f"consents/{lost}", iter([b"left"]))
    assert scans.sweep(world.database) == 0
    assert scans.sweep(world.database, at=ids.now() + dt.timedelta(days=2)) == 1
    with world.begin() as db:
        assert list(db.scalars(select(Scan.id))) == [row.id]
        assert b"".join(scans.read(db, world.cast.surgeon.actor, case.id, row.id)[1].stream()) == PDF
