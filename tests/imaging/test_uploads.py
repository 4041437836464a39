"""Uploads: how far a file has come is never in doubt, whoever sends, however often the line breaks."""

import datetime as dt
import hashlib
import threading
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from core import ids
from core.actor import Actor
from core.audit import Event
from core.errors import Conflict, Denied, Invalid, NotFound, TooLarge
from core.jobs import MAX_ATTEMPTS, JobRow, run_once
from core.keyring import Unit
from imaging import bodies, intake, uploads
from imaging.bodies import Part
from imaging.sandbox import Pool
from imaging.studies import Instance
from imaging.uploads import Receiver, Upload
from tests.imaging import samples
from tests.imaging.conftest import World

FILE = samples.dicom()


def begin(world: World, *, length: int = len(FILE), actor: Actor | None = None, **more: str) -> UUID:
    with world.database.begin() as db:
        who = actor or world.surgeon
        return uploads.create(db, who, organisation_id=who.organisation_id, case_id=world.case_id, length=length, **more).id


def send(world: World, upload_id: UUID, offset: int, data: bytes, *, actor: Actor | None = None, checksum: bytes | None = None) -> int:
    receiver = Receiver(world.database, actor or world.surgeon, upload_id, offset=offset, checksum=checksum)
    receiver.feed(data)
    return receiver.finish()


def now(world: World, upload_id: UUID) -> Upload:
    with world.database.begin(readonly=True) as db:
        return db.get_one(Upload, upload_id)


def plain(world: World, upload_id: UUID) -> bytes:
    with world.database.begin(readonly=True) as db:
        upload = db.get_one(Upload, upload_id)
        body = bodies.open_body(db, upload.unit, bodies.pieces(db, upload.id))
    return body.read(0, body.size)


def objects(world: World) -> int:
    return len(list(world.database.store.keys("")))


def test_a_file_that_came_whole_is_filed_by_the_worker(world: World) -> None:
    upload_id = begin(world)
    assert send(world, upload_id, 0, FILE[:1000]) == 1000
    assert now(world, upload_id).state == "receiving"
    assert send(world, upload_id, 1000, FILE[1000:]) == len(FILE)
    assert now(world, upload_id).state == "received"
    assert plain(world, upload_id) == FILE
    handlers = intake.handlers(world.pool)
    assert run_once(world.database, handlers)
    assert now(world, upload_id).state == "filed"
    assert not run_once(world.database, handlers)


def test_the_offset_outlives_the_server(world: World) -> None:
    """A PATCH that breaks off: what was committed counts, what was only in memory is sent again."""
    upload_id = begin(world)
    broken = Receiver(world.database, world.surgeon, upload_id, offset=0)
    broken.feed(FILE[:700])
    broken.finish()
    lost = Receiver(world.database, world.surgeon, upload_id, offset=700)
    lost.feed(FILE[700:900])
    assert now(world, upload_id).offset == 700
    assert send(world, upload_id, 700, FILE[700:]) == len(FILE)
    assert plain(world, upload_id) == FILE


@pytest.mark.parametrize("offset", [0, 99, 101, 10_000_000, -1])
def test_a_wrong_offset_is_told_the_right_one(world: World, offset: int) -> None:
    upload_id = begin(world)
    send(world, upload_id, 0, FILE[:100])
    with pytest.raises(Conflict) as conflict:
        send(world, upload_id, offset, b"xyz")
    assert (conflict.value.code, conflict.value.params) == ("upload-offset", {"offset": 100})
    assert plain(world, upload_id) == FILE[:100]


def test_of_two_at_once_one_wins_and_nothing_is_mixed(world: World) -> None:
    """Attack 34: both begin at the same offset; the loser's bytes leave no trace."""
    upload_id = begin(world)
    sent = {who: bytes([who]) * len(FILE) for who in range(4)}
    gate, results = threading.Barrier(4), dict[int, str]()

    def patch(who: int) -> None:
        receiver = Receiver(world.database, world.surgeon, upload_id, offset=0)
        receiver.feed(sent[who])
        gate.wait()
        try:
            receiver.finish()
            results[who] = "won"
        except Conflict as conflict:
            results[who] = conflict.code

    threads = [threading.Thread(target=patch, args=(who,)) for who in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results.values()) == ["upload-finished"] * 3 + ["won"]
    [winner] = [who for who, result in results.items() if result == "won"]
    assert plain(world, upload_id) == sent[winner]
    assert objects(world) == len(world.rows(Part)) == 1


