"""The local decision: on a signed opinion, with its reason, by the treating side alone."""

import pytest

from core import audit, ids
from core.errors import Conflict, Denied, Invalid, NotFound
from registry import cases, decisions, notices, opinions
from tests.registry.conftest import World, stepped_up


def test_a_decision_is_recorded_sealed_and_told_to_the_expert(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        opinion = world.sign(db, case)
        told = {"case_id": case.id, "opinion_id": opinion.id}
        for choice in ("modify", "reject"):
            with pytest.raises(Invalid) as caught:
                decisions.record(db, cast.surgeon.actor, choice=choice, reason="  ", **told)
            assert caught.value.fields == {"reason": "field-required"}
        with pytest.raises(Invalid) as caught:
            decisions.record(db, cast.surgeon.actor, choice="ignore", reason="x" * 4001, **told)
        assert caught.value.fields == {"choice": "field-code-unknown", "reason": "field-too-long"}
        with pytest.raises(Invalid, match="text-identifies-patient"):
            decisions.record(db, cast.surgeon.actor, choice="modify", reason="张卫国 拒绝转院", **told)
        row = decisions.record(db, cast.surgeon.actor, choice="modify", reason="家属拒绝转院", client_key="k", **told)
        assert row.reason is not None
        assert "家属".encode() not in row.reason
        assert decisions.record(db, cast.surgeon.actor, choice="modify", reason="家属拒绝转院", client_key="k", **told) is row
        with pytest.raises(Conflict, match="client-key-reused"):
            decisions.record(db, cast.surgeon.actor, choice="accept", client_key="k", **told)
        decisions.record(db, cast.second_surgeon.actor, choice="accept", **told)
        shown = decisions.for_case(db, cast.expert.actor, case.id)
        assert [(item.decision.choice, item.reason) for item in shown] == [("modify", "家属拒绝转院"), ("accept", "")]
        assert [n.kind for n in notices.for_actor(db, cast.expert.actor)].count("decision-recorded") == 2
        assert decisions.decided(db, [opinion.id, ids.new()]) == {opinion.id}
    with world.begin() as db:
        events = audit.events(db, cast.aral.id, case_id=case.id, actions=("decision:record",))
        assert [event.detail for event in reversed(events)] == [{"choice": "modify"}, {"choice": "accept"}]


def test_only_the_treating_side_decides_and_only_on_an_opinion_of_the_case(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case, other = world.case(db), world.case(db)
        world.asked(db, case)
        world.asked(db, other)
        opinion, foreign = world.sign(db, case), world.sign(db, other)
        for member, error in (
            (cast.expert, Denied),
            (cast.coordinator, Denied),
            (cast.nurse, Denied),
            (cast.stranger, NotFound),
            (cast.administrator, NotFound),
        ):
            with pytest.raises(error):
                decisions.record(db, member.actor, case_id=case.id, opinion_id=opinion.id, choice="accept")
        with pytest.raises(NotFound, match="opinion-not-found"):
            decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=foreign.id, choice="accept")
        addendum = opinions.sign(db, stepped_up(cast.expert.actor), case.id, {"addition": "x"}, addendum_to=opinion.id)
        with pytest.raises(Conflict, match="decision-on-addendum"):
            decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=addendum.id, choice="accept")
        cases.close(db, cast.surgeon.actor, case.id)
        with pytest.raises(Conflict, match="case-closed"):
            decisions.record(db, cast.surgeon.actor, case_id=case.id, opinion_id=opinion.id, choice="accept")
