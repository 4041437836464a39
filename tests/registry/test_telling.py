"""Telling people outside: to whom, when and how often; what is never said; and what becomes of what fails."""

import base64
import datetime as dt
import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from auth import news, people, profiles
from auth.outward import Caller
from auth.people import Person
from core import audit, ids, jobs
from core.actor import Actor
from core.errors import Conflict, Denied, Invalid, NotFound, StepUpNeeded, Throttled
from registry import deliveries, gateways, hooks, messages, notices, preferences, rosters, telling
from registry.deliveries import Delivery
from registry.hooks import Hook
from registry.mail import Server
from registry.preferences import Choices
from registry.rotation import Rotation
from registry.ways import Outside
from registry.web.letters import Letters
from tests import cast as people_of
from tests.cast import Member
from tests.mailbox import Mailbox, Receiver, mailbox, receiver
from tests.registry.conftest import World, run_jobs, stepped_up

BASE = "https://shanhai.example.org"
ADDRESSES = {"surgeon": "li.na@aral.example", "nurse": "aygul@aral.example", "expert": "chen.hao@taizhou.example"}
PLANTED = "蓝色帐篷旁"
BEIJING = dt.timezone(dt.timedelta(hours=8))
TWELVE = dt.time(12)
BOSSES = itertools.count()


@dataclass
class Post:
    """A world with a mail server and a receiver of hooks, whose people have addresses."""

    world: World
    box: Mailbox
    hooked: Receiver
    outside: Outside

    def run(self, at: dt.datetime | None = None) -> None:
        """Do what is due, now or at that time."""
        done = {**telling.planner(self.outside), **telling.postman(self.outside), **telling.courier(self.outside)}
        done |= {news.TELL: notices.told}
        with ids.told(at or ids.now()):
            run_jobs(self.world.database, done)

    @contextmanager
    def at(self, moment: dt.datetime) -> Iterator[None]:
        """What happens then, and what is due then."""
        with ids.told(moment):
            yield
        self.run(moment + dt.timedelta(seconds=5))

    def states(self, channel: str = "email") -> list[str]:
        """How the deliveries of a channel ended, oldest first."""
        with self.world.begin() as db:
            return list(db.scalars(select(Delivery.state).where(Delivery.channel == channel).order_by(Delivery.id)))

    def admin(self, db: people.Tx) -> Actor:
        """An administrator of Taizhou."""
        member = people_of.join(db, self.world.cast.taizhou, "he.jing", "何静", "He Jing", "administrator")
        return stepped_up(member.actor)

    def hook(self, db: people.Tx, actor: Actor, form: str = "standard", **more: str) -> tuple[Hook, str]:
        """A hook that leads to the receiver."""
        told = {"name": "on call", "form": form, "url": f"{self.hooked.url}/{form}?t=1", "urgency": "routine", "language": "zh", **more}
        return hooks.set_up(db, actor, fits=self.outside.caller.fits, **told)  # type: ignore[arg-type]


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    with mailbox() as box, receiver() as hooked:
        server = Server(f"smtp://127.0.0.1:{box.port}", "Shanhai <shanhai@example.org>")
        made = Post(world, box, hooked, Outside(server, Caller(at_home=True), Letters(BASE)))
        with world.begin() as db:
            for part, address in ADDRESSES.items():
                reachable(db, world.cast.members[part], address)
        yield made


def reachable(db: people.Tx, member: Member, address: str, phone: str = "") -> None:
    """Give somebody an address, as their administrator does."""
    boss = people_of.join(
        db, db.get_one(people.Organisation, member.actor.organisation_id), f"boss.{next(BOSSES)}", "周", "", "administrator"
    )
    profile = profiles.of(db.get_one(Person, member.id))
    changed = {**{name: getattr(profile, name) for name in profile.__dataclass_fields__}, "email": address, "phone": phone or profile.phone}
    profiles.amend(db, stepped_up(boss.actor), member.id, profiles.Profile(**changed))


