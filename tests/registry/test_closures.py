"""Closing a case: the summary stands in the record, is told to whoever advised, and is written once."""

import threading

import pytest

from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, closures, entries, notices
from registry.forms.closure import Closure
from tests.registry.conftest import World

ENDED = {"result": "healed", "survival": "survived", "work_status": "same", "summary": "Bends, feels, works."}


def test_a_case_is_closed_with_how_it_ended_and_the_expert_is_told(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        with pytest.raises(Conflict, match="case-question-out"):
            closures.close(db, cast.surgeon.actor, case.id, ENDED)
        world.sign(db, case)
        with pytest.raises(Invalid) as caught:
            closures.close(db, cast.surgeon.actor, case.id, ENDED | {"result": "not_assessed"})
        assert caught.value.fields == {"result": "field-required"}
        assert case.state != "closed"
        for actor, error in ((cast.nurse.actor, Denied), (cast.expert.actor, Denied), (cast.stranger.actor, NotFound)):
            with pytest.raises(error):
                closures.close(db, actor, case.id, ENDED)
        closures.close(db, cast.surgeon.actor, case.id, ENDED, client_key="k")
        closures.close(db, cast.surgeon.actor, case.id, ENDED, client_key="k")
        assert case.state == "closed"
        told = [one for one in notices.for_actor(db, cast.expert.actor) if one.kind == "case-closed"]
        assert [(one.case_id, one.urgency) for one in told] == [(case.id, "routine")]
    with world.database.begin(acting=cast.taizhou.id) as db:
        [item] = entries.for_case(db, cast.expert.actor, case.id, entry_type="closure")
        assert isinstance(item.document, Closure)
        assert (item.document.result, item.document.summary) == ("healed", "Bends, feels, works.")
        assert b"Bends" not in item.entry.body


def test_what_is_closed_is_not_closed_again(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        cases.close(db, world.cast.surgeon.actor, case.id)
        with pytest.raises(Conflict):
            closures.close(db, world.cast.surgeon.actor, case.id, ENDED)


def test_who_closes_it_twice_at_once_closes_it_once(world: World) -> None:
    surgeon, raised = world.cast.surgeon.actor, list[BaseException]()
    with world.begin() as db:
        case_id = world.case(db).id

    def close_too() -> None:
        try:
            with world.begin() as db:
                closures.close(db, surgeon, case_id, ENDED, client_key="k")
        except Exception as error:  # noqa: BLE001  it is the answer
            raised.append(error)

    second = threading.Thread(target=close_too)
    with world.begin() as db:
        closures.close(db, surgeon, case_id, ENDED, client_key="k")
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join()
    assert raised == []
    with world.begin() as db:
        assert len(entries.for_case(db, surgeon, case_id, entry_type="closure")) == 1
