"""A ward telephone from its registration to the lock, over HTTP with an authenticator in software."""

from starlette.testclient import TestClient

from auth import sessions
from auth.people import Person
from tests.authenticator import Authenticator
from tests.cast import Member
from tests.registry.web.conftest import BASE, SESSION, House, field_of

DEVICE = "__Host-device"
JSON = {"Accept": "application/json"}
PIN = "258046"


def stepped_up(house: House, member: Member) -> TestClient:
    """A browser in which somebody has just signed in and given a second factor."""
    client = house.browser(member)
    with house.world.begin() as db:
        me = sessions.resolve(db, client.cookies[SESSION])
        assert me is not None
        _, secret = sessions.step_up(db, me, by="code")
    client.cookies.delete(SESSION)
    client.cookies.set(SESSION, secret, domain="shanhai.test")
    return client


def registered(house: House) -> tuple[str, Authenticator]:
    """The cookie and the authenticator of a device of Aral."""
    phone = Authenticator(BASE, flags=0x01)
    client = stepped_up(house, house.world.cast.administrator)
    made = phone.create(client.post("/hospital/devices/begin", headers=JSON).json())
    answer = client.post("/hospital/devices", data={"name": "Ward 5, telephone 2", "passkey": made})
    assert (answer.status_code, answer.headers["location"]) == (303, "/hospital/devices")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{DEVICE}=")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert part in cookie
    page = client.get("/hospital/devices").text
    assert "Ward 5, telephone 2" in page
    assert "this one" in page
    return client.cookies[DEVICE], phone


def at(house: House, device: str, client: TestClient | None = None) -> TestClient:
    """A browser on the device."""
    client = client or house.visitor()
    client.cookies.set(DEVICE, device, domain="shanhai.test")
    return client


def unlocking(client: TestClient, phone: Authenticator, member: Member, pin: str = PIN, **more: str) -> dict[str, str]:
    """The form of the unlock page, filled in."""
    given = phone.get(client.post("/ward/begin", headers=JSON).json(), nameless=True)
    return {"person": str(member.id), "pin": pin, "passkey": given, **more}


def test_from_the_registration_to_the_lock(house: House) -> None:
    cast = house.world.cast
    device, phone = registered(house)
    nurse = at(house, device, stepped_up(house, cast.nurse))
    assert "Quick unlock on this device" in nurse.get("/account/security").text
    refused = nurse.post("/account/quick-unlock", data={"pin": "123456"})
    assert refused.status_code == 422
    assert "easy to guess" in refused.text
    assert nurse.post("/account/quick-unlock", data={"pin": PIN}).status_code == 303
    assert "You have a PIN" in nurse.get("/account/quick-unlock").text
    assert nurse.post("/sign-out").headers["location"] == "/ward"

    ward = at(house, device)
    page = ward.get("/ward").text
    assert "Aygul" in page
    assert "Li Na" not in page
    wrong = ward.post("/ward/unlock", data=unlocking(ward, phone, cast.nurse, "000000"))
    assert (wrong.status_code, "do not fit" in wrong.text) == (401, True)
    inside = ward.post("/ward/unlock", data=unlocking(ward, phone, cast.nurse, next="/cases"))
    assert (inside.status_code, inside.headers["location"]) == (303, "/cases")
    cases = ward.get("/cases")
    assert cases.status_code == 200
    assert ">Lock<" in cases.text
    with house.world.begin() as db:
        db.get_one(Person, cast.nurse.id).language = "en"
    for path in ("/account/security", "/account/quick-unlock", "/hospital/devices"):
        assert ward.get(path).status_code == 403, path
    assert ward.post("/sign-in/again", data={"code": cast.nurse.code()}).status_code == 403
    assert ward.post("/language", data={"language": "zh"}).status_code == 303
    assert ward.post("/sign-out").headers["location"] == "/ward"
    assert ward.get("/cases").status_code == 303


def test_what_was_typed_when_the_session_ended_is_sent_after_the_pin(house: House) -> None:
    cast = house.world.cast
    device, phone = registered(house)
    nurse = at(house, device, stepped_up(house, cast.nurse))
    assert nurse.post("/account/quick-unlock", data={"pin": PIN}).status_code == 303
    with house.world.begin() as db:
        case = house.world.case(db)
    ward = at(house, device)
    ended = ward.post(f"/cases/{case.id}/messages", data={"text": "The flap is pale."}, headers={"Referer": f"{BASE}/cases/{case.id}"})
    assert ended.status_code == 401
    page = ward.post("/ward", data={"next": field_of(ended.text, "next"), "kept": field_of(ended.text, "kept")}).text
    kept = {name: field_of(page, name) for name in ("next", "kept")}
    onward = ward.post("/ward/unlock", data=unlocking(ward, phone, cast.nurse, **kept))
    assert "The flap is pale." in onward.text
    assert f'action="/cases/{case.id}/messages"' in onward.text


def test_a_browser_that_is_no_device_is_told_how_it_becomes_one(house: House) -> None:
    assert "not a ward device" in house.visitor().get("/ward").text
    stranger = at(house, "nothing")
    assert "not a ward device" in stranger.get("/ward").text
    assert stranger.post("/ward/begin", headers=JSON).status_code == 404


def test_a_device_taken_back_opens_nothing(house: House) -> None:
    device, _ = registered(house)
    administrator = house.browser(house.world.cast.administrator)
    action = administrator.get("/hospital/devices").text.partition('action="/hospital/devices/')[2].partition('"')[0]
    assert administrator.post(f"/hospital/devices/{action}").status_code == 303
    assert "taken back" in administrator.get("/hospital/devices").text
    assert at(house, device).post("/ward/begin", headers=JSON).status_code == 404
