"""How the sample world's stories are told: step by step, earliest first, each with the clock of its moment.

A story is a generator. It yields how long ago something happens and is given the transaction in which to
do it; it yields files and is given their instance ids.
"""

import datetime as dt
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core import ids
from core.actor import Actor
from core.db import Database
from imaging import intake
from imaging.sandbox import Pool
from registry import matching
from registry.cases import Case

Say = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """Files to be uploaded into a case: name and how to make them."""

    actor: Actor
    case: Case
    files: Sequence[tuple[str, Callable[[], bytes]]]


Story = Generator[dt.timedelta | Files, Any, None]


def ago(**span: float) -> dt.timedelta:
    """How long before the world was made."""
    return dt.timedelta(**span)


def tell(database: Database, pool: Pool, stories: Iterable[Story], say: Say) -> None:
    """Run the stories, earliest step first, each step in a transaction with the clock of its moment."""
    made = ids.now()
    waiting: list[tuple[dt.datetime, int, Story]] = []
    for order, begun in enumerate(stories):
        waiting.append((made - _span(next(begun)), order, begun))
    while waiting:
        moment, order, story = waiting.pop(waiting.index(min(waiting, key=lambda step: step[:2])))
        with ids.told(moment):
            with database.begin() as db:
                wanted = _next(story, db)
            while isinstance(wanted, Files):
                say(f"  {wanted.case.number}: {len(wanted.files)} pictures")
                with ThreadPoolExecutor(2) as drawing:
                    drawn = drawing.map(lambda file: file[1](), wanted.files)
                    filed = [_file(database, pool, wanted, file[0], data) for file, data in zip(wanted.files, drawn, strict=True)]
                wanted = _next(story, filed)
        if wanted is not None:
            waiting.append((made - _span(wanted), order, story))


def _next(story: Story, given: object) -> dt.timedelta | Files | None:
    """The next wish of a story, None at its end: inside a transaction the end must not look like a failure."""
    try:
        return story.send(given)
    except StopIteration:
        return None


def _span(wanted: dt.timedelta | Files) -> dt.timedelta:
    assert isinstance(wanted, dt.timedelta), "a story begins with a moment"
    return wanted


def _file(database: Database, pool: Pool, wanted: Files, name: str, data: bytes) -> UUID:
    outcome = intake.take_in(database, pool, wanted.actor, wanted.case.id, name, data, expected=matching.expected)
    if outcome.instance_id is None:
        raise RuntimeError(f"a picture of the sample world was not filed: {outcome.state} {outcome.reason}")
    return outcome.instance_id