def noon(days: int = 0) -> dt.datetime:
    """Noon in Beijing, today or later."""
    today = ids.now().astimezone(BEIJING).date() + dt.timedelta(days=days)
    return dt.datetime.combine(today, TWELVE, BEIJING)


# --- what is said, and what never is ----------------------------------------------------------------------------------


def test_no_word_about_a_patient_leaves_the_house(post: Post) -> None:
    """A patient's words are planted wherever there is room for some; every way out is open, and nothing of them is in any."""
    world = post.world
    with world.begin() as db:
        reachable(db, world.cast.expert, ADDRESSES["expert"], "13800000001")
        admin = post.admin(db)
        post.hook(db, admin)
        post.hook(db, admin, "wecom")
        post.hook(db, admin, "dingtalk", secret="SECx")
        post.hook(db, admin, "sms", template=gateways.TEMPLATE)
        case = world.case(db)
        world.injury(db, case, note=PLANTED)
        world.severed(db, case, note=PLANTED)
        world.asked(db, case, question=f"{PLANTED}？")
        messages.post(db, world.cast.surgeon.actor, case_id=case.id, text=PLANTED)
        messages.post(db, world.cast.expert.actor, case_id=case.id, text=PLANTED)
        opinion = world.sign(db, case, findings=PLANTED)
        assert opinion.id
        secret = [PLANTED, "张卫国", "张", "A000001", "1988", "index", "示指", "Can it be"]
        number, path = case.number, f"{BASE}/cases/{case.id}"
    post.run()
    said = post.box.texts + [raw.decode() for raw in post.box.raw] + [call.body.decode() for call in post.hooked.calls]
    assert post.box.letters
    assert {call.path.split("?")[0] for call in post.hooked.calls} == {"/standard", "/wecom", "/dingtalk", "/sms"}
    assert [(word, text) for text in said for word in secret if word in text] == []
    assert all(number in text and path in text for text in post.box.texts)


def test_a_letter_in_each_language(post: Post) -> None:
    with post.world.begin() as db:
        case = post.world.case(db)
        notices.tell(db, [post.world.cast.surgeon.id], "urgency-raised", case)
        post.world.asked(db, case)
        number, link = case.number, f"{BASE}/cases/{case.id}"
    post.run()
    by_address = {letter["To"].addresses[0].addr_spec: text for letter, text in zip(post.box.letters, post.box.texts, strict=True)}
    surgeon, expert = by_address[ADDRESSES["surgeon"]].splitlines(), by_address[ADDRESSES["expert"]].splitlines()
    assert surgeon[0].startswith("【山海】 特急 · ")
    assert surgeon[1:3] == ["李娜，您好：", ""]
    assert any(line.startswith("时间：") and line.endswith("（新疆时间）") for line in surgeon)
    assert expert[:3] == [f"[Shanhai] Emergency · A question has been given to you · {number}", "Dear Chen Hao,", ""]
    assert link in surgeon
    assert link in expert
    assert f"How and when you are told is yours to choose: {BASE}/account/notices" in expert


def test_who_may_no_longer_read_the_case_gets_no_number(post: Post) -> None:
    """Nobody let the expert into this one."""
    with post.world.begin() as db:
        case = post.world.case(db)
        notices.tell(db, [post.world.cast.expert.id], "opinion-signed", case)
        number = case.number
    post.run()
    [text] = post.box.texts
    assert number not in text
    assert str(case.id) not in text
    assert f"{BASE}/notices" in text


def test_without_a_mail_server_nothing_is_left_lying(post: Post) -> None:
    deaf = Outside(None, post.outside.caller, post.outside.words)
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "urgency-raised", post.world.case(db))
    run_jobs(post.world.database, telling.planner(deaf))
    assert post.states() == []


# --- when -------------------------------------------------------------------------------------------------------------


def test_routine_news_come_as_one_letter_in_the_morning(post: Post) -> None:
    now = noon()
    with post.at(now), post.world.begin() as db:
        for _ in range(3):
            notices.tell(db, [post.world.cast.nurse.id], "outcome-recorded", post.world.case(db, kind="flap"))
    assert post.box.letters == []
    post.run(noon(1) - dt.timedelta(hours=2, minutes=31))
    assert post.box.letters == [], "half past nine in Beijing is half past seven in Aral"
    post.run(noon(1) - dt.timedelta(hours=2, minutes=30))
    [text] = post.box.texts
    assert text.startswith("【山海】 3 条通知等您查看")
    assert post.states() == ["sent"] * 3


