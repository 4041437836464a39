"""Is the audit log whole? Compares the database with itself and with what the hospital kept.

From the database alone: each event is what its leaf hash says, the tree is what its head says. That
finds clumsy changes. Who owns the database can rebuild all of that; only kept checkpoints stand against
him. With the leaf hashes kept beside them the row is named that was altered, removed, inserted or
moved; with the checkpoints alone, the stretch of the log it lies in. What is younger than the last
kept checkpoint is not covered, and the report says where that begins.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from core import ids, ledger, merkle, notes
from core.checkpoints import KeptLog, log_name, verifier_key
from core.db import Tx
from core.errors import Damaged, NotFound, Unavailable
from core.ledger import Event, EventPatient, Head, Leaf

Kind = Literal[
    "altered", "removed", "inserted", "moved", "stretch", "truncated", "head", "kept-broken", "kept-signature", "kept-conflict", "kept-key"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was.

    altered   the event at ``leaf_index`` is not what was logged there
    removed   the event that was logged at ``leaf_index`` is gone
    inserted  the event now at ``leaf_index`` (none: outside the tree) was never logged there
    moved     the event now at ``leaf_index`` was logged at ``other``
    stretch   something from ``other`` up to before ``leaf_index`` is not as it was signed
    truncated the log was signed up to before ``leaf_index``; the events from ``other`` on are gone
    head      the head of the tree is not that of its leaves
    kept-…    the kept log itself: a line that cannot be read, a signature that does not hold, two
              checkpoints that contradict each other, another key than the organisation's, or the
              organisation's own key cannot be had from the database, which must not stop the rest
    """

    kind: Kind
    leaf_index: int | None = None
    event_id: UUID | None = None
    other: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. ``covered`` leaves stand under a kept checkpoint, the youngest logged at ``covered_until``."""

    organisation_id: UUID
    size: int
    root: bytes
    covered: int
    covered_until: dt.datetime | None
    checkpoints: int
    findings: tuple[Finding, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Nothing was found wrong in what is covered, nor in the rest as far as it can tell."""
        return not self.findings

    @property
    def uncovered(self) -> int:
        """How many of the youngest events no kept checkpoint vouches for."""
        return max(self.size - self.covered, 0)


@dataclass(slots=True)
class _Signed:
    """What the kept log proves: leaf hashes from 0 on, and signed roots by size."""

    leaves: list[bytes] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """What lies in the database: for each row of the tree its event and the hash of that event's present content."""

    hashes: list[bytes] = field(default_factory=list)
    event_ids: list[UUID] = field(default_factory=list)
    times: list[dt.datetime | None] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def verify(db: Tx, organisation_id: UUID, checkpoints: KeptLog | None = None) -> Report:
    """Check a whole log against itself and against what was kept of it. Reads every event once.

    Raises Damaged when the tree's own rows cannot even be read.
    """
    signed = _signed(db, organisation_id, checkpoints or KeptLog())
    try:
        found = _found(db, organisation_id)
    except (ValueError, TypeError, StatementError) as error:
        raise Damaged("audit-log-unreadable") from error
    roots = _roots(found.hashes, signed.roots)
    findings = [*signed.findings, *found.findings]
    if signed.leaves and found.hashes[: len(signed.leaves)] != signed.leaves:
        findings += compare(signed.leaves, found.hashes, found.event_ids)
    findings += _stretches(signed, roots, len(found.hashes))
    covered = max(signed.roots, default=0)
    until = next((at for at in reversed(found.times[:covered]) if at), None)
    size = len(found.hashes)
    return Report(organisation_id, size, roots[size], covered, until, len(signed.roots), tuple(dict.fromkeys(findings)))


def leaves(db: Session, organisation_id: UUID) -> Iterator[bytes]:
    """Every leaf of a log in its order, for an export."""
    query = select(Event).join(Event.leaf).where(Leaf.organisation_id == organisation_id).order_by(Leaf.leaf_index)
    for row in db.scalars(query.execution_options(yield_per=1000)):
        yield ledger.encode(row)


