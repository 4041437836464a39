"""Messages: one sealed thread per case, sent once, told to those it concerns, and read marks per person."""

from collections.abc import Iterator

import pytest

from core import audit
from core.errors import Conflict, Denied, Invalid, NotFound
from imaging import intake
from imaging.sandbox import Pool
from registry import cases, messages, notices, referrals
from tests.cast import Member
from tests.imaging import samples
from tests.registry.conftest import World


def test_the_thread_is_sealed_and_knows_who_has_read_it(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        message = messages.post(db, cast.surgeon.actor, case_id=case.id, text=" 远端苍白，\r\n毛细血管充盈消失 ")
        assert "苍白".encode() not in message.body
        assert messages.unread(db, cast.expert.actor, [case.id]) == {case.id: 1}
        assert messages.unread(db, cast.surgeon.actor, [case.id]) == {}
        (post,) = messages.thread(db, cast.expert.actor, case.id, mark=False)
        assert (post.text, post.mine, post.new) == ("远端苍白，\n毛细血管充盈消失", False, True)
        assert messages.thread(db, cast.expert.actor, case.id)[0].new
        assert not messages.thread(db, cast.expert.actor, case.id)[0].new
        assert messages.unread(db, cast.expert.actor, [case.id]) == {}
        messages.post(db, cast.expert.actor, case_id=case.id, text="Please send the stump.")
        assert [(p.mine, p.new) for p in messages.thread(db, cast.surgeon.actor, case.id)] == [(True, False), (False, True)]
        assert messages.unread(db, cast.nurse.actor, [case.id]) == {case.id: 2}
    with world.begin() as db:
        read = audit.events(db, cast.aral.id, case_id=case.id, actions=("message:read",), actor_id=cast.expert.id)
        assert len(read) == 1, "looks within a quarter of an hour are one event"
        assert len(audit.events(db, cast.aral.id, case_id=case.id, actions=("message:post",))) == 2


def test_what_a_phone_sends_twice_is_said_once(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        first = messages.post(db, cast.surgeon.actor, case_id=case.id, text="hello", client_key="k")
        assert messages.post(db, cast.surgeon.actor, case_id=case.id, text="hello ", client_key="k") is first
        with pytest.raises(Conflict, match="client-key-reused"):
            messages.post(db, cast.surgeon.actor, case_id=case.id, text="other", client_key="k")
        assert messages.post(db, cast.nurse.actor, case_id=case.id, text="hello", client_key="k") is not first
        assert len(messages.thread(db, cast.surgeon.actor, case.id)) == 2


def test_an_empty_or_endless_message_is_refused(world: World) -> None:
    with world.begin() as db:
        case = world.case(db)
        for text, code in ((" \n", "field-required"), ("x" * 4001, "field-too-long")):
            with pytest.raises(Invalid) as caught:
                messages.post(db, world.cast.surgeon.actor, case_id=case.id, text=text)
            assert caught.value.fields == {"text": code}


def test_who_knows_the_patient_cannot_name_them_to_outsiders_and_a_guess_is_not_confirmed(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        messages.post(db, cast.surgeon.actor, case_id=case.id, text="among ourselves: nothing yet")
        world.asked(db, case)
        with pytest.raises(Invalid) as caught:
            messages.post(db, cast.nurse.actor, case_id=case.id, text="Zhang Weiguo has arrived")
        assert caught.value.fields == {"text": "text-names-patient"}
        messages.post(db, cast.expert.actor, case_id=case.id, text="Is this Zhang Weiguo?")


def test_those_whom_the_case_concerns_are_told_and_nobody_else(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        messages.post(db, cast.nurse.actor, case_id=case.id, text="colour better")
        messages.post(db, cast.expert.actor, case_id=case.id, text="good")
        told = {
            name: [n.kind for n in notices.for_actor(db, member.actor)].count("message-posted") for name, member in cast.members.items()
        }
        assert {name: count for name, count in told.items() if count} == {"surgeon": 2, "expert": 1, "nurse": 1}


def test_nothing_is_said_on_a_closed_case_and_what_was_said_is_read(world: World) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case = world.case(db)
        first = messages.post(db, surgeon, case_id=case.id, text="before", client_key="k")
        cases.close(db, surgeon, case.id)
        with pytest.raises(Conflict, match="case-closed"):
            messages.post(db, surgeon, case_id=case.id, text="after")
        assert messages.post(db, surgeon, case_id=case.id, text="before", client_key="k") is first, "sent twice, taken once"
        assert [post.text for post in messages.thread(db, surgeon, case.id)] == ["before"]


def test_outsiders_neither_read_nor_write(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        for member in (cast.stranger, cast.expert, cast.coordinator, cast.administrator, cast.auditor):
            with pytest.raises(NotFound):
                messages.post(db, member.actor, case_id=case.id, text="x")
            with pytest.raises(NotFound):
                messages.thread(db, member.actor, case.id)
        read_only = cast.surgeon.actor.__class__(**{**_fields(cast.surgeon.actor), "scopes": frozenset({"case:read", "message:read"})})
        with pytest.raises(Denied):
            messages.post(db, read_only, case_id=case.id, text="x")
        assert messages.thread(db, read_only, case.id) == []
        assert cases.get(db, read_only, case.id)


def _fields(actor: object) -> dict[str, object]:
    return {name: getattr(actor, name) for name in actor.__dataclass_fields__}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def kinds(world: World) -> dict[str, list[str]]:
    """Who has been told what about messages."""
    with world.begin() as db:
        told = {name: [n.kind for n in notices.for_actor(db, member.actor)] for name, member in world.cast.members.items()}
    return {name: found for name, kinds in told.items() if (found := [kind for kind in kinds if kind.startswith("message-")])}


def test_who_is_called_is_told_so_once_and_sees_it(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        said = {
            "case_id": case.id,
            "text": "Which of you looks at the chart?",
            "people_ids": [cast.nurse.id, cast.expert.id, cast.nurse.id],
        }
        message = messages.post(db, cast.surgeon.actor, **said, client_key="k")
        assert messages.post(db, cast.surgeon.actor, **said, client_key="k") is message
        with pytest.raises(Conflict, match="client-key-reused"):
            messages.post(db, cast.surgeon.actor, **said | {"people_ids": [cast.nurse.id]}, client_key="k")
        assert str(cast.nurse.id).encode() not in message.body
        (post,) = messages.thread(db, cast.nurse.actor, case.id)
        assert (post.people, post.called) == ((cast.nurse.id, cast.expert.id), True)
        assert not messages.thread(db, cast.surgeon.actor, case.id)[0].called
    assert kinds(world) == {"nurse": ["message-calls"], "expert": ["message-calls"]}


def test_nobody_is_called_who_cannot_hear(world: World) -> None:
    cast = world.cast
    with world.begin() as db:
        case = world.case(db)
        world.asked(db, case)

    def refused(by: Member, called: Member) -> bool:
        try:
            with world.begin() as db:
                messages.post(db, by.actor, case_id=case.id, text="x", people_ids=[called.id])
        except Invalid as wrong:
            return wrong.fields == {"people": "field-person-not-here"}
        return False

    # strangers, administrators and oneself; and an expert sees of the other hospital only who takes part
    for called in (cast.stranger, cast.administrator, cast.auditor, cast.surgeon):
        assert refused(cast.surgeon, called), called.id
    assert refused(cast.expert, cast.second_surgeon)
    assert not refused(cast.expert, cast.surgeon)
    assert not refused(cast.surgeon, cast.second_surgeon)
    with world.begin() as db:
        world.restrict(db, case)
    assert refused(cast.surgeon, cast.second_surgeon), "shut out by the restriction"
    with world.begin() as db:
        referrals.withdraw(db, cast.surgeon.actor, referrals.for_case(db, cast.surgeon.actor, case.id)[0].referral.id, reason="solved")
    assert refused(cast.surgeon, cast.expert), "let go"


def test_pictures_of_the_case_alone_are_shown(world: World, pool: Pool) -> None:
    surgeon = world.cast.surgeon.actor
    with world.begin() as db:
        case, other = world.case(db), world.case(db)
    ours, theirs = (
        intake.take_in(world.database, pool, surgeon, where.id, f"{where.id}.jpg", samples.photo(colour=where.id.int % 200)).instance_id
        for where in (case, other)
    )
    assert ours is not None
    assert theirs is not None
    with world.begin() as db:
        messages.post(db, surgeon, case_id=case.id, text="Look at the edge.", picture_ids=[ours])
        assert messages.thread(db, surgeon, case.id)[0].pictures == (ours,)
        for wrong in ([theirs], [ours, theirs], [case.id]):
            with pytest.raises(Invalid) as caught:
                messages.post(db, surgeon, case_id=case.id, text="x", picture_ids=wrong)
            assert caught.value.fields == {"pictures": "field-picture-unknown"}