def test_what_was_read_meanwhile_is_not_told(post: Post) -> None:
    nurse = post.world.cast.nurse
    with post.at(noon()), post.world.begin() as db:
        for _ in range(2):
            notices.tell(db, [nurse.id], "outcome-recorded", post.world.case(db, kind="flap"))
    with post.world.begin() as db:
        first = notices.for_actor(db, nurse.actor)[-1]
        notices.read(db, nurse.actor, notice_ids=[first.id])
    post.run(noon(1))
    assert post.states() == ["spared", "sent"]
    assert "条通知" not in post.box.texts[0]


def test_the_quiet_hours_hold_back_all_but_an_emergency_on_duty(post: Post) -> None:
    """The second expert is on duty, the expert is not: at three in the morning only one of them is woken."""
    world, cast = post.world, post.world.cast
    night = noon(1) - dt.timedelta(hours=9)
    with world.begin() as db:
        reachable(db, cast.second_expert, "xu.wei@taizhou.example")
        with ids.told(noon() - dt.timedelta(days=1)):
            turn = Rotation((cast.second_expert.id,), "Asia/Shanghai", (dt.time(8),), 1, ids.now().date())
            rosters.create(db, cast.coordinator.actor, role="expert", specialty="hand_surgery", rotation=turn, phone="0576-5550199")
    with post.at(night), world.begin() as db:
        notices.tell(db, [cast.expert.id, cast.second_expert.id], "message-posted", world.case(db))
    assert [letter["To"].addresses[0].addr_spec for letter in post.box.letters] == ["xu.wei@taizhou.example"]
    post.run(night + dt.timedelta(hours=4))
    morning = [letter["To"].addresses[0].addr_spec for letter in post.box.letters][1:]
    assert morning.count(ADDRESSES["expert"]) == 1


def test_who_is_named_is_woken(post: Post) -> None:
    """By the kind of the notice, or as who has the open question; on duty or not."""
    world, cast = post.world, post.world.cast
    night = noon(1) - dt.timedelta(hours=9)
    with world.begin() as db:
        turn = Rotation((cast.second_expert.id,), "Asia/Shanghai", (dt.time(8),), 1, ids.now().date())
        with ids.told(noon() - dt.timedelta(days=1)):
            rosters.create(db, cast.coordinator.actor, role="expert", specialty="hand_surgery", rotation=turn, phone="0576-5550199")
    with post.at(night), world.begin() as db:
        case = world.case(db)
        world.asked(db, case)
        notices.read(db, cast.surgeon.actor)
    assert [letter["To"].addresses[0].addr_spec for letter in post.box.letters] == [ADDRESSES["expert"]]
    with post.at(night), world.begin() as db:
        notices.tell(db, [cast.expert.id], "message-posted", case)
    assert len(post.box.letters) == 2


def test_without_a_roster_somebody_counts_as_on_duty(post: Post) -> None:
    """The nurse stands in none and never will: for her it waits until the morning."""
    night = noon(1) - dt.timedelta(hours=7)
    with post.at(night), post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id, post.world.cast.nurse.id], "entry-added", post.world.case(db))
    assert [letter["To"].addresses[0].addr_spec for letter in post.box.letters] == [ADDRESSES["surgeon"]]


def test_choices_are_kept_to(post: Post) -> None:
    nurse = post.world.cast.nurse
    with post.world.begin() as db:
        preferences.choose(db, nurse.actor, Choices(routine="at-once", quiet=False))
    with post.at(noon()), post.world.begin() as db:
        notices.tell(db, [nurse.id], "outcome-recorded", post.world.case(db, kind="flap"))
    assert post.states() == ["sent"]
    with post.world.begin() as db:
        preferences.choose(db, nurse.actor, Choices(routine="never"))
    with post.at(noon()), post.world.begin() as db:
        notices.tell(db, [nurse.id], "outcome-recorded", post.world.case(db, kind="flap"))
    assert post.states() == ["sent"]


