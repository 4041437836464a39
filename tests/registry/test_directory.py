"""The directory finds whom the plain scan finds, loses nobody to a second writer, and says nothing in the clear."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, update

from core import ids
from core.db import Database, Tx
from core.errors import Damaged, PreconditionFailed
from core.settings import Settings
from imaging.sandbox import Pool
from registry import directory, merges, names, patients, worker
from registry.directory import Shard
from registry.identities import Identity
from registry.patients import Patient
from tests.conftest import Engine
from tests.engines import POSTGRES_S3
from tests.registry.conftest import World

BORN = dt.date(1988, 3, 5)

HAN = st.text("张章卫伟国王单解曾朴长重行乐吕绿女阿卜杜热合曼克里木買㐀𠀀", min_size=1, max_size=9)
FOREIGN = st.lists(st.sampled_from(["阿卜杜热合曼", "买买提", "吐尔逊", "阿不都克里木", "依布拉音"]), min_size=2, max_size=3).map("·".join)
LATIN = st.lists(st.sampled_from(["Maria", "Lindgren", "Lü", "Lyu", "Zhāng", "wei-guo", "O'Brien", "Ａｎ"]), min_size=1, max_size=5).map(
    " ".join
)
ANY = st.text(max_size=8)
NAMES = st.one_of(HAN, FOREIGN, LATIN, ANY, st.tuples(HAN, LATIN).map(" ".join)).filter(names.squeezed)
NUMBERS = st.one_of(st.none(), st.text("0123456789-Aax ", max_size=8), st.text(max_size=5))
PEOPLE = st.builds(Identity, name=NAMES, national_id=NUMBERS, record_number=NUMBERS)


@st.composite
def queries(draw: st.DrawFn, known: list[Identity]) -> str:
    """What somebody might type who looks for one of these: a part of something of theirs, or anything."""
    who = draw(st.sampled_from(known))
    readings = sorted(names.readings(who.name) | names.initials(who.name))
    whole = draw(st.sampled_from([who.name, names.squeezed(who.name), *who.numbers, *readings, *(word.upper() for word in readings)]))
    begin = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return draw(st.one_of(st.just(whole[begin : begin + draw(st.integers(1, 40))]), NAMES, st.text("abdehiklmnruwz0123", max_size=14)))


def fitting(known: dict[UUID, Identity], query: str) -> set[UUID]:
    return {patient_id for patient_id, who in known.items() if names.matches(query, who.name, who.numbers)}


@settings(max_examples=500, deadline=None)
@given(st.lists(PEOPLE, min_size=1, max_size=12), st.data())
def test_a_shard_is_searched_as_every_patient_in_it_would_be(people: list[Identity], data: st.DataObject) -> None:
    known = {ids.new(): who for who in people}
    plain = directory._packed({patient_id.hex: directory._line(who) for patient_id, who in known.items()})
    assert directory._packed(directory._unpacked(plain)) == plain
    query = data.draw(queries(people))
    wanted = names.squeezed(query)
    if wanted:
        sound = names.spelled(wanted) if wanted.isascii() else ""
        heard = partial(names.heard, sound)
        assert sorted(directory._hits(plain, wanted, sound, heard)) == sorted(patient_id.hex for patient_id in fitting(known, query))


@pytest.mark.parametrize(
    ("word", "fits"),
    [("abudurehemanmaimaiti", True), ("ABODURE'HEMANMAI", True), ("abudurehemanmaimaix", False), ("abudurehemanmai1", False)],
)
def test_a_word_longer_than_what_is_kept_of_a_reading_is_compared_whole(word: str, fits: bool) -> None:
    who = Identity(name="阿卜杜热合曼·买买提")
    assert all(len(sound) <= directory.HEARD for sound in directory._line(who)[2].split())
    wanted = names.squeezed(word)
    assert len(wanted) > directory.HEARD
    plain = directory._packed({ids.new().hex: directory._line(who)})
    assert bool(directory._hits(plain, wanted, names.spelled(wanted), partial(names.heard, names.spelled(wanted)))) == fits
    assert names.matches(word, who.name) == fits


def scan(db: Tx, world: World, query: str, limit: int = patients.SEARCH_LIMIT) -> list[UUID]:
    """Every patient of Aral unsealed, newest first, and under whom they are kept."""
    found: list[UUID] = []
    for row in db.scalars(select(Patient).where(Patient.organisation_id == world.cast.aral.id).order_by(Patient.id.desc())):
        who = patients.unsealed(db, row)
        if names.matches(query, who.name, who.numbers):
            found += [one for one in patients.kept(db, [row.id]).values() if one not in found]
    return found[:limit]


def test_whatever_was_entered_amended_merged_and_undone_search_finds_whom_the_scan_finds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "ROOM", 2)
    monkeypatch.setattr(directory, "AT_ONCE", 2)
    monkeypatch.setattr(patients, "BATCH", 2)
    surgeon = world.cast.surgeon.actor
    people = st.builds(
        Identity, name=st.one_of(HAN, FOREIGN, LATIN), record_number=st.one_of(st.none(), st.from_regex("[A-C]-[0-9]{1,3}", fullmatch=True))
    )
    places = st.integers(0, 20)
    steps = st.one_of(
        st.tuples(st.just("amend"), places, people),
        st.tuples(st.just("merge"), places, places),
        st.tuples(st.just("undo"), places, places),
        st.tuples(st.just("forget"), places, places),
    )

    @settings(max_examples=25, deadline=None)
    @given(st.lists(people, min_size=2, max_size=7), st.lists(steps, max_size=6), st.data())
    def holds(entered: list[Identity], then: list[tuple[str, int, Any]], data: st.DataObject) -> None:
        with world.begin() as db:
            rows = [
                patients.create(db, surgeon, name=who.name, record_number=who.record_number, despite_duplicates=True) for who in entered
            ]
            known, merged = list(entered), []
            for step, at, what in then:
                row = rows[at % len(rows)]
                if step == "amend" and row.merged_into_id is None:
                    patients.amend(db, surgeon, row.id, version=row.version, name=what.name, record_number=what.record_number)
                    known.append(what)
                elif step == "merge":
                    other = rows[what % len(rows)]
                    if other is not row and row.merged_into_id is None and other.merged_into_id is None:
                        merged.append(merges.merge(db, surgeon, kept_id=row.id, merged_id=other.id, reason="One."))
                elif step == "undo" and merged:
                    merges.undo(db, surgeon, merged.pop().id, reason="Two.")
                elif step == "forget":
                    _forget(db, row)
            for _ in range(4):
                query, limit = data.draw(queries(known)), data.draw(st.integers(1, 4))
                wanted = names.squeezed(query)
                due = scan(db, world, query, limit) if len(wanted) > 1 or not wanted.isascii() else []
                assert [found.patient_id for found in patients.search(db, surgeon, query, limit=limit)] == due
            db.rollback()

    holds()


def _forget(db: Tx, row: Patient) -> None:
    """As if the patient had been entered before there was a directory."""
    if row.shard_id is not None:
        shard = directory._held(db, row.shard_id)
        lines = directory._unpacked(directory._unsealed(db, shard))
        del lines[row.id.hex]
        shard.version, shard.size = shard.version + 1, len(lines)
        plain = directory._packed(lines) if lines else b"\0\0\0\0"
        shard.content = db.keyring.seal(db, directory._unit(shard), "directory", "patient_shards", shard.id, shard.version, plain)
        row.shard_id = None
        db.flush()


def found(world: World, query: str) -> set[UUID]:
    with world.begin() as db:
        return {one.patient_id for one in patients.search(db, world.cast.surgeon.actor, query)}


def listed(world: World) -> dict[UUID, tuple[UUID, str]]:
    """Where everybody stands and under what name, after looking that nobody stands anywhere twice."""
    with world.begin() as db:
        standing: dict[UUID, tuple[UUID, str]] = {}
        for shard in db.scalars(select(Shard)):
            lines = directory._unpacked(directory._unsealed(db, shard))
            assert shard.size == len(lines)
            for patient_id, (name, *_) in lines.items():
                assert UUID(patient_id) not in standing
                standing[UUID(patient_id)] = (shard.id, name)
        told = {row.id: row.shard_id for row in db.scalars(select(Patient)) if row.shard_id}
        assert told == {patient_id: shard_id for patient_id, (shard_id, _) in standing.items()}
        return standing


def test_of_a_word_that_fits_everybody_the_newest_are_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "ROOM", 40)
    with world.begin() as db:
        known = [patients.create(db, world.cast.surgeon.actor, name=f"王{n}", record_number=f"7{n:03d}").id for n in range(90)]
        for word in ("王", "wang", "70"):
            shown = patients.search(db, world.cast.surgeon.actor, word)
            assert [one.patient_id for one in shown] == known[: -patients.SEARCH_LIMIT - 1 : -1]


# --- writers at the same time -----------------------------------------------------------------------------


def together(*acts: Callable[[], object]) -> list[BaseException]:
    """Do all at once; what they raised."""
    ready, raised = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001  it is the answer
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def entering(world: World, *told: str) -> Callable[[], None]:
    def enter() -> None:
        for name in told:
            with world.begin() as db:
                patients.create(db, world.cast.surgeon.actor, name=name)

    return enter


def amend(db: Tx, world: World, patient_id: UUID, name: str, version: int = 1) -> None:
    patients.amend(db, world.cast.surgeon.actor, patient_id, version=version, name=name)


def test_of_those_who_enter_and_correct_at_once_nobody_loses_a_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "ROOM", 5)
    with world.begin() as db:
        known = [patients.create(db, world.cast.surgeon.actor, name=f"王{n}").id for n in range(16)]

    def correcting(mine: list[UUID]) -> Callable[[], None]:
        def correct() -> None:
            for patient_id in mine:
                with world.begin() as db:
                    amend(db, world, patient_id, "赵正")

        return correct

    acts = [entering(world, *(f"李{letter}{n}" for n in range(10))) for letter in "甲乙丙"]
    assert together(*acts, correcting(known[::2]), correcting(known[1::2])) == []
    standing = listed(world)
    assert sorted(name for _, name in standing.values()) == sorted(
        [f"李{letter}{n}" for letter in "甲乙丙" for n in range(10)] + ["赵正"] * 16
    )
    assert found(world, "赵正") == set(known)
    assert len(found(world, "李")) == 20


def test_two_who_correct_patients_of_one_shard_wait_for_each_other(world: World) -> None:
    with world.begin() as db:
        one, other = (patients.create(db, world.cast.surgeon.actor, name=name).id for name in ("王一", "王二"))

    def correct() -> None:
        with world.begin() as db:
            amend(db, world, other, "赵二")

    second = threading.Thread(target=correct)
    with world.begin() as db:
        amend(db, world, one, "赵一")
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    assert {name for _, name in listed(world).values()} == {"赵一", "赵二"}


def test_of_two_who_correct_one_patient_the_second_is_told(world: World) -> None:
    with world.begin() as db:
        patient = patients.create(db, world.cast.surgeon.actor, name="王一").id
    raised: list[BaseException] = []

    def correct() -> None:
        with pytest.raises(PreconditionFailed) as caught, world.begin() as db:
            amend(db, world, patient, "赵二")
        raised.append(caught.value)

    second = threading.Thread(target=correct)
    with world.begin() as db:
        amend(db, world, patient, "赵一")
        second.start()
        second.join(1.0)
    second.join()
    assert len(raised) == 1
    assert {name for _, name in listed(world).values()} == {"赵一"}


@pytest.mark.parametrize("engine", [POSTGRES_S3], indirect=True)
def test_who_enters_a_patient_waits_for_nobody(engine: Engine, world: World) -> None:
    """The other takes another shard, though the one that is being written in has room."""
    entering(world, "李零")()
    second = threading.Thread(target=entering(world, "李二"))
    with world.begin() as db:
        patients.create(db, world.cast.surgeon.actor, name="李一")
        second.start()
        second.join(20.0)
        assert not second.is_alive()
    entering(world, "李三", "李四")()
    assert len({shard for shard, _ in listed(world).values()}) == 2
    assert len(found(world, "李")) == 5


# --- those who were there before ----------------------------------------------------------------------------


def without_directory(root: Database) -> None:
    """As the migration leaves it."""
    with root.begin() as db:
        db.execute(update(Patient).values(shard_id=None))
        db.execute(delete(Shard))


def test_who_was_there_before_the_directory_is_found_before_and_after_being_entered_into_it(
    world: World, root: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patients, "BATCH", 3)
    with world.begin() as db:
        known = [patients.create(db, world.cast.surgeon.actor, name=f"王{n}").id for n in range(7)]
        foreign = patients.create(db, world.cast.stranger.actor, name="王外").id
    without_directory(root)
    with world.begin() as db:
        known.append(patients.create(db, world.cast.surgeon.actor, name="王新").id)
        amend(db, world, known[0], "王改")
    assert set(listed(world)) == {known[0], known[-1]}
    assert found(world, "王") == set(known)
    patients.fill(world.database)
    standing = listed(world)
    assert set(standing) == {*known, foreign}
    assert found(world, "王") == set(known)
    assert {shard for shard, _ in [standing.pop(foreign)]}.isdisjoint({shard for shard, _ in standing.values()})
    with world.begin() as db:
        before = db.execute(select(Shard.id, Shard.version)).all()
    patients.fill(world.database)
    with world.begin() as db:
        assert db.execute(select(Shard.id, Shard.version)).all() == before


@pytest.mark.parametrize("engine", [POSTGRES_S3], indirect=True)
def test_who_is_entered_into_the_directory_while_somebody_searches_is_found(engine: Engine, world: World, root: Database) -> None:
    with world.begin() as db:
        patient = patients.create(db, world.cast.surgeon.actor, name="王一").id
    without_directory(root)
    filling = threading.Thread(target=patients.fill, args=(world.database,))

    def between(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        """After the first of the two that a search reads."""
        if ("FROM patient_shards" in statement or "shard_id IS NULL" in statement) and filling.ident is None:
            filling.start()
            filling.join()

    event.listen(world.database.engine, "after_cursor_execute", between)
    assert found(world, "王一") == {patient}
    event.remove(world.database.engine, "after_cursor_execute", between)
    assert set(listed(world)) == {patient}


def test_who_is_corrected_while_being_entered_stands_in_the_directory_once(world: World, root: Database) -> None:
    with world.begin() as db:
        one, other = (patients.create(db, world.cast.surgeon.actor, name=name).id for name in ("王一", "王二"))
    without_directory(root)
    filling = threading.Thread(target=patients.fill, args=(world.database,))
    with world.begin() as db:
        row = db.get_one(Patient, one)
        assert row.shard_id is None
        amend(db, world, one, "赵一")
        filling.start()
        filling.join(1.0)
    filling.join()
    assert {patient_id: name for patient_id, (_, name) in listed(world).items()} == {one: "赵一", other: "王二"}


# --- sealed, and nobody else's ------------------------------------------------------------------------------


def test_a_shard_says_nothing_in_the_clear_and_opens_nowhere_else(world: World) -> None:
    with world.begin() as db:
        patient = patients.create(db, world.cast.surgeon.actor, name="张卫国", national_id="650101198803050017", record_number="A-1001")
        shard = db.scalars(select(Shard)).one()
        for word in ("张卫国", "zhangweiguo", "zwg", "650101198803050017", "a1001", patient.id.hex):
            assert word.encode() in directory._unsealed(db, shard)
            assert word.encode() not in shard.content
        theirs = patients.create(db, world.cast.stranger.actor, name="张卫国").shard_id
        assert theirs != shard.id
        earlier = shard.content
        amend(db, world, patient.id, "张伟")
        newer = shard.content
        for content, version in ((earlier, shard.version), (newer, shard.version - 1)):
            shard.content, shard.version = content, version
            with pytest.raises(Damaged):
                directory._unsealed(db, shard)
        db.rollback()


def test_each_shard_has_a_key_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever is erased takes nobody else along: the others move, and one key is destroyed."""
    monkeypatch.setattr(directory, "ROOM", 1)
    with world.begin() as db:
        gone, kept = (patients.create(db, world.cast.surgeon.actor, name=name) for name in ("王一", "王二"))
        assert db.keyring.count(db, world.cast.aral.id)["directory"] == 2
        assert gone.shard_id is not None
        assert kept.shard_id is not None
        db.keyring.destroy(db, directory._unit(directory._held(db, gone.shard_id)))
        assert directory._unsealed(db, directory._held(db, kept.shard_id))
        with pytest.raises(Exception, match="key-destroyed"):
            directory._unsealed(db, directory._held(db, gone.shard_id))


