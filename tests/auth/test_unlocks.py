"""Ward devices and quick unlock: two things that are both needed, narrow and short, and gone at once (attacks 1, 6, 15 and 17)."""

import dataclasses
import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import ceremonies, devices, news, passkeys, passwords, people, rules, sessions, signin, stepup, tokens, unlocks
from auth.devices import Device
from auth.proofs import Refused
from auth.sessions import SignedSession
from auth.signin import SignedIn
from core import audit, ids
from core.actor import Actor
from core.db import Database
from core.errors import Denied, Invalid, NotFound, StepUpNeeded, Throttled
from core.jobs import JobRow
from tests.authenticator import ELIGIBLE, Authenticator
from tests.cast import Cast, Member, join

ORIGIN = "https://shanhai.test"
SITE = ceremonies.site_of(ORIGIN)
HOME = "192.0.2.1"
PIN = "258046"
WRONG = Refused("pin-wrong")


def fresh(member: Member) -> Actor:
    """Somebody's actor as after a step-up."""
    return dataclasses.replace(member.actor, stepped_up_at=ids.now())


def told(database: Database, member: Member) -> list[str]:
    """What somebody is told about their account, in order."""
    with database.begin() as db:
        rows = db.query(JobRow).where(JobRow.kind == news.TELL).order_by(JobRow.id)
        return [str(row.payload["kind"]) for row in rows if row.payload["person_id"] == str(member.id)]


@dataclasses.dataclass
class Ward:
    """A device of Aral: its row's id, its cookie, its own authenticator."""

    database: Database
    cast: Cast
    phone: Authenticator = dataclasses.field(default_factory=lambda: Authenticator(ORIGIN, flags=0x01))
    cookie: str = ""

    def register(self, name: str = "Ward 5") -> "Ward":
        with self.database.begin() as db:
            me = fresh(self.cast.administrator)
            made = devices.register(db, me, self.phone.create(devices.begin(db, me, site=SITE)), name=name, site=SITE)
            assert not isinstance(made, Refused)
            self.cookie = made[1]
        return self

    def choose(self, member: Member, pin: str = PIN) -> "Ward":
        with self.database.begin() as db:
            device = devices.known(db, self.cookie)
            assert device is not None
            unlocks.choose(db, fresh(member), device, pin)
        return self

    def unlock(self, member: Member, pin: str = PIN, given: str | None = None, presented: str | None = None) -> SignedIn | Refused | None:
        with self.database.begin() as db:
            device = devices.known(db, self.cookie)
            if device is None:
                return None
            answer = given or self.phone.get(unlocks.ask(db, device, site=SITE, address=HOME), nameless=True)
        with self.database.begin() as db:
            device = devices.known(db, self.cookie)
            assert device is not None
            return unlocks.unlock(
                db, device, person_id=member.id, pin=pin, given=answer, site=SITE, address=HOME, agent="ward", presented=presented
            )

    def inside(self, member: Member) -> SignedIn:
        done = self.unlock(member)
        assert isinstance(done, SignedIn)
        return done

    def who(self) -> set[str]:
        with self.database.begin() as db:
            device = devices.known(db, self.cookie)
            assert device is not None
            return {person.login for person in unlocks.people_on(db, device)}


@pytest.fixture
def ward(database: Database, cast: Cast) -> Ward:
    """A registered device on which the nurse has a PIN."""
    return Ward(database, cast).register().choose(cast.nurse)


# --- the device --------------------------------------------------------------------------------------------------------


def test_an_administrator_makes_a_browser_a_device(database: Database, cast: Cast, log: Callable[[UUID], list[str]]) -> None:
    ward = Ward(database, cast).register()
    assert log(cast.aral.id)[0] == "device:register success"
    with database.begin() as db:
        [device] = devices.listed(db, cast.administrator.actor)
        assert (device.name, device.registered_by, device.revoked_at) == ("Ward 5", cast.administrator.id, None)
        assert devices.known(db, ward.cookie) == device
        assert ward.cookie.encode() not in (device.digest, device.public_key)
        assert devices.known(db, "another") is None
        assert devices.known(db, None) is None