def test_no_byte_beyond_the_declared_length(world: World) -> None:
    upload_id = begin(world, length=10)
    with pytest.raises(TooLarge, match="upload-over-length"):
        send(world, upload_id, 0, b"x" * 11)
    assert (now(world, upload_id).offset, now(world, upload_id).state) == (10, "received")
    with pytest.raises(Conflict, match="upload-finished"):
        send(world, upload_id, 10, b"y")


def test_a_checksum_of_one_patch(world: World) -> None:
    upload_id = begin(world)
    with pytest.raises(Invalid, match="upload-checksum"):
        send(world, upload_id, 0, FILE, checksum=hashlib.sha256(b"other").digest())
    assert (now(world, upload_id).offset, objects(world)) == (0, 0)
    assert send(world, upload_id, 0, FILE, checksum=hashlib.sha256(FILE).digest()) == len(FILE)
    assert plain(world, upload_id) == FILE


def test_a_checksum_of_the_whole_file(world: World) -> None:
    for declared, state in (
        (hashlib.sha256(b"other").hexdigest(), ("refused", "checksum")),
        (hashlib.sha256(FILE).hexdigest(), ("filed", None)),
    ):
        upload_id = begin(world, sha256=declared)
        send(world, upload_id, 0, FILE[:100])
        send(world, upload_id, 100, FILE[100:])
        assert run_once(world.database, intake.handlers(world.pool))
        upload = now(world, upload_id)
        assert (upload.state, upload.reason) == state


@pytest.mark.parametrize("wrong", [{"length": 0}, {"length": -1}, {"sha256": "abc"}, {"sha256": "Z" * 64}])
def test_what_is_declared_wrongly_is_refused(world: World, wrong: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        begin(world, **wrong)  # type: ignore[arg-type]


def test_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="upload-too-large"):
        begin(world, length=(4 << 30) + 1)
    monkeypatch.setattr(uploads, "OPEN_LIMIT", 2)
    begin(world)
    begin(world)
    with pytest.raises(TooLarge, match="upload-quota"):
        begin(world)
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "OPEN_BYTES_LIMIT", 3 * len(FILE))
    upload_id = begin(world)
    with pytest.raises(TooLarge, match="upload-quota"):
        begin(world)
    monkeypatch.setattr(bodies, "PARTS_LIMIT", 3)
    for offset in range(3):
        send(world, upload_id, offset, FILE[offset : offset + 1])
    with pytest.raises(TooLarge, match="upload-too-many-parts"):
        send(world, upload_id, 3, FILE[3:])
    assert objects(world) == 3


def test_nobody_elses_upload_exists(world: World) -> None:
    upload_id = begin(world)
    for other in (world.stranger, world.cast.second_surgeon.actor, world.cast.expert.actor, world.cast.administrator.actor):
        with pytest.raises(NotFound), world.database.begin() as db:
            uploads.get(db, other, upload_id)
        with pytest.raises(NotFound):
            send(world, upload_id, 0, b"x", actor=other)
        with pytest.raises(NotFound), world.database.begin() as db:
            uploads.terminate(db, other, upload_id)
    with world.database.begin() as db:
        assert uploads.get(db, world.surgeon, upload_id).offset == 0


