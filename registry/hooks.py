"""Hooks: where a hospital has its own systems told, outside the product.

A hook is set by the hospital's administrator. Address, secret and template are sealed under the hospital's key: the
address of a group robot is a secret too. What goes there are the notices about cases to the hospital's own people, from
an urgency upwards, without patient content; a gateway for text messages gets one message per telephone, the others one
per event. Where an address may lead is `auth.outward`'s to say, each time it is asked.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from auth import rules
from auth.organisations import LONGEST_NAME
from auth.people import LANGUAGES
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Invalid, NotFound
from core.keyring import Unit
from core.tables import Base, Code, IdColumn
from registry import gateways
from registry.gateways import FORMS, GENERATED
from registry.preferences import URGENCIES

LONGEST_URL = 2000
LONGEST_SECRET = 500
LONGEST_TEMPLATE = 4000
FALLBACK = "fallback"
"""For a gateway for text messages: only of an emergency that no e-mail could tell."""
MOST = 10
"""Hooks a hospital may have at a time."""

Fits = Callable[[str], bool]


class Hook(Base):
    """One of a hospital's hooks. ``urgency`` is the lowest that is told, or FALLBACK; ``failing_since`` is when the administrators were told."""

    __tablename__ = "hooks"
    __table_args__ = (Index(None, "organisation_id"),)

    id: Mapped[IdColumn]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    name: Mapped[str]
    form: Mapped[Code]
    host: Mapped[str]
    sealed: Mapped[bytes]
    urgency: Mapped[Code]
    language: Mapped[Code]
    made_at: Mapped[dt.datetime]
    made_by: Mapped[UUID | None]
    failing_since: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is sealed of a hook."""

    url: str
    secret: str
    template: str


def set_up(
    db: Tx,
    actor: Actor,
    *,
    name: str,
    form: str,
    url: str,
    urgency: str,
    language: str,
    secret: str = "",
    template: str = "",
    fits: Fits,
) -> tuple[Hook, str]:
    """Set up a hook of the actor's hospital; with it its secret where that was made here, to be shown this once.

    Needs ``webhook:manage`` and a step-up; ``fits`` says whether an address can be asked at all. Raises Denied,
    StepUpNeeded, Conflict ``hooks-too-many``, and Invalid naming the fields.
    """
    rules.require_in_organisation(actor, "webhook:manage")
    rules.require_step_up(actor)
    if len(listed(db, actor)) >= MOST:
        raise Conflict("hooks-too-many", most=MOST)
    made = gateways.new_secret() if form in GENERATED else ""
    target = Target(url.strip(), made or secret.strip(), template.strip() if form == "sms" else "")
    name = name.strip()
    wrong = _wrong_in(target, form, fits)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        wrong["name"] = "text-missing" if not name else "text-too-long" if len(name) > LONGEST_NAME else "text-invalid"
    urgencies = (*URGENCIES, FALLBACK) if form == "sms" else URGENCIES
    known = {"form": FORMS, "urgency": urgencies, "language": LANGUAGES}
    wrong |= {
        field: "field-code-unknown"
        for field, value in (("form", form), ("urgency", urgency), ("language", language))
        if value not in known[field]
    }
    if wrong:
        raise Invalid(fields=wrong)
    hook = Hook(
        id=ids.new(),
        organisation_id=actor.organisation_id,
        name=name,
        form=form,
        host=str(urlsplit(target.url).hostname),
        urgency=urgency,
        language=language,
        made_at=ids.now(),
        made_by=actor.person_id,
    )
    hook.sealed = db.keyring.seal(db, _unit(hook), "webhook", "hooks", hook.id, 1, json.dumps(asdict(target)).encode())
    db.add(hook)
    db.flush()
    record(db, actor, "webhook:set-up", hook, form=form, host=hook.host)
    return hook, made


def end(db: Tx, actor: Actor, hook_id: UUID) -> Hook:
    """Have nothing told there any more; its secret is forgotten.

    Needs ``webhook:manage`` in a session, without a step-up: it has to be quick. Raises Denied and NotFound.
    """
    hook = get(db, actor, hook_id)
    rules.refuse_token(actor)
    if hook.ended_at is None:
        hook.ended_at, hook.sealed = ids.now(), b""
        db.flush()
        record(db, actor, "webhook:end", hook)
    return hook


def listed(db: Tx, actor: Actor) -> list[Hook]:
    """The hooks of the actor's hospital that are in use, oldest first. Needs ``webhook:manage``."""
    rules.require_in_organisation(actor, "webhook:manage")
    return of(db, actor.organisation_id)


def get(db: Tx, actor: Actor, hook_id: UUID) -> Hook:
    """A hook of the actor's hospital. Needs ``webhook:manage``; raises Denied and NotFound."""
    rules.require_in_organisation(actor, "webhook:manage")
    hook = db.get(Hook, hook_id)
    if hook is None or hook.organisation_id != actor.organisation_id:
        raise NotFound("hook-not-found")
    return hook


def of(db: Tx, organisation_id: UUID) -> list[Hook]:
    """A hospital's hooks in use, for `registry.telling`."""
    query = select(Hook).where(Hook.organisation_id == organisation_id, Hook.ended_at.is_(None))
    return list(db.scalars(query.order_by(Hook.id)))


def tells(hook: Hook, urgency: str) -> bool:
    """Whether something of that urgency goes there."""
    return hook.urgency != FALLBACK and urgency in URGENCIES[: URGENCIES.index(hook.urgency) + 1]


def target_of(db: Tx, hook: Hook) -> Target:
    """Address, secret and template in plain, for `registry.telling`."""
    return Target(**json.loads(db.keyring.unseal(db, _unit(hook), "webhook", "hooks", hook.id, 1, hook.sealed)))


def record(db: Tx, actor: Actor, action: str, hook: Hook, **detail: str) -> None:
    """Record what was done to a hook."""
    audit.record(
        db, actor, action, organisation_id=hook.organisation_id, object_type="webhook", object_id=hook.id, purpose="administration",
        detail=detail,
    )  # fmt: skip


def _wrong_in(target: Target, form: str, fits: Fits) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if len(target.url) > LONGEST_URL or not fits(target.url):
        wrong["url"] = "hook-address"
    elif form == "dingtalk" and not urlsplit(target.url).query:
        wrong["url"] = "hook-address-token"
    if len(target.secret) > LONGEST_SECRET or (form not in GENERATED and not gateways.is_secret(form, target.secret)):
        wrong["secret"] = "hook-secret"  # noqa: S105  a code
    if form == "sms" and (len(target.template) > LONGEST_TEMPLATE or not gateways.is_template(target.template)):
        wrong["template"] = "hook-template"
    return wrong


def _unit(hook: Hook) -> Unit:
    return Unit("organisation", hook.organisation_id, hook.organisation_id)