@pytest.mark.parametrize("name", ["surgeon", "nurse", "auditor", "expert"])
def test_nobody_else_registers_or_takes_back(database: Database, cast: Cast, name: str) -> None:
    Ward(database, cast).register()
    me = fresh(cast.members[name])
    with database.begin() as db:
        device_id = devices.listed(db, cast.administrator.actor)[0].id
        for act in (
            lambda: devices.begin(db, me, site=SITE),
            lambda: devices.listed(db, me),
            lambda: devices.revoke(db, me, device_id),
        ):
            with pytest.raises(Denied, match="not-allowed"):
                act()


def test_registering_needs_a_step_up_and_a_session(database: Database, cast: Cast) -> None:
    with database.begin() as db:
        with pytest.raises(StepUpNeeded):
            devices.begin(db, cast.administrator.actor, site=SITE)
        with pytest.raises(StepUpNeeded):
            devices.register(db, cast.administrator.actor, "{}", name="Ward 5", site=SITE)
        with pytest.raises(Denied, match="not-allowed"):
            devices.register(db, fresh(cast.surgeon), "{}", name="Ward 5", site=SITE)
        with pytest.raises(Denied, match="session-needed"):
            devices.begin(db, Actor.system(cast.aral.id), site=SITE)
        with pytest.raises(Denied, match="session-needed"):
            devices.begin(db, dataclasses.replace(fresh(cast.administrator), session_id=None, token_id=ids.new()), site=SITE)


def test_a_key_that_travels_and_one_of_another_site_make_no_device(database: Database, cast: Cast) -> None:
    for phone, more, wanted in (
        (Authenticator(ORIGIN, flags=0x01 | ELIGIBLE), {}, "device-key-travels"),
        (Authenticator(ORIGIN, flags=0x01), {"origin": "https://evil.example"}, "device-key-refused"),
        (Authenticator(ORIGIN, flags=0x01), {"rp_id": "evil.example"}, "device-key-refused"),
        (Authenticator(ORIGIN, flags=0x00), {}, "device-key-refused"),
    ):
        with database.begin() as db:
            me = fresh(cast.administrator)
            given = phone.create(devices.begin(db, me, site=SITE), **more)
            assert devices.register(db, me, given, name="x", site=SITE) == Refused(wanted)
    with database.begin() as db:
        assert devices.listed(db, cast.administrator.actor) == []
        assert len(audit.events(db, cast.aral.id, actions=["device:register"])) == 4


def test_a_challenge_for_a_passkey_registers_no_device_and_the_other_way_round(database: Database, cast: Cast) -> None:
    phone = Authenticator(ORIGIN)
    with database.begin() as db:
        me = fresh(cast.administrator)
        assert isinstance(devices.register(db, me, phone.create(passkeys.begin(db, me, site=SITE)), name="x", site=SITE), Refused)
        assert passkeys.register(db, me, phone.create(devices.begin(db, me, site=SITE)), name="x", site=SITE) is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\nb"])
def test_a_device_has_a_name(database: Database, cast: Cast, name: str) -> None:
    with database.begin() as db:
        me = fresh(cast.administrator)
        with pytest.raises(Invalid):
            devices.register(db, me, Authenticator(ORIGIN).create(devices.begin(db, me, site=SITE)), name=name, site=SITE)


def test_a_device_taken_back_ends_what_was_begun_on_it_at_once(database: Database, cast: Cast, ward: Ward) -> None:
    inside = ward.inside(cast.nurse)
    with database.begin() as db:
        device = devices.known(db, ward.cookie)
        assert device is not None
        with pytest.raises(NotFound):
            devices.revoke(db, join(db, cast.taizhou, "boss", "老板", "Boss", "administrator").actor, device.id)
        devices.revoke(db, cast.administrator.actor, device.id)
        devices.revoke(db, cast.administrator.actor, device.id)
    with database.begin() as db:
        assert sessions.resolve(db, inside.cookie) is None
        assert devices.known(db, ward.cookie) is None
        assert len(audit.events(db, cast.aral.id, actions=["device:revoke"])) == 1
    assert ward.unlock(cast.nurse) is None


