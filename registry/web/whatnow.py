"""What now: the one sentence at the head of a case, and what this reader can do about it.

A reading of states, nothing more; every act it offers is checked again by its verb. The order is the
order of urgency: what waits for this reader, then who is waited for, then what comes next.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.actor import Actor
from registry import joint
from registry.cases import Case
from registry.decisions import Decided
from registry.followups import Seen
from registry.forms.amputation import SEVERED
from registry.opinions import Signed
from registry.presentations import Presented
from registry.questions import Asked, Waiting


@dataclass(frozen=True, slots=True)
class Act:
    """A way on: a link, or a form that is posted at once (``post``)."""

    key: str
    href: str
    main: bool = False
    post: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """``key`` of the sentence with ``at`` and ``name`` to fill it; ``mine`` when it waits for this reader."""

    key: str
    acts: tuple[Act, ...] = ()
    mine: bool = False
    at: dt.datetime | None = None
    hospital: UUID | None = None
    visit: str = ""
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a page has read of a case."""

    case: Case
    entries: Sequence[str] = ()
    asked: Sequence[Asked] = ()
    signed: Sequence[Signed] = ()
    decided: Sequence[Decided] = ()
    seen: Sequence[Seen] = ()
    waiting: dict[UUID, Waiting] = field(default_factory=dict)
    may: frozenset[str] = frozenset()
    presented: Sequence[Presented] = ()


def of(known: Known, me: Actor) -> Now:
    """The sentence for this reader."""
    for ask in (_for_senior, _to_join, _for_expert, _for_coordinator, _undecided, _drafted, _waiting, _afterwards):
        if (now := ask(known, me)) is not None:
            return now
    return Now(f"now-{known.case.state}")


def _for_senior(known: Known, me: Actor) -> Now | None:
    """What lies with this senior; or with the trainee again, whose senior can countersign no more."""
    for item in known.presented:
        row = item.presentation
        if row.state == "waiting" and item.lies_with == me.person_id and (known.case.state != "closed" or row.addendum_to):
            key = "name-senior" if row.author_id == me.person_id else "countersign"
            act = Act(f"now-act-{key}", f"/cases/{known.case.id}/presentations/{row.id}", main=True)
            return Now(f"now-{key}", (act,), True, row.signed_at)
    return None


def _to_join(known: Known, me: Actor) -> Now | None:
    """A joint opinion that asks for this expert's name."""
    for item in known.signed:
        for one in item.joined:
            if one.joining.state == "asked" and one.joining.person_id == me.person_id and known.case.state != "closed":
                act = Act("now-act-join", f"/cases/{known.case.id}/joint/{item.opinion.id}", main=True)
                return Now("now-join", (act,), True, one.joining.asked_at)
    return None


def _for_expert(known: Known, me: Actor) -> Now | None:
    own_or_called = (a for a in known.asked if a.referral.open and (a.referral.expert_id == me.person_id or me.person_id in a.called))
    asked = next(own_or_called, None)
    mine = asked.referral if asked else None
    own = [item.presentation for item in known.presented if item.presentation.author_id == me.person_id]
    if (
        asked is None
        or mine is None
        or "opinion:write" not in known.may
        or any(row.state == "waiting" for row in own if row.referral_id == mine.id)
    ):
        return None
    base = f"/cases/{known.case.id}"
    write = Act("now-act-opinion", f"{base}/opinion", main=True)
    decline = Act("now-act-decline", f"{base}/referrals/{mine.id}#decline")
    called = me.person_id in asked.called
    if mine.acknowledged_at is None or called:
        return Now(
            "now-called" if called else "now-acknowledge",
            (
                Act("now-act-acknowledge", f"{base}/referrals/{mine.id}/acknowledge", main=True, post=True),
                write_plain(write),
                *(() if called else (decline,)),
            ),
            True,
            asked.steps[-1].at if called else mine.allocated_at,
        )
    if own and own[-1].state == "returned":
        see = Act("now-act-returned", f"{base}/presentations/{own[-1].id}")
        return Now("now-returned", (write, see, decline), True, own[-1].decided_at)
    return Now("now-opinion", (write, decline), True, mine.acknowledged_at)