def test_news_of_the_own_account_are_urgent(post: Post) -> None:
    with post.at(noon()), post.world.begin() as db:
        news.tell(db, db.get_one(Person, post.world.cast.nurse.id), "account-password-changed")
    [text] = post.box.texts
    assert f"{BASE}/account/security" in text


def test_who_is_shut_out_is_told_nothing(post: Post) -> None:
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.nurse.id], "urgency-raised", post.world.case(db))
        people.disable(db, Actor.system(post.world.cast.aral.id), post.world.cast.nurse.id)
    post.run(noon(1))
    assert post.box.letters == []


def test_what_is_a_day_old_is_not_sent_out_any_more(post: Post) -> None:
    with ids.told(ids.now() - dt.timedelta(hours=25)), post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    post.run()
    assert post.states() == []


# --- what fails -------------------------------------------------------------------------------------------------------


def test_a_letter_is_tried_again_and_sent_once(post: Post) -> None:
    post.box.refuses = ["451 greylisted"] * 3
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    now = ids.now()
    post.run(now)
    assert (post.states(), len(post.box.letters)) == (["waiting"], 0)
    for seconds in (11, 80, 400, 1000, 5000, 90_000):
        post.run(now + dt.timedelta(seconds=seconds))
    assert (post.states(), len(post.box.letters)) == (["sent"], 1)


def test_running_a_job_again_sends_nothing_twice(post: Post) -> None:
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    plan = jobs.claim(post.world.database, [notices.OUTSIDE])
    assert plan is not None
    handlers = {**telling.planner(post.outside), **telling.postman(post.outside)}
    for _ in range(2):
        handlers[notices.OUTSIDE](post.world.database, plan)
    send = jobs.claim(post.world.database, [deliveries.MAIL])
    assert send is not None
    for _ in range(2):
        handlers[deliveries.MAIL](post.world.database, send)
    assert jobs.claim(post.world.database, [deliveries.MAIL]) is None
    assert len(post.box.letters) == 1


def test_a_worker_that_dies_while_sending_sends_it_under_the_same_name(post: Post) -> None:
    """Nobody knows whether the server took it: it goes out once more and can be told for the same."""
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    post.run()
    with post.world.begin() as db:
        row = db.scalars(select(Delivery)).one()
        row.state = "waiting"
        deliveries.mail_again(db, [row], ids.now())
    post.run()
    assert len({letter["Message-ID"] for letter in post.box.letters}) == 1
    assert len(post.box.letters) == 2


def test_what_the_server_never_takes_fails_at_once(post: Post) -> None:
    post.box.unknown = {ADDRESSES["surgeon"]}
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    post.run()
    with post.world.begin() as db:
        row = db.scalars(select(Delivery)).one()
        assert (row.state, row.attempts, row.failed_with) == ("failed", 1, "mail-refused")


def test_an_emergency_that_no_letter_tells_goes_by_telephone(post: Post) -> None:
    """After the second failure, while letters are still tried; the gateway is set to tell of nothing else."""
    world, cast = post.world, post.world.cast
    post.box.refuses = ["451 later"] * 20
    with world.begin() as db:
        reachable(db, cast.expert, ADDRESSES["expert"], "13800000001")
        post.hook(db, post.admin(db), "sms", template='{"to": "{phone}", "words": "{text}"}', secret="gatewaykey", urgency="fallback")
    now = noon()
    with post.at(now), world.begin() as db:
        notices.tell(db, [cast.expert.id], "opinion-to-countersign", world.case(db, kind="flap"))
    post.run(now + dt.timedelta(seconds=60))
    assert post.hooked.calls == [], "no emergency: letters alone"
    with post.at(now), world.begin() as db:
        notices.tell(db, [cast.surgeon.id, cast.expert.id], "opinion-to-countersign", world.case(db))
    assert post.hooked.calls == []
    post.run(now + dt.timedelta(seconds=60))
    [call] = post.hooked.calls
    told = json.loads(call.body)
    assert told["to"] == "13800000001"
    assert "countersign" in told["words"]
    assert call.headers["authorization"] == "Bearer gatewaykey"
    assert post.states("sms") == ["sent"]