# --- the PIN -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pin", "code"),
    [("12345", "pin-invalid"), ("1" * 13, "pin-invalid"), ("abcdef", "pin-invalid"), ("１２３４５６", "pin-invalid"), ("", "pin-invalid"),
     ("123456", "pin-too-simple"), ("111111", "pin-too-simple"), ("987654", "pin-too-simple"), ("121212", "pin-too-simple"),
     ("19880305", "pin-too-simple")],
)  # fmt: skip
def test_what_a_pin_may_be(database: Database, cast: Cast, pin: str, code: str) -> None:
    ward = Ward(database, cast).register()
    with pytest.raises(Invalid) as refused:
        ward.choose(cast.nurse, pin)
    assert refused.value.fields == {"pin": code}
    assert ward.who() == set()


def test_choosing_one_needs_a_full_session_a_step_up_and_ones_own_hospital(database: Database, cast: Cast, ward: Ward) -> None:
    narrow = dataclasses.replace(ward.inside(cast.nurse).actor, stepped_up_at=ids.now())
    with database.begin() as db:
        device = devices.known(db, ward.cookie)
        assert device is not None
        for me, wanted in (
            (cast.surgeon.actor, StepUpNeeded),
            (narrow, Denied),
            (dataclasses.replace(fresh(cast.surgeon), session_id=None, token_id=ids.new()), Denied),
            (fresh(cast.stranger), NotFound),
            (fresh(cast.administrator), Denied),
        ):
            with pytest.raises(wanted):
                unlocks.choose(db, me, device, PIN)
    assert ward.who() == {cast.nurse.login}


def test_the_newest_pin_counts_alone_and_the_person_is_told(database: Database, cast: Cast, ward: Ward) -> None:
    ward.choose(cast.nurse, "730519")
    assert ward.unlock(cast.nurse) == WRONG
    assert isinstance(ward.unlock(cast.nurse, "730519"), SignedIn)
    with database.begin() as db:
        device = devices.known(db, ward.cookie)
        assert device is not None
        unlocks.drop(db, cast.nurse.actor, device)
        unlocks.drop(db, cast.nurse.actor, device)
    with database.begin() as db:
        assert [event.action for event in audit.events(db, cast.aral.id, actor_id=cast.nurse.id, actions=["pin:choose", "pin:drop"])] == [
            "pin:drop",
            "pin:choose",
            "pin:choose",
        ]
    assert ward.who() == set()
    assert ward.unlock(cast.nurse, "730519") == WRONG
    assert told(database, cast.nurse) == ["account-pin-chosen", "account-pin-chosen"]


def test_a_pin_is_good_on_its_own_device_for_its_own_person(database: Database, cast: Cast, ward: Ward) -> None:
    other = Ward(database, cast).register("Ward 6").choose(cast.surgeon)
    assert other.unlock(cast.nurse) == WRONG
    assert ward.unlock(cast.surgeon) == WRONG
    assert ward.unlock(cast.stranger) == WRONG
    assert isinstance(other.unlock(cast.surgeon), SignedIn)


def test_five_wrong_ones_in_a_row_end_it_and_a_right_one_counts_anew(database: Database, cast: Cast, ward: Ward) -> None:
    for _ in range(2):
        for _ in range(4):
            assert ward.unlock(cast.nurse, "000000") == WRONG
        assert isinstance(ward.unlock(cast.nurse), SignedIn)
    for _ in range(4):
        assert ward.unlock(cast.nurse, "000000") == WRONG
    assert ward.unlock(cast.nurse, "000000") == Refused("pin-ended")
    assert ward.unlock(cast.nurse) == WRONG
    assert ward.who() == set()
    with database.begin() as db:
        refused = audit.events(db, cast.aral.id, actions=["session:refuse"], person_id=cast.nurse.id)
        assert {event.detail["step"] for event in refused} == {"pin"}
        assert len(refused) == 13
    assert told(database, cast.nurse)[-1] == "account-pin-ended"