def compare(kept: Sequence[bytes], present: Sequence[bytes], event_ids: Sequence[UUID]) -> list[Finding]:
    """Name what happened between the kept leaf hashes and those computed from the rows of today.

    Rows younger than the kept ones are no finding. Leaf hashes are unique, since every leaf holds its
    event's id: so each row of today either is a kept one, in its order or moved, or it is none of them.
    An empty hash stands for a row whose event is gone.
    """
    places = {leaf: index for index, leaf in enumerate(kept)}
    origin = [places.get(leaf) for leaf in present]
    still_there = {index for index in origin if index is not None}
    if len(still_there) == len(kept) and None not in origin[: len(kept)]:
        swapped = ((now, was) for now, was in enumerate(origin) if was is not None and was != now)
        return [Finding("moved", now, event_ids[now], was) for now, was in swapped]
    anchors = _longest_increasing(origin)
    findings = [Finding("moved", now, event_ids[now], was) for now, was in enumerate(origin) if was is not None and now not in anchors]
    before_was = before_now = 0
    for now, was in [*anchors.items(), (len(present), len(kept))]:
        lost = [index for index in range(before_was, was) if index not in still_there]
        strange = [index for index in range(before_now, now) if origin[index] is None]
        if was == len(kept):
            strange = strange[: len(lost)]  # after the last kept row follows what was logged since
        for index, row in zip(lost, strange, strict=False):
            findings.append(Finding("altered" if present[row] else "removed", index, event_ids[row]))
        findings += [Finding("removed", index) for index in lost[len(strange) :]]
        findings += [Finding("inserted", row, event_ids[row]) for row in strange[len(lost) :]]
        before_was, before_now = was + 1, now + 1
    return sorted(findings, key=lambda finding: finding.leaf_index or 0)


def _longest_increasing(origin: Sequence[int | None]) -> dict[int, int]:
    """The longest run of rows still in their old order, as {place now: place then} (patience sorting)."""
    tails: list[int] = []
    ends: list[int] = []
    previous: dict[int, int | None] = {}
    for now, was in enumerate(origin):
        if was is not None:
            at = bisect_left(tails, was)
            previous[now] = ends[at - 1] if at else None
            tails[at : at + 1], ends[at : at + 1] = [was], [now]
    chain: list[int] = []
    step = ends[-1] if ends else None
    while step is not None:
        chain.append(step)
        step = previous[step]
    return {now: was for now in reversed(chain) if (was := origin[now]) is not None}


def _signed(db: Tx, organisation_id: UUID, log: KeptLog) -> _Signed:
    """What the kept log proves, each signature checked with the key that was kept with it."""
    signed, tree, gap = _Signed(), merkle.Frontier(), False
    own = _own_key(db, organisation_id)
    if own is None or log.verifier_key not in (None, own):
        signed.findings.append(Finding("kept-key"))
    if not log.readable:
        signed.findings.append(Finding("kept-broken"))
    for push in sorted(log.pushes, key=lambda push: (push.first, len(push.leaf_hashes))):
        try:
            name, public = notes.public_key(log.verifier_key or own or "")
            head = notes.checkpoint(push.note, name, public)
        except Damaged:
            signed.findings.append(Finding("kept-signature", push.first + len(push.leaf_hashes)))
            continue
        if head.origin != log_name(organisation_id) or signed.roots.setdefault(head.size, head.root) != head.root:
            signed.findings.append(Finding("kept-conflict", head.size))
        gap = gap or push.first > tree.size
        if push.leaf_hashes and push.first <= tree.size:
            grown = merkle.Frontier(tree.size, tree.encode())
            fresh = push.leaf_hashes[tree.size - push.first :]
            for leaf in fresh:
                grown.append(leaf)
            known = tuple(signed.leaves[push.first : push.first + len(push.leaf_hashes)])
            if push.leaf_hashes[: len(known)] == known and (grown.size, grown.root()) == (head.size, head.root):
                tree = grown
                signed.leaves += fresh
            else:
                signed.findings.append(Finding("kept-conflict", head.size))
    if gap and log.broken_lines:
        signed.findings += [Finding("kept-broken", other=line) for line in log.broken_lines]
    return signed