def test_an_emergency_for_somebody_without_an_address_goes_by_telephone(post: Post) -> None:
    world, cast = post.world, post.world.cast
    with world.begin() as db:
        reachable(db, cast.second_expert, "", "13800000002")
        post.hook(db, post.admin(db), "sms", template=gateways.TEMPLATE)
        notices.tell(db, [cast.second_expert.id], "referral-allocated", world.case(db))
    post.run()
    assert [json.loads(call.body)["mobile"] for call in post.hooked.calls] == ["13800000002"]


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_an_event_is_told_once_and_signed(post: Post) -> None:
    """Two coordinators are told in the product; their hospital's system hears of it once."""
    world, cast = post.world, post.world.cast
    with world.begin() as db:
        people_of.join(db, cast.taizhou, "wu.di", "吴迪", "Wu Di", "coordinator")
        hook, secret = post.hook(db, post.admin(db))
        case = world.case(db)
        world.refer(db, case)
        sealed, number = hook.sealed, case.number
    post.run()
    [call] = post.hooked.calls
    told = json.loads(call.body)
    assert (told["type"], told["data"]["case_number"], told["data"]["urgency"]) == ("referral.requested", number, "emergency")
    assert told["data"]["url"] == f"{BASE}/cases/{case.id}"
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert call.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    for plain in (secret.encode(), b"127.0.0.1", secret.removeprefix("whsec_").encode()):
        assert plain not in sealed


def test_below_the_urgency_of_a_hook_nothing_is_told(post: Post) -> None:
    with post.world.begin() as db:
        post.hook(db, post.admin(db), urgency="urgent")
        notices.tell(db, [post.world.cast.expert.id], "outcome-recorded", post.world.case(db, kind="flap"))
        news.tell(db, db.get_one(Person, post.world.cast.expert.id), "account-password-changed")
    post.run()
    assert post.hooked.calls == [], "neither routine news, nor what is a person's own"


def test_of_a_restricted_case_no_group_is_told(post: Post) -> None:
    world, cast = post.world, post.world.cast
    with world.begin() as db:
        post.hook(db, stepped_up(cast.administrator.actor))
        case = world.case(db)
        notices.tell(db, [cast.surgeon.id], "urgency-raised", case)
        world.restrict(db, case)
        notices.tell(db, [cast.surgeon.id], "urgency-raised", case)
    post.run()
    assert post.hooked.calls == []
    assert len(post.box.letters) == 2


def test_what_keeps_failing_is_a_dead_letter_and_administrators_hear_of_it(post: Post) -> None:
    world = post.world
    post.hooked.answers = [(500, b"")] * 7 + [(200, b"")]
    with world.begin() as db:
        admin = post.admin(db)
        hook, _ = post.hook(db, admin)
        world.refer(db, world.case(db))
    now = ids.now()
    for hours in (0, 0.01, 0.05, 0.2, 1, 3, 8, 24):
        post.run(now + dt.timedelta(hours=hours))
    names = {call.headers["webhook-id"] for call in post.hooked.calls}
    assert (len(post.hooked.calls), len(names)) == (7, 1)
    with world.begin() as db:
        [dead] = deliveries.recent(db, admin)[hook.id]
        assert (dead.state, dead.failed_with, dead.attempts) == ("failed", "status", 7)
        assert [told.kind for told in notices.for_actor(db, admin)] == ["webhook-failing"]
        deliveries.again(db, admin, dead.id)
    post.run()
    assert post.states("webhook") == ["sent"]
    with world.begin() as db:
        assert db.get_one(Hook, hook.id).failing_since is None
        with pytest.raises(Conflict, match="delivery-not-failed"):
            deliveries.again(db, admin, dead.id)
        done = audit.events(db, world.cast.taizhou.id, actions=("webhook:set-up", "webhook:again"))
        assert sorted(event.action for event in done) == ["webhook:again", "webhook:set-up"]