def write_plain(act: Act) -> Act:
    """The same act, not the first to be offered."""
    return Act(act.key, act.href, main=False, post=act.post)


def _for_coordinator(known: Known, me: Actor) -> Now | None:
    if "referral:allocate" not in known.may or known.case.state == "closed":
        return None
    # one question at a time lies with a hospital: the newest is the one that may still be given out
    mine = [asked.referral for asked in known.asked if asked.referral.to_organisation_id == me.organisation_id]
    if not mine or not (mine[-1].open or mine[-1].state == "declined"):
        return None
    row = mine[-1]
    allocate = Act("now-act-allocate", f"/cases/{known.case.id}/referrals/{row.id}", main=True)
    if row.expert_id is None:
        return Now("now-allocate", (allocate,), True, row.requested_at)
    found = known.waiting.get(row.id)
    if found is None or not found.overdue:
        return None
    return Now(f"now-late-{found.event}", (write_plain(allocate),), True, found.since, found.organisation_id, waiting=found)


def _undecided(known: Known, me: Actor) -> Now | None:
    done = {item.decision.opinion_id for item in known.decided} | joint.replaced(list(known.signed))
    open_ = [item for item in known.signed if item.opinion.id not in done]
    if not open_ or "decision:write" not in known.may or known.case.state == "closed":
        return None
    at = open_[-1].opinion
    href = f"/cases/{known.case.id}/decision?opinion={at.id}"
    acts = tuple(Act(f"now-act-{choice}", f"{href}&choice={choice}", main=choice == "accept") for choice in ("accept", "modify", "reject"))
    return Now("now-decide", acts, True, at.signed_at)


def _drafted(known: Known, me: Actor) -> Now | None:
    base, case = f"/cases/{known.case.id}", known.case
    if case.state != "draft" or "case:write" not in known.may:
        return None
    if "injury" not in known.entries:
        return Now("now-injury", (Act("now-act-injury", f"{base}/entries/injury", main=True),), True)
    if case.kind in SEVERED and "amputation" not in known.entries:
        return Now("now-unit", (Act("now-act-unit", f"{base}/entries/amputation", main=True),), True)
    refer = (Act("now-act-refer", f"{base}/refer", main=True),) if "case:refer" in known.may else ()
    return Now("now-refer", (*refer, Act("now-act-pictures", f"{base}/pictures")), bool(refer))


def _waiting(known: Known, me: Actor) -> Now | None:
    for asked in reversed(known.asked):
        found = known.waiting.get(asked.referral.id)
        if found is not None:
            acts = (Act("now-act-referral", f"/cases/{known.case.id}/referrals/{asked.referral.id}"),)
            late = "now-late-" if found.overdue else "now-wait-"
            return Now(
                f"{late}{found.event}",
                acts,
                found.overdue and me.organisation_id == known.case.organisation_id,
                found.since,
                found.organisation_id,
                waiting=found,
            )
    return None


def _afterwards(known: Known, me: Actor) -> Now | None:
    case, base = known.case, f"/cases/{known.case.id}"
    if "followup:write" not in known.may:
        return None
    if case.state in ("answered", "treated"):
        return Now("now-treat", (Act("now-act-plan", f"{base}/follow-up", main=True),), True)
    if case.state != "follow-up":
        return None
    for seen in known.seen:
        if seen.visit is not None and seen.standing in ("due", "overdue"):
            acts = (Act("now-act-follow-up", f"{base}/follow-up?visit={seen.visit.id}", main=True),)
            return Now(f"now-visit-{seen.standing}", acts, True, visit=seen.visit.code)
    ahead = next((seen.visit for seen in known.seen if seen.visit is not None and seen.standing == "planned"), None)
    if ahead is None:
        return Now("now-visits-done", (Act("now-act-close", f"{base}/close", main=True),) if "case:close" in known.may else ())
    return Now(
        "now-visit-planned",
        (Act("now-act-follow-up", f"{base}/follow-up"),),
        False,
        dt.datetime.combine(ahead.due_on, dt.time(12), dt.UTC),
        visit=ahead.code,
    )