def test_a_network_may_ask_a_hundred_times_in_a_quarter_of_an_hour(database: Database, cast: Cast, ward: Ward) -> None:
    with database.begin() as db:
        device = devices.known(db, ward.cookie)
        assert device is not None
        for _ in range(unlocks.ASKED):
            unlocks.ask(db, device, site=SITE, address=HOME)
        with pytest.raises(Throttled):
            unlocks.ask(db, device, site=SITE, address=HOME)
        assert unlocks.ask(db, device, site=SITE, address="198.51.100.9")


def test_wrong_ones_count_also_in_parallel(database: Database, cast: Cast, ward: Ward) -> None:
    answers = []
    for _ in range(8):
        with database.begin() as db:
            device = devices.known(db, ward.cookie)
            assert device is not None
            answers.append(ward.phone.get(unlocks.ask(db, device, site=SITE, address=HOME), nameless=True))
    barrier, found = threading.Barrier(8), list[object]()

    def guess(given: str) -> None:
        barrier.wait()
        found.append(ward.unlock(cast.nurse, "000000", given))

    threads = [threading.Thread(target=guess, args=(given,)) for given in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(ward.unlock(cast.nurse), SignedIn | Refused)
    assert found.count(WRONG) + found.count(Refused("device-refused")) + found.count(Refused("pin-ended")) == 8
    assert found.count(Refused("pin-ended")) <= 1


@pytest.mark.parametrize("how", ["password", "disabled", "dismissed"])
def test_whatever_shuts_a_person_out_ends_their_pin(database: Database, cast: Cast, ward: Ward, how: str) -> None:
    inside = ward.inside(cast.nurse)
    with database.begin() as db:
        system = Actor.system(cast.aral.id)
        if how == "password":
            changed = stepup.change_password(
                db, cast.nurse.actor, current=cast.nurse.password, new="eleven boats at the quay", address=HOME
            )
            assert isinstance(changed, SignedIn)
        elif how == "disabled":
            people.disable(db, system, cast.nurse.id)
        else:
            people.dismiss(db, system, cast.nurse.id, "nurse")
    assert ward.who() == set()
    assert ward.unlock(cast.nurse) == WRONG
    with database.begin() as db:
        assert sessions.resolve(db, inside.cookie) is None
        if how == "disabled":
            people.enable(db, system, cast.nurse.id)
    if how == "disabled":
        assert ward.unlock(cast.nurse) == WRONG, "it does not come back with the person"


# --- unlocking ---------------------------------------------------------------------------------------------------------


def test_the_device_has_to_prove_that_it_is_there(database: Database, cast: Cast, ward: Ward) -> None:
    """Neither a PIN without the device's key, nor an answer used twice, of another device, for another site or of another purpose."""
    refused = Refused("device-refused")
    other = Ward(database, cast).register("Ward 6")

    def challenge(of: Ward) -> dict[str, object]:
        with database.begin() as db:
            device = devices.known(db, of.cookie)
            assert device is not None
            return unlocks.ask(db, device, site=SITE, address=HOME)

    once = ward.phone.get(challenge(ward), nameless=True)
    assert isinstance(ward.unlock(cast.nurse, given=once), SignedIn)
    assert ward.unlock(cast.nurse, given=once) == refused
    assert ward.unlock(cast.nurse, given="nonsense") == refused
    assert ward.unlock(cast.nurse, given=other.phone.get(challenge(ward), nameless=True)) == refused
    assert ward.unlock(cast.nurse, given=ward.phone.get(challenge(other), nameless=True)) == refused
    assert ward.unlock(cast.nurse, given=ward.phone.get(challenge(ward), nameless=True, origin="https://evil.example")) == refused
    assert ward.unlock(cast.nurse, given=ward.phone.get(challenge(ward), nameless=True, rp_id="evil.example")) == refused
    with database.begin() as db:
        sign_in = signin.ask_passkey(db, site=SITE, address=HOME)
    assert ward.unlock(cast.nurse, given=ward.phone.get(sign_in, nameless=True)) == refused
    ward.phone.held[-1].count = 0
    assert ward.unlock(cast.nurse, given=ward.phone.get(challenge(ward), nameless=True)) == refused, "a count that went back"
    with database.begin() as db:
        assert signin.passkey(db, given=ward.phone.get(sign_in), site=SITE, address=HOME) == Refused("passkey-refused")
        assert {event.detail["step"] for event in audit.events(db, cast.aral.id, actions=["session:refuse"])} == {"device"}


def test_what_begins_so_is_narrow(database: Database, cast: Cast, ward: Ward) -> None:
    """Work at the bedside, and nothing of the account, no signature, no other right; a step-up does not widen it."""
    ward.choose(cast.surgeon)
    me = ward.inside(cast.surgeon).actor
    assert me.scopes == unlocks.AT_THE_BEDSIDE
    allowed = {action for action in rules.ACTIONS if rules.roles_for(me, "own", action) or rules.roles_for(me, "self", action)}
    assert allowed <= unlocks.AT_THE_BEDSIDE
    assert {"case:read", "followup:write", "image:upload"} <= allowed
    with database.begin() as db:
        device = devices.known(db, ward.cookie)
        assert device is not None
        for act in (
            lambda: unlocks.drop(db, me, device),
            lambda: passkeys.rename(db, me, ids.new(), "mine"),
            lambda: stepup.prove(db, me, code=cast.surgeon.code(), address=HOME),
            lambda: stepup.change_password(db, me, current=cast.surgeon.password, new="eleven boats at the quay", address=HOME),
            lambda: sessions.own(db, me),
            lambda: sessions.end_all(db, me, cast.surgeon.id, because="x"),
            lambda: sessions.end(db, me, cast.surgeon.actor.session_id),
            lambda: sessions.switch(db, me, cast.aral.id),
            lambda: passkeys.listed(db, me),
            lambda: tokens.listed(db, me),
            lambda: rules.require_step_up(dataclasses.replace(me, stepped_up_at=ids.now())),
        ):
            with pytest.raises(Denied):
                act()


def test_it_is_short_and_is_locked_by_hand(database: Database, cast: Cast, ward: Ward) -> None:
    inside = ward.inside(cast.nurse)
    with database.begin() as db:
        row = db.get_one(SignedSession, inside.actor.session_id)
        assert (row.idle_seconds, row.expires_at - row.started_at) == (300, unlocks.LIMITS.absolute)
        [event] = audit.events(db, cast.aral.id, actions=["session:start"], actor_id=cast.nurse.id, limit=1)
        assert event.detail == {"by": "ward-device"}
        assert sessions.resolve(db, inside.cookie) == inside.actor
        sessions.end(db, inside.actor)
        assert sessions.resolve(db, inside.cookie) is None


def test_the_cookie_shown_when_unlocking_ends(database: Database, cast: Cast, ward: Ward) -> None:
    """The next nurse's PIN puts the last nurse's session away."""
    ward.choose(cast.surgeon)
    earlier = ward.inside(cast.nurse)
    later = ward.unlock(cast.surgeon, presented=earlier.cookie)
    assert isinstance(later, SignedIn)
    with database.begin() as db:
        assert sessions.resolve(db, earlier.cookie) is None
        assert sessions.resolve(db, later.cookie) == later.actor


def test_a_pin_is_hashed(database: Database, cast: Cast, ward: Ward) -> None:
    with database.begin() as db:
        [pin] = db.query(unlocks.Pin).all()
        assert pin.hash.startswith("$argon2id$")
        assert passwords.verified(pin.hash, PIN)
        assert not passwords.verified(None, PIN)
        assert db.query(Device).count() == 1