def test_who_may_upload_where(world: World) -> None:
    aral, kashgar = world.cast.aral.id, world.cast.kashgar.id

    def attempt(actor: Actor, organisation_id: UUID, case_id: UUID | None) -> None:
        with world.database.begin() as db:
            uploads.create(db, actor, organisation_id=organisation_id, case_id=case_id, length=5)

    attempt(world.cast.nurse.actor, aral, world.case_id)
    attempt(world.surgeon, aral, None)
    for actor in (world.stranger, world.cast.administrator.actor, world.cast.expert.actor):
        with pytest.raises((NotFound, Denied)):
            attempt(actor, aral, world.case_id)
        with pytest.raises((NotFound, Denied)):
            attempt(actor, aral, None)
    with pytest.raises(NotFound):
        attempt(world.surgeon, kashgar, world.foreign_case_id)


def test_a_right_withdrawn_stops_the_next_part(world: World) -> None:
    """Attack 10: the actor at the second part is authorised anew, and may no longer."""
    upload_id = begin(world)
    receiver = Receiver(world.database, world.surgeon, upload_id, offset=0)
    receiver.feed(FILE[:100])
    receiver._actor = Actor(world.surgeon.person_id, world.surgeon.organisation_id, roles=frozenset({"learner"}))
    with pytest.raises(NotFound):
        receiver.finish()
    assert (now(world, upload_id).offset, objects(world)) == (0, 0)


def test_terminating_leaves_nothing_to_read(world: World) -> None:
    upload_id = begin(world, name="left.dcm")
    send(world, upload_id, 0, FILE[:100])
    with world.database.begin() as db:
        uploads.terminate(db, world.surgeon, upload_id)
    assert objects(world) == 0
    assert now(world, upload_id).state == "discarded"
    with pytest.raises(NotFound):
        send(world, upload_id, 100, FILE[100:])
    with pytest.raises(NotFound), world.database.begin() as db:
        db.keyring.writer(db, Unit("study", world.cast.aral.id, upload_id), "x", "x", upload_id, 1)
    filed = world.take_in(FILE).id
    with pytest.raises(Conflict), world.database.begin() as db:
        uploads.terminate(db, world.surgeon, filed)


def test_what_came_whole_may_be_thrown_away_before_it_is_filed(world: World) -> None:
    upload_id = begin(world)
    send(world, upload_id, 0, FILE)
    with world.database.begin() as db:
        uploads.terminate(db, world.surgeon, upload_id)
    assert run_once(world.database, intake.handlers(world.pool))
    assert (now(world, upload_id).state, objects(world)) == ("discarded", 0)
    assert not world.rows(Instance)


def test_what_was_left_lying_is_asked_for_again(world: World) -> None:
    """No sandbox for longer than eight attempts: an hour after the last of them they begin anew, and not before."""
    closed = Pool(1)
    closed.close()

    def attempts(pool: Pool) -> int:
        count = 0
        while run_once(world.database, intake.handlers(pool)):
            count += 1
            with world.database.begin() as db:
                db.execute(update(JobRow).where(JobRow.state == "waiting").values(run_at=ids.now()))
        return count

    upload_id = begin(world)
    send(world, upload_id, 0, FILE)
    soon, later = ids.now() + dt.timedelta(minutes=50), ids.now() + dt.timedelta(minutes=70)
    assert uploads.ask_again(world.database, at=later) == 0, "its job waits"
    assert attempts(closed) == MAX_ATTEMPTS
    assert [(job.state, job.failed_with) for job in world.rows(JobRow)] == [("dead", "sandbox-closed")]
    assert uploads.ask_again(world.database, at=soon) == 0
    assert uploads.ask_again(world.database, at=later) == 1
    assert uploads.ask_again(world.database, at=later) == 0, "it is asked for already"
    assert attempts(closed) == MAX_ATTEMPTS
    assert len(world.rows(JobRow)) == 1, "no dead letter for each round"
    assert uploads.ask_again(world.database, at=later) == 1
    assert attempts(world.pool) == 1
    assert now(world, upload_id).state == "filed"
    assert uploads.ask_again(world.database, at=later) == 0