def test_one_hospital_finds_nobody_in_the_directory_of_another(world: World) -> None:
    with world.begin() as db:
        mine = patients.create(db, world.cast.surgeon.actor, name="张卫国").id
        theirs = patients.create(db, world.cast.stranger.actor, name="张卫国").id
    with world.begin() as db:
        assert [one.patient_id for one in patients.search(db, world.cast.surgeon.actor, "zhangwei")] == [mine]
        assert [one.patient_id for one in patients.search(db, world.cast.stranger.actor, "zhangwei")] == [theirs]
    with world.database.at_the_edge().begin(acting=world.cast.kashgar.id) as db:
        behind_the_wall = db.get_bind().dialect.name == "postgresql"
        assert directory.matching(db, world.cast.aral.id, "zhangwei") == ([] if behind_the_wall else [mine.hex])


def test_the_worker_enters_whoever_is_not_in_the_directory(world: World, root: Database, tmp_path: Path) -> None:
    with world.begin() as db:
        patient = patients.create(db, world.cast.surgeon.actor, name="王一").id
    without_directory(root)
    pool = Pool(1)
    made = worker.worker(world.database, pool, tmp_path, worker.outside(Settings(data_dir=tmp_path)))
    made.start()
    try:
        deadline = ids.now() + dt.timedelta(seconds=30)
        while ids.now() < deadline:
            with world.begin() as db:
                if db.get_one(Patient, patient).shard_id is not None:
                    break
            time.sleep(0.05)
    finally:
        made.stop()
        pool.close()
    assert set(listed(world)) == {patient}
