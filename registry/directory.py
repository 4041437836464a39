"""The directory: what the patients of a hospital are looked for by, some hundreds of them sealed together.

A search by part of a name has to read what it compares, and unsealing every patient one by one is too slow for a large
hospital. So each patient has a line in one *shard*, sealed under a key of its own: whoever is erased is left out of
a new shard, and the key of the old one is destroyed (docs/adr/0010). Lines are laid out so that a search is a search for bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import accumulate
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from core import ids
from core.db import IN_BINARY, Tx
from core.keyring import Unit
from core.tables import Base, IdColumn
from registry import names
from registry.identities import Identity

ROOM = 512
"""How many patients a shard takes before another is begun. Whoever is entered or corrected has one shard written anew."""
AT_ONCE = 32
"""How many shards a search holds in memory."""

# a name of foreign origin in Chinese characters has dozens of readings, of a dozen syllables each: most of a shard
FEW, HEARD = 8, 14
"""More than so many readings are kept by no more than their first letters, and the name is read again where these fit."""

Line = tuple[str, str, str]
"""The name squeezed, and the numbers and the readings with a space before each."""


class Shard(Base):
    """Some patients of one hospital; ``content`` is sealed under the shard's own key (docs/formats.md). ``size`` counts them."""

    __tablename__ = "patient_shards"

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    version: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    content: Mapped[bytes]


def put(db: Tx, organisation_id: UUID, shard_id: UUID | None, known: Mapping[UUID, Identity]) -> UUID:
    """Write what finds these patients of a hospital in place of what did before; gives the shard that holds them.

    That is ``shard_id``, or for patients who are in none, one with room. Held until commit: those who enter patients at
    the same time take a shard each and do not wait. The caller holds the patients.
    """
    shard = _with_room(db, organisation_id) if shard_id is None else _held(db, shard_id)
    lines = _unpacked(_unsealed(db, shard)) if shard.version else {}
    lines |= {patient_id.hex: _line(who) for patient_id, who in known.items()}
    shard.version, shard.size = shard.version + 1, len(lines)
    shard.content = db.keyring.seal(db, _unit(shard), "directory", "patient_shards", shard.id, shard.version, _packed(lines))
    db.flush()
    return shard.id


def matching(db: Tx, organisation_id: UUID, query: str) -> list[str]:
    """The ids, in hexadecimal, of whoever in the directory of a hospital fits a search word, as ``names.matches`` has it.

    For a caller that has checked who asks. A word may fit everybody: a hundred thousand ids in this form are sorted at once.
    """
    wanted = names.squeezed(query)
    sound = names.spelled(wanted) if wanted.isascii() else ""
    heard = cache(partial(names.heard, sound))
    found: list[str] = []
    for shard in _by_batches(db, organisation_id) if wanted else ():
        found += _hits(_unsealed(db, shard), wanted, sound, heard)
    return found


# --- inside ----------------------------------------------------------------------------------------------


def _unit(shard: Shard) -> Unit:
    return Unit("directory", shard.organisation_id, shard.id)


def _unsealed(db: Tx, shard: Shard) -> bytes:
    return db.keyring.unseal(db, _unit(shard), "directory", "patient_shards", shard.id, shard.version, shard.content)


def _held(db: Tx, shard_id: UUID) -> Shard:
    # FOR NO KEY UPDATE: a plain FOR UPDATE also waits for the foreign keys of those who entered patients, and ends in deadlocks
    return db.scalars(
        select(Shard).where(Shard.id == shard_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()


def _with_room(db: Tx, organisation_id: UUID) -> Shard:
    """The oldest shard with room that nobody else is writing in, or a new one."""
    room = select(Shard).where(Shard.organisation_id == organisation_id, Shard.size < ROOM).order_by(Shard.id).limit(1)
    shard = db.scalar(room.with_for_update(key_share=True, skip_locked=True).execution_options(populate_existing=True))
    if shard is None:
        shard = Shard(id=ids.new(), organisation_id=organisation_id, version=0, size=0, content=b"")
        db.keyring.create(db, _unit(shard))
        db.add(shard)
    return shard


def _by_batches(db: Tx, organisation_id: UUID) -> Iterator[Shard]:
    rows = select(Shard).where(Shard.organisation_id == organisation_id).order_by(Shard.id).limit(AT_ONCE)
    rows = rows.execution_options(**{IN_BINARY: True})
    batch = list(db.scalars(rows))
    while batch:
        db.keyring.load(db, map(_unit, batch))
        yield from batch
        batch = list(db.scalars(rows.where(Shard.id > batch[-1].id)))


def _line(who: Identity) -> Line:
    sounds = names.sounds(who.name)
    told = sounds if len(sounds) <= FEW else {sound[:HEARD] for sound in sounds}
    return (
        names.squeezed(who.name),
        "".join(f" {names.squeezed(number)}" for number in who.numbers),
        "".join(f" {sound}" for sound in sorted(told)),
    )


def _packed(lines: Mapping[str, Line]) -> bytes:
    """Four texts, each ended by a NUL and with a line for each patient: ids, names, numbers, readings."""
    columns = zip(*((patient_id, *line) for patient_id, line in lines.items()), strict=True)
    return b"".join("".join(f"{field}\n" for field in column).encode() + b"\0" for column in columns)


def _unpacked(plain: bytes) -> dict[str, Line]:
    columns = [column.split("\n")[:-1] for column in plain.decode().split("\0")[:-1]]
    return {patient_id: (name, numbers, sounds) for patient_id, name, numbers, sounds in zip(*columns, strict=True)}


def _hits(plain: bytes, wanted: str, sound: str, heard: Callable[[str], bool]) -> list[str]:
    """Whom ``wanted`` is in the name of, or begins a number of, or whose name may be read so that it begins with ``sound``."""
    called = plain.index(b"\0") + 1
    numbers = plain.index(b"\0", called) + 1
    sounds = plain.index(b"\0", numbers) + 1
    places = _places(plain, called, numbers, wanted) | _places(plain, numbers, sounds, f" {wanted}")
    if sound:
        places |= _places(plain, sounds, len(plain), f" {sound}")
    if len(sound) > HEARD:
        cut = _places(plain, sounds, len(plain), f" {sound[:HEARD]}") - places
        told = plain[called:numbers].decode().split("\n") if cut else []
        places |= {place for place in cut if heard(told[place])}
    every = plain[:called].decode().split("\n") if places else []
    return [every[place] for place in places]


def _places(plain: bytes, begin: int, end: int, text: str) -> set[int]:
    """The lines that hold a text, counted from 0, of the column that lies between ``begin`` and ``end``."""
    sought = text.encode()
    at = plain.find(sought, begin, end)
    if at < 0:
        return set()
    lines_between = (between.count(b"\n") for between in plain[at:end].split(sought)[1:-1])
    return set(accumulate(lines_between, initial=plain.count(b"\n", begin, at)))
