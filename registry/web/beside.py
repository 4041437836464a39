"""What stands beside the words while an opinion is written or checked: the pictures with their marks, the clocks and the record."""

from typing import Any

from core import ids
from core.actor import Actor
from core.db import Tx
from imaging import annotations
from registry import board, entries
from registry.cases import Case
from registry.forms import shown
from registry.web import fracture_times, gallery, scales
from registry.web.moments import Clock


def of(db: Tx, me: Actor, case: Case, when: Clock) -> dict[str, Any]:
    """What the template ``case/beside.html`` needs of a case that the reader may read."""
    marks = annotations.counts(db, me, case.id, case.organisation_id)
    recorded = entries.for_case(db, me, case.id)
    return {
        "shots": gallery.of(db, me, case, when, marks),
        "clocks": [scales.of(reading, when) for reading in board.readings(db, case)],
        "open_fracture": fracture_times.of([item.document for item in recorded if item.current], ids.now(), when),
        "recorded": [(item, shown.view(item.document, units=entries.units(recorded))) for item in recorded],
    }