def test_one_that_is_gone_says_so_itself(post: Post) -> None:
    post.hooked.answers = [(410, b"")]
    with post.world.begin() as db:
        post.hook(db, post.admin(db))
        post.world.refer(db, post.world.case(db))
    post.run()
    assert post.states("webhook") == ["failed"]


def test_a_robot_that_says_no_has_not_taken_it(post: Post) -> None:
    post.hooked.answers = [(200, b'{"errcode": 93000}')]
    with post.world.begin() as db:
        admin = post.admin(db)
        hook, secret = post.hook(db, admin, "wecom")
        assert secret == ""
        deliveries.try_out(db, admin, hook.id)
        with pytest.raises(Throttled):
            deliveries.try_out(db, admin, hook.id)
    post.run()
    with post.world.begin() as db:
        [trial] = deliveries.recent(db, admin)[hook.id]
        assert (trial.state, trial.failed_with, trial.attempts) == ("failed", "refused", 1)
        assert notices.for_actor(db, admin) == [], "whoever tries it out is looking"


def test_no_hook_leads_into_the_house(post: Post) -> None:
    """Attack 40: this machine, a cloud's metadata, the hospital's network, by name or address; unless the operator allows it."""
    leads = {"in.example": "10.1.2.3", "meta.example": "169.254.169.254", "here.example": "127.0.0.1"}
    far = Outside(None, Caller(resolve=lambda host, _: [leads.get(host, host)]), post.outside.words)
    with post.world.begin() as db:
        admin = post.admin(db)
        for host in leads:
            hook, _ = post.hook(db, admin, url=f"https://{host}/x")
            deliveries.try_out(db, admin, hook.id)
    run_jobs(post.world.database, telling.courier(far))
    with post.world.begin() as db:
        ended = [row.failed_with for rows in deliveries.recent(db, admin).values() for row in rows]
    assert ended == ["address"] * 3


def test_who_may_set_up_a_hook_and_what_can_be_one(post: Post) -> None:
    world, cast = post.world, post.world.cast
    with world.begin() as db:
        admin = post.admin(db)
        for actor in (cast.coordinator.actor, cast.expert.actor):
            with pytest.raises(Denied):
                post.hook(db, stepped_up(actor))
        with pytest.raises(StepUpNeeded):
            post.hook(db, cast.administrator.actor)
        wrong: dict[str, dict[str, str]] = {
            "url": {"url": "ftp://x.example"},
            "name": {"name": " "},
            "urgency": {"urgency": "fallback"},
            "language": {"language": "fr"},
            "template": {"form": "sms", "template": "hello {phone}"},
            "secret": {"form": "dingtalk"},
            "form": {"form": "fax"},
        }
        for field, told in wrong.items():
            with pytest.raises(Invalid) as refused:
                post.hook(db, admin, **told)
            assert set(refused.value.fields) == {field}
        hook, _ = post.hook(db, admin)
        with pytest.raises(NotFound):
            hooks.end(db, stepped_up(cast.administrator.actor), hook.id)
        deliveries.try_out(db, admin, hook.id)
        hooks.end(db, admin, hook.id)
        assert hooks.listed(db, admin) == []
        assert db.get_one(Hook, hook.id).sealed == b""
        with pytest.raises(Conflict, match="hook-ended"):
            deliveries.try_out(db, admin, hook.id)
        for _ in range(hooks.MOST):
            post.hook(db, admin)
        with pytest.raises(Conflict, match="hooks-too-many"):
            post.hook(db, admin)
    post.run()
    assert post.states("webhook") == ["spared"]


def test_deliveries_are_forgotten_after_ninety_days(post: Post) -> None:
    with post.world.begin() as db:
        notices.tell(db, [post.world.cast.surgeon.id], "opinion-signed", post.world.case(db))
    post.run()
    deliveries.sweep(post.world.database)
    assert post.states() == ["sent"]
    with ids.told(ids.now() + dt.timedelta(days=91)):
        deliveries.sweep(post.world.database)
    assert post.states() == []