def _own_key(db: Tx, organisation_id: UUID) -> str | None:
    """What the organisation's log is signed with, None when its row, which the database's owner may spoil at will, is no key."""
    try:
        return verifier_key(db, organisation_id)
    except Unavailable as error:
        if error.code != "root-key-unknown":  # a provider that is down proves nothing against the log
            raise
    except (NotFound, Damaged, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        pass
    return None


def _found(db: Session, organisation_id: UUID) -> _Found:
    """Every row of the tree with its event, in one look at the database, so that writers need not wait."""
    found = _Found()
    frontier = case((Leaf.leaf_index == Head.size - 1, Head.frontier))  # once, not with every row
    query = (
        select(Leaf.leaf_index, Leaf.leaf_hash, Leaf.event_id, Head.size, frontier)
        .outerjoin(Head, Head.organisation_id == Leaf.organisation_id)
        .where(Leaf.organisation_id == organisation_id)
        .order_by(Leaf.leaf_index)
    )
    size = db.scalar(select(Head.size).where(Head.organisation_id == organisation_id))
    last, expected = b"", 0
    with db.execute(query.execution_options(yield_per=1000)) as result:
        for part in result.partitions():
            size = part[-1][3]
            contents = _contents(db, organisation_id, [event_id for _, _, event_id, _, _ in part])
            for index, leaf, event_id, _, state in part:
                found.findings += [Finding("removed", missing) for missing in range(expected, min(index, expected + 1000))]
                content, at = contents.get(event_id, (b"", None))
                if content != leaf:
                    found.findings.append(Finding("altered" if content else "removed", index, event_id))
                found.hashes.append(content)
                found.times.append(at)
                found.event_ids.append(event_id)
                last, expected = state or last, index + 1
    if (size or 0) != len(found.hashes) or (not found.findings and last != _frontier(found.hashes)):
        found.findings.append(Finding("head", size or 0))
    outside = select(Event.id).outerjoin(Leaf, Leaf.event_id == Event.id)
    outside = outside.where(Event.organisation_id == organisation_id, Leaf.event_id.is_(None))
    waiting = ledger.waiting(db)
    found.findings += [Finding("inserted", None, event_id) for event_id in db.scalars(outside) if event_id not in waiting]
    return found


def _contents(db: Session, organisation_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, dt.datetime]]:
    """The hash and the time of each event's present content; an event that cannot even be read is left out.

    An event of another organisation, or whose patients are not the ones it is found by, gets a hash that
    no leaf has.
    """
    try:
        rows = list(db.scalars(select(Event).where(Event.id.in_(event_ids)).execution_options(populate_existing=True)))
        named: dict[UUID, set[UUID]] = {}
        for event_id, patient in db.execute(
            select(EventPatient.event_id, EventPatient.patient_id).where(EventPatient.event_id.in_(event_ids))
        ):
            named.setdefault(event_id, set()).add(patient)
        contents = {}
        for row in rows:
            true = row.organisation_id == organisation_id and named.get(row.id, set()) == set(row.patient_ids)
            contents[row.id] = (merkle.leaf_hash(ledger.encode(row)) if true else _NO_LEAF, row.at)
    except (ValueError, TypeError, AttributeError, StatementError):
        if len(event_ids) == 1:
            return {event_ids[0]: (_NO_LEAF, ids.now())}
        return {key: value for event_id in event_ids for key, value in _contents(db, organisation_id, [event_id]).items()}
    return contents


def _roots(leaves: Sequence[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    """The root at each of ``sizes`` that the tree has reached, and at its end."""
    tree, roots = merkle.Frontier(), {}
    if 0 in sizes:
        roots[0] = tree.root()
    for leaf in leaves:
        tree.append(leaf)
        if tree.size in sizes:
            roots[tree.size] = tree.root()
    roots[tree.size] = tree.root()
    return roots


def _frontier(leaves: Sequence[bytes]) -> bytes:
    tree = merkle.Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.encode()


def _stretches(signed: _Signed, roots: Mapping[int, bytes], size: int) -> list[Finding]:
    """What the checkpoints say beyond the kept leaf hashes: the first stretch that is not as signed, and a lost end."""
    good = len(signed.leaves)
    for at in sorted(at for at in signed.roots if at > len(signed.leaves)):
        if at > size:
            return [Finding("truncated", at, other=size)]
        if roots[at] != signed.roots[at]:
            return [Finding("stretch", at, other=good)]
        good = at
    return []


_NO_LEAF = b"\x00" * 32