def test_what_was_left_lying_without_any_job_is_asked_for_again(world: World) -> None:
    upload_id = begin(world)
    send(world, upload_id, 0, FILE)
    with world.database.begin() as db:
        db.execute(delete(JobRow))
    assert uploads.ask_again(world.database) == 0
    assert uploads.ask_again(world.database, at=ids.now() + dt.timedelta(minutes=61)) == 1
    assert run_once(world.database, intake.handlers(world.pool))
    assert now(world, upload_id).state == "filed"


def test_what_is_not_finished_in_time_is_let_go(world: World) -> None:
    late, done = begin(world), begin(world)
    send(world, late, 0, FILE[:100])
    send(world, done, 0, FILE)
    assert uploads.expire(world.database) == 0
    after = ids.now() + dt.timedelta(hours=73)
    assert uploads.expire(world.database, at=after) == 1
    assert (now(world, late).state, now(world, late).reason, now(world, done).state) == ("discarded", "expired", "received")
    assert objects(world) == 1


def test_an_expired_upload_is_not_found(world: World) -> None:
    upload_id = begin(world)
    with world.database.begin() as db:
        db.get_one(Upload, upload_id).expires_at = ids.now() - dt.timedelta(seconds=1)
    with pytest.raises(NotFound):
        send(world, upload_id, 0, FILE)


def test_a_file_name_is_made_harmless_and_sealed(world: World) -> None:
    """Attack 32. A name is only ever shown; no path is made of it."""
    for given_name, kept in (
        ("手 X光.jpg", "手 X光.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\li\\hand.jpg", "hand.jpg"),
        ("a\r\nSet-Cookie: x=1\x00.jpg", "aSet-Cookie: x=1.jpg"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("x" * 5000, "x" * 255),
        ("..", ".."),
        ("", ""),
    ):
        upload_id = begin(world, name=given_name)
        with world.database.begin(readonly=True) as db:
            upload = db.get_one(Upload, upload_id)
            assert uploads.name(db, upload) == kept
            assert not kept or kept.encode() not in (upload.name or b"")


def test_lists_are_for_those_who_may(world: World) -> None:
    upload_id = begin(world)
    with world.database.begin() as db:
        assert [each.id for each in uploads.for_case(db, world.cast.nurse.actor, world.case_id, world.cast.aral.id)] == [upload_id]
        for other in (world.stranger, world.cast.expert.actor):
            with pytest.raises((NotFound, Denied)):
                uploads.for_case(db, other, world.case_id, world.cast.aral.id)
        with pytest.raises((NotFound, Denied)):
            uploads.in_inbox(db, world.cast.nurse.actor)
        assert uploads.in_inbox(db, world.surgeon) == []


def test_beginning_and_throwing_away_are_recorded(world: World) -> None:
    upload_id = begin(world)
    with world.database.begin() as db:
        uploads.terminate(db, world.surgeon, upload_id)
    with world.database.begin(readonly=True) as db:
        events = db.scalars(select(Event).where(Event.object_id == upload_id).order_by(Event.at)).all()
    assert [(event.action, event.actor_id) for event in events] == [
        ("image:upload", world.surgeon.person_id),
        ("image:discard", world.surgeon.person_id),
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 60)), min_size=1, max_size=12), st.integers(1, 200), st.integers(1, 64))
def test_any_order_of_patches_leaves_a_true_prefix(world: World, patches: list[tuple[int, int]], length: int, part_bytes: int) -> None:
    """Whatever is sent at whatever offset: the bytes that count are always the first ``offset`` ones of the file."""
    whole = bytes(number % 251 for number in range(length))
    upload_id = begin(world, length=length)
    stands = 0
    for slip, size in patches:
        offset = stands + slip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bodies, "PART_BYTES", part_bytes)
            try:
                answered = send(world, upload_id, offset, (whole + b"?" * 100)[max(offset, 0) : max(offset, 0) + size])
            except (Conflict, TooLarge):
                answered = None
        upload = now(world, upload_id)
        assert answered in (None, upload.offset)
        assert (upload.offset > stands) <= (slip == 0)
        stands = upload.offset
        assert plain(world, upload_id) == whole[:stands]
        assert (upload.state == "received") == (stands == length)
    assert objects(world) == len(world.rows(Part))
