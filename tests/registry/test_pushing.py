"""Being told in a browser: a real receiver stands for the push service, and reads what comes as the browser would."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from auth import news, people, webpush
from auth.outward import Caller
from core import audit, ids
from core.actor import Actor
from core.db import Tx
from core.errors import Conflict, Denied, Invalid, NotFound, Throttled
from registry import deliveries, gateways, hooks, notices, preferences, subscriptions, telling
from registry.deliveries import Delivery
from registry.preferences import Choices
from registry.subscriptions import Browser, Subscription
from registry.ways import Outside
from registry.web.letters import Letters
from registry.web.push import named
from tests.auth.test_webpush import claims, opened
from tests.cast import Member
from tests.mailbox import Receiver, receiver
from tests.registry.conftest import World, run_jobs, stepped_up
from tests.registry.test_telling import noon, reachable

BASE = "https://shanhai.example.org"


@dataclass
class Held:
    """A browser with its keys, somewhere at a push service."""

    at: str
    path: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = b"0123456789abcdef"

    @property
    def browser(self) -> Browser:
        """As it tells of itself."""
        written = webpush.written
        return Browser(f"{self.at}{self.path}", written(webpush.point(self.key)), written(self.secret))

    def shown(self, service: Receiver) -> list[dict[str, str]]:
        """What it has shown."""
        return [json.loads(opened(call.body, self.key, self.secret)) for call in service.calls if call.path == self.path]


@dataclass
class Post:
    """A world whose worker reaches a push service."""

    world: World
    service: Receiver
    outside: Outside

    def run(self, at: dt.datetime | None = None) -> None:
        """Do what is due, now or at that time."""
        done = {**telling.planner(self.outside), **telling.courier(self.outside), news.TELL: notices.told}
        with ids.told(at or ids.now()):
            run_jobs(self.world.database, done)

    def subscribe(self, member: Member, path: str = "/one", actor: Actor | None = None) -> tuple[Held, Subscription]:
        """Somebody is told in a browser from now on; what they are told of that is out of the way."""
        held = Held(self.service.url, path)
        with self.world.begin() as db:
            row = subscriptions.subscribe(db, actor or member.actor, held.browser, name="Chrome · Android", fits=self.outside.caller.fits)
            notices.read(db, member.actor)
        self.run()
        with self.world.begin() as db:
            for one in notices.for_actor(db, member.actor):
                notices.read(db, member.actor, notice_ids=[one.id])
        self.run()
        self.service.calls.clear()
        return held, row

    def states(self) -> list[tuple[str, str | None]]:
        """How the messages to browsers ended and why, but for the news of a browser itself."""
        with self.world.begin() as db:
            rows = db.execute(
                select(Delivery.state, Delivery.failed_with)
                .join(notices.Notice, notices.Notice.id == Delivery.notice_id, isouter=True)
                .where(Delivery.channel == "push", notices.Notice.kind.is_distinct_from("account-push-added"))
                .order_by(Delivery.id)
            )
            return [(state, why) for state, why in rows]

    def tell(self, member: Member, at: dt.datetime, kind: str = "message-calls", case_kind: str = "amputation") -> str:
        """A notice of an emergency to somebody then; the number of its case."""
        with ids.told(at), self.world.begin() as db:
            case = self.world.case(db, kind=case_kind)
            notices.tell(db, [member.id], kind, case)
        self.run(at + dt.timedelta(seconds=5))
        return case.number


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    with receiver() as service:
        yield Post(world, service, Outside(None, Caller(at_home=True), Letters(BASE)))


def test_what_is_told_at_once_is_shown_and_says_nothing_about_the_patient(post: Post) -> None:
    nurse = post.world.cast.nurse
    held, row = post.subscribe(nurse)
    at = noon()
    number = post.tell(nurse, at)
    [shown] = held.shown(post.service)
    assert shown["title"] == "【山海】"
    assert number in shown["body"]
    assert shown["path"].startswith("/cases/")
    assert "张" not in json.dumps(shown, ensure_ascii=False)
    [call] = post.service.calls
    assert number.encode() not in call.body
    assert call.headers["content-encoding"] == "aes128gcm"
    assert call.headers["urgency"] == "high"
    assert 86_000 < int(call.headers["ttl"]) <= 86_400
    with post.world.begin() as db:
        key = webpush.read(subscriptions.key(db, nurse.actor))
        assert held.browser.endpoint.encode() not in db.get_one(Subscription, row.id).sealed
    told = claims(call.headers["authorization"], key, at=at)
    assert (told["aud"], told["sub"]) == (post.service.url, f"{BASE}/")
    assert post.states() == [("sent", None)]
    post.run(at)
    assert len(post.service.calls) == 1


def test_quiet_hours_and_the_daily_letter_are_kept_and_an_emergency_on_duty_breaks_through(post: Post) -> None:
    nurse, night = post.world.cast.nurse, noon() - dt.timedelta(hours=9)
    held, _ = post.subscribe(nurse)
    post.tell(nurse, noon(), "outcome-recorded", "flap")
    post.tell(nurse, night, "outcome-recorded", "fracture")
    assert held.shown(post.service) == []
    post.tell(nurse, night, "message-calls")
    assert len(held.shown(post.service)) == 1
    with post.world.begin() as db:
        preferences.choose(db, nurse.actor, Choices(routine="at-once"))
    post.tell(nurse, noon(), "outcome-recorded", "flap")
    assert len(held.shown(post.service)) == 2


def test_what_was_read_or_is_a_day_old_is_not_shown(post: Post) -> None:
    nurse, at = post.world.cast.nurse, noon()
    held, _ = post.subscribe(nurse)
    post.service.answers = [(500, b""), (500, b"")]
    post.tell(nurse, at)
    with post.world.begin() as db:
        notices.read(db, nurse.actor)
    post.tell(nurse, at)
    post.run(at + dt.timedelta(hours=25))
    assert post.states() == [("spared", None), ("spared", None)]
    assert len(held.shown(post.service)) == 2


def test_what_is_not_taken_is_tried_again_until_the_last_time(post: Post) -> None:
    nurse, at = post.world.cast.nurse, noon()
    held, _ = post.subscribe(nurse)
    post.service.answers = [(503, b"")]
    post.tell(nurse, at)
    assert post.states() == [("waiting", "status")]
    post.run(at + dt.timedelta(seconds=16))
    assert post.states() == [("sent", None)]
    assert len({json.dumps(shown) for shown in held.shown(post.service)}) == 1, "under one tag"
    post.service.answers = [(503, b"")] * 9
    later = at + dt.timedelta(minutes=1)
    post.tell(nurse, later)
    for minutes in (1, 3, 9, 26, 90, 360):
        post.run(later + dt.timedelta(minutes=minutes))
    assert post.states()[-1] == ("failed", "status")
    assert len(post.service.calls) == 2 + len(deliveries.PAUSES) + 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_told_no_more(post: Post, status: int) -> None:
    nurse = post.world.cast.nurse
    held, row = post.subscribe(nurse)
    post.service.answers = [(status, b"")]
    post.tell(nurse, noon())
    with post.world.begin() as db:
        assert subscriptions.listed(db, nurse.actor) == []
        assert db.get_one(Subscription, row.id).sealed == b""
    post.tell(nurse, noon())
    assert len(held.shown(post.service)) == 1
    assert [state for state, _ in post.states()] == ["failed"]


def test_an_emergency_that_a_browser_shows_still_goes_by_telephone_where_no_mail_can_tell_it(post: Post) -> None:
    """Whether somebody looked at the browser nobody knows: it stands in for nothing."""
    nurse = post.world.cast.nurse
    held, _ = post.subscribe(nurse)
    gateway = {"name": "texts", "form": "sms", "url": f"{post.service.url}/sms", "urgency": hooks.FALLBACK, "language": "zh"}
    with post.world.begin() as db:
        reachable(db, nurse, "", "13800000001")
        admin = stepped_up(post.world.cast.administrator.actor)
        hooks.set_up(db, admin, template=gateways.TEMPLATE, fits=post.outside.caller.fits, **gateway)
    post.tell(nurse, noon())
    assert len(held.shown(post.service)) == 1
    assert [call.path for call in post.service.calls if call.path != held.path] == ["/sms"]


def test_a_browser_belongs_to_who_subscribed_in_it_last(post: Post) -> None:
    nurse, surgeon = post.world.cast.nurse, post.world.cast.surgeon
    held, first = post.subscribe(nurse)
    post.tell(nurse, noon())
    with post.world.begin() as db:
        second = subscriptions.subscribe(db, surgeon.actor, held.browser, name="", fits=post.outside.caller.fits)
    post.tell(nurse, noon())
    assert [one["path"].split("/")[1] for one in held.shown(post.service)].count("cases") == 1
    with post.world.begin() as db:
        assert subscriptions.listed(db, nurse.actor) == []
        assert [one.id for one in subscriptions.listed(db, surgeon.actor)] == [second.id]
        for act in (subscriptions.end, deliveries.try_push):
            for one in (first, second):
                with pytest.raises(NotFound):
                    act(db, nurse.actor if one is second else surgeon.actor, one.id)


def test_it_ends_by_hand_and_with_the_account(post: Post) -> None:
    nurse, second = post.world.cast.nurse, post.world.cast.surgeon
    held, row = post.subscribe(nurse)
    other, _ = post.subscribe(second, "/two")
    with post.world.begin() as db:
        subscriptions.end(db, nurse.actor, row.id)
        subscriptions.end(db, nurse.actor, row.id)
    post.tell(nurse, noon())
    at = noon()
    with ids.told(at), post.world.begin() as db:
        notices.tell(db, [second.id], "message-calls", post.world.case(db))
    with post.world.begin() as db:
        people.disable(db, stepped_up(post.world.cast.administrator.actor), second.id)
    post.run(at)
    assert held.shown(post.service) + other.shown(post.service) == []
    with post.world.begin() as db:
        for act in (subscriptions.end, deliveries.try_push):
            with pytest.raises(Denied):
                act(db, dataclasses.replace(nurse.actor, token_id=ids.new()), row.id)
        with pytest.raises(NotFound):
            deliveries.try_push(db, nurse.actor, row.id)
        actions = [event.action for event in audit.events(db, post.world.cast.aral.id, actions=("person:push-on", "person:push-off"))]
    assert sorted(actions) == ["person:push-off", "person:push-on", "person:push-on"]


def test_a_trial_is_shown_and_not_tried_again(post: Post) -> None:
    nurse = post.world.cast.nurse
    held, row = post.subscribe(nurse)
    with post.world.begin() as db:
        deliveries.try_push(db, nurse.actor, row.id)
        with pytest.raises(Throttled):
            deliveries.try_push(db, nurse.actor, row.id)
    post.run()
    [shown] = held.shown(post.service)
    assert shown["path"] == "/account/notices"
    with post.world.begin() as db:
        assert deliveries.last_push(db, nurse.actor)[row.id].state == "sent"
    post.service.answers = [(500, b"")]
    with ids.told(ids.now() + dt.timedelta(seconds=11)), post.world.begin() as db:
        deliveries.try_push(db, nurse.actor, row.id)
    for hours in (1, 2):
        post.run(ids.now() + dt.timedelta(hours=hours))
    assert len(post.service.calls) == 2


@pytest.mark.parametrize("meanwhile", ["ended", "shut out"])
def test_what_waits_for_another_attempt_is_not_shown_to_who_is_gone_by_then(post: Post, meanwhile: str) -> None:
    nurse, at = post.world.cast.nurse, noon()
    held, row = post.subscribe(nurse)
    post.service.answers = [(503, b"")]
    post.tell(nurse, at)
    with post.world.begin() as db:
        if meanwhile == "ended":
            subscriptions.end(db, nurse.actor, row.id)
        else:
            people.disable(db, stepped_up(post.world.cast.administrator.actor), nurse.id)
    post.run(at + dt.timedelta(minutes=1))
    assert (len(held.shown(post.service)), post.states()) == (1, [("spared", None)])


def test_its_person_is_told_of_a_new_browser(post: Post) -> None:
    nurse = post.world.cast.nurse
    post.subscribe(nurse)
    with post.world.begin() as db:
        assert [one.kind for one in notices.for_actor(db, nurse.actor)] == ["account-push-added"]


def test_a_browser_taken_in_one_hospital_is_tried_from_another(post: Post) -> None:
    cast, nurse = post.world.cast, post.world.cast.nurse
    held, row = post.subscribe(nurse)
    with post.world.begin() as db:
        people.give_role(db, Actor.system(cast.taizhou.id), db.get_one(people.Person, nurse.id), "nurse")
    there = dataclasses.replace(nurse.actor, organisation_id=cast.taizhou.id)
    with post.world.database.begin(acting=cast.taizhou.id) as db:
        deliveries.try_push(db, there, row.id)
    post.run()
    assert len(held.shown(post.service)) == 1


def test_who_may_and_how_many(post: Post) -> None:
    nurse = post.world.cast.nurse
    fits = post.outside.caller.fits
    narrowed = dataclasses.replace(nurse.actor, scopes=frozenset({"case:read"}))
    token = dataclasses.replace(nurse.actor, token_id=ids.new())

    def asked(db: Tx, actor: Actor, browser: Browser) -> Subscription:
        return subscriptions.subscribe(db, actor, browser, name="x" * 200, fits=fits)

    with post.world.begin() as db:
        for actor in (narrowed, token):
            with pytest.raises(Denied):
                asked(db, actor, Held(post.service.url, "/x").browser)
        good = Held(post.service.url, "/x").browser
        for wrong in (
            dataclasses.replace(good, endpoint="http://push.example.org/x"),
            dataclasses.replace(good, endpoint=f"{post.service.url}/{'x' * 2000}"),
            dataclasses.replace(good, p256dh=webpush.written(b"\x04" + b"\x00" * 64)),
            dataclasses.replace(good, auth=webpush.written(b"short")),
        ):
            with pytest.raises(Invalid, match="push-unfit"):
                asked(db, nurse.actor, wrong)
        for at in range(subscriptions.MOST):
            asked(db, nurse.actor, Held(post.service.url, f"/{at}").browser)
        with pytest.raises(Conflict, match="push-too-many"):
            asked(db, nurse.actor, Held(post.service.url, "/more").browser)


def test_an_address_inside_the_house_is_not_asked(post: Post) -> None:
    nurse = post.world.cast.nurse
    post.subscribe(nurse)
    post.outside = dataclasses.replace(post.outside, caller=Caller())
    post.tell(nurse, noon())
    assert post.states() == [("waiting", "address")]
    assert post.service.calls == []


def test_each_hospital_is_known_by_a_key_of_its_own(post: Post) -> None:
    with post.world.begin() as db:
        here, there = (subscriptions.key(db, member.actor) for member in (post.world.cast.nurse, post.world.cast.expert))
        assert here != there
        assert here == subscriptions.key(db, post.world.cast.surgeon.actor)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge · Windows"),
        ("curl/8.5", ""),
    ],
)
def test_a_browser_is_named_as_people_know_it(agent: str, name: str) -> None:
    assert named(agent) == name
