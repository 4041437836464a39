"""Every route of the application × {nobody, a stranger, another hospital, a participant, the administrator}."""

import base64
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pydicom
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from auth import grants
from core import audit, ids
from imaging import intake
from registry import cases, entries, messages, presentations, referrals, rosters, scans
from registry.rotation import Rotation
from tests import trainees
from tests.imaging import samples
from tests.registry.conftest import WORDS, World, stepped_up, wall
from tests.registry.web.conftest import BASE, House
from tests.registry.web.expectations import CASES, EXPECTATIONS, IMAGES, LAST, Expect

PATIENT = "张卫国"
TUS = {"Tus-Resumable": "1.0.0"}


def routes(app: FastAPI | APIRouter) -> Iterator[tuple[str, str]]:
    """Every (method, path) the application serves, but its static files."""
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        if (included := getattr(route, "original_router", None)) is not None:
            yield from routes(included)
            continue
        assert isinstance(route, Route | APIRoute), route
        methods = route.methods or set()
        for method in sorted(methods - {"HEAD"} if "GET" in methods else methods):
            yield method, route.path


def pictured(house: House) -> dict[str, str]:
    """The same, with a slice of a CT filed in the case."""
    names = ids_of(house.world)
    data = samples.dicom(PatientName="Zhang^Weiguo=张^卫国", PatientBirthDate="19880305", PatientSex="M")
    surgeon = house.world.cast.surgeon.actor
    upload = intake.take_in(house.world.database, house.app.state.pool, surgeon, UUID(names["case_id"]), "slice.dcm", data)
    assert upload.state == "filed", upload.reason
    made = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    where = {"study": made.StudyInstanceUID, "series": made.SeriesInstanceUID, "instance": made.SOPInstanceUID}
    more = {
        "frames": "1",
        "frame": "1",
        "start": "0",
        "length": "10",
        "instance_id": str(upload.instance_id),
        "annotation_id": names["nothing"],
    }
    return names | {name: str(uid) for name, uid in where.items()} | more


def ids_of(world: World) -> dict[str, str]:
    """A case with everything in it that a route may name but pictures."""
    with world.begin() as db:
        case = world.case(db)
        world.injury(db, case)
        world.severed(db, case)
        scan = scans.attach(db, world.cast.surgeon.actor, case.id, scans.Sheet("application/pdf", b"%PDF-1.7"), purposes=["treatment"])
        messages.post(db, world.cast.surgeon.actor, case_id=case.id, text="The part lies on ice.")
        referral = world.asked(db, case)
        opinion = world.sign(db, case)
        again = referrals.request(
            db, world.cast.surgeon.actor, case_id=case.id, to_organisation_id=world.cast.taizhou.id, question="And the second look?"
        )
        referrals.allocate(db, world.cast.coordinator.actor, again.id, expert_id=world.cast.expert.id)
        keeper, until = world.cast.coordinator.actor, ids.now() + dt.timedelta(days=1)
        rotation = Rotation((world.cast.expert.id, world.cast.second_expert.id), "Asia/Shanghai", (dt.time(8),), 1, ids.now().date())
        roster = rosters.create(db, keeper, role="expert", specialty="hand_surgery", rotation=rotation, phone="0576-5550199")
        cover = rosters.cover(db, keeper, roster.id, person_id=world.cast.second_expert.id, until=until)
        away = rosters.absent(db, keeper, person_id=world.cast.expert.id, since=until, until=until + dt.timedelta(days=1), reason="leave")
        told = {"injured_at": wall(ids.now() - dt.timedelta(hours=1)), "mechanism": "crush", "side": "left"}
        injury = entries.submit(db, trainees.surgeon(db, world.cast).actor, case.id, "injury", told)
        learning = trainees.expert(db, world.cast)
        grants.give(
            db,
            world.cast.surgeon.actor,
            case_id=case.id,
            organisation_id=case.organisation_id,
            grantee_organisation_id=world.cast.taizhou.id,
            role="expert",
            person_id=learning.id,
            expires_at=ids.now() + dt.timedelta(days=1),
            reason="test",
        )
        presentation = presentations.present(db, stepped_up(learning.actor), case.id, WORDS, senior_id=world.cast.expert.id)
    nothing = str(ids.new())
    return {
        "roster_id": str(roster.id),
        "cover_id": str(cover.id),
        "absence_id": str(away.id),
        "case_id": str(case.id),
        "patient_id": str(case.patient_id),
        "subject": case.subject,
        "merge_id": nothing,
        "scan_id": str(scan.id),
        "entry_id": str(injury.id),
        "entry_type": "injury",
        "referral_id": str(again.id),
        "opinion_id": str(opinion.id),
        "presentation_id": str(presentation.id),
        "expert_id": str(world.cast.expert.id),
        "person_id": str(world.cast.surgeon.id),
        "study_id": nothing,
        "upload_id": nothing,
        "session_id": nothing,
        "token_id": nothing,
        "provider_id": nothing,
        "link_id": nothing,
        "agreement_id": nothing,
        "machine_id": nothing,
        "proposal_id": nothing,
        "invitation_id": nothing,
        "device_id": nothing,
        "passkey_id": nothing,
        "glass_id": nothing,
        "hook_id": nothing,
        "hold_id": nothing,
        "subscription_id": nothing,
        "delivery_id": nothing,
        "nothing": nothing,
        "answered_referral_id": str(referral.id),
    }


def ask(client: TestClient, method: str, path: str, expect: Expect, names: dict[str, str]) -> Any:
    """One request as the expectation describes it."""
    encoded = base64.b64encode(names["case_id"].encode()).decode()
    headers = {
        name: value.replace("{case_id_64}", encoded)
        for name, value in (TUS | expect.headers if path.startswith("/files") else expect.headers).items()
    }
    if expect.json is not None:
        body = json.loads(re.sub(r"\{(\w+)\}", lambda found: names[found[1]], json.dumps(expect.json)))
        return client.request(method, path.format(**names), json=body, headers=headers)
    form = {name: re.sub(r"^\{(\w+)\}$", lambda found: names[found[1]], value) for name, value in expect.form.items()}
    return client.request(method, path.format(**names), data=form or None, headers=headers)


def test_every_route_is_expected(house: House) -> None:
    served = set(routes(house.app))
    assert served - set(EXPECTATIONS) == set(), "a route without a declared expectation"
    assert set(EXPECTATIONS) - served == set(), "an expectation without a route"


@pytest.mark.parametrize("who", ["anonymous", "stranger", "other", "administrator"])
def test_every_route_refuses(house: House, who: str) -> None:
    """What is refused is refused everywhere alike, names nobody and changes nothing."""
    names = pictured(house)
    cast = house.world.cast
    client = house.visitor()
    if who != "anonymous":
        client = house.browser({"stranger": cast.stranger, "other": cast.second_expert, "administrator": cast.administrator}[who])
    wrong = []
    for (method, path), expect in EXPECTATIONS.items():
        answer = ask(client, method, path, expect, names)
        if answer.status_code != getattr(expect, who):
            wrong.append(f"{method} {path}: {answer.status_code}, not {getattr(expect, who)}")
        if (method, path) in CASES | IMAGES and who != "administrator":
            assert PATIENT not in answer.text, path
    assert not wrong, "\n".join(wrong)


def test_every_route_of_a_restricted_case_is_closed_to_its_own_hospital(house: House) -> None:
    """Each route is to a surgeon who is not of the team what it is to a stranger, and answers as for no case at all."""
    names, cast, nothing = pictured(house), house.world.cast, str(ids.new())
    with house.world.begin() as db:
        house.world.restrict(db, cases.get(db, cast.surgeon.actor, UUID(names["case_id"])))
    client, wrong = house.browser(cast.second_surgeon), []
    of_case = {key: expect for key, expect in EXPECTATIONS.items() if key in CASES or key in IMAGES or "{case_id}" in key[1]}
    assert len(of_case) > 100
    for (method, path), expect in of_case.items():
        answer = ask(client, method, path, expect, names)
        if answer.status_code != expect.stranger:
            wrong.append(f"{method} {path}: {answer.status_code}, not {expect.stranger}")
        assert PATIENT not in answer.text, path
        if "{case_id}" in path and method != "HEAD":
            absent = ask(client, method, path, expect, names | {"case_id": nothing})
            if told(absent, nothing) != told(answer, names["case_id"]):
                wrong.append(f"{method} {path} is not answered as if there were no such case")
    assert not wrong, "\n".join(wrong)


def told(answer: Any, case_id: str) -> tuple[int, str]:
    """An answer without what is of the request itself: its own address and number."""
    return answer.status_code, re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", "", answer.text.replace(case_id, ""))


def test_every_route_serves_its_participants(house: House) -> None:
    names = pictured(house)
    clients = {part: house.browser(getattr(house.world.cast, part)) for part in ("surgeon", "expert", "nurse", "coordinator")}
    wrong = []
    for (method, path), expect in _in_order():
        answer = ask(clients[expect.part], method, path, expect, names)
        if answer.status_code not in expect.participant:
            wrong.append(f"{method} {path} as {expect.part}: {answer.status_code}, not {sorted(expect.participant)}")
    assert not wrong, "\n".join(wrong)


def _in_order() -> list[tuple[tuple[str, str], Expect]]:
    return [item for item in EXPECTATIONS.items() if item[0] not in LAST] + list(LAST.items())


def test_ids_of_another_case_lead_nowhere(house: House) -> None:
    """A thing of one case is not reached through the address of another."""
    world = house.world
    names = ids_of(world)
    with world.begin() as db:
        mine = world.case(db, kind="flap")
    client = house.browser(world.cast.surgeon)
    for path in (
        "/cases/{case}/referrals/{referral_id}",
        "/cases/{case}/opinions/{opinion_id}",
        "/cases/{case}/decision?opinion={opinion_id}",
    ):
        assert client.get(path.format(case=mine.id, **names)).status_code == 404, path
    taken = client.post(f"/cases/{mine.id}/decision", data={"opinion": names["opinion_id"], "choice": "accept"})
    assert taken.status_code == 404


def test_every_page_of_a_case_is_in_the_log(house: House) -> None:
    """Each request that shows what is in a case writes an event or joins one, before its answer leaves."""
    world = house.world
    names = ids_of(world)
    shows = [
        key
        for key, expect in CASES.items()
        if key[0] == "GET" and 200 in expect.participant and key[1] not in ("/cases/{case_id}/access", "/cases/{case_id}/people")
    ]
    for method, path in shows:
        member = getattr(world.cast, CASES[method, path].part)
        client = house.browser(member)
        with world.begin() as db:
            before = len(audit.events(db, world.cast.aral.id, actor_id=member.id, limit=1000))
        assert ask(client, method, path, CASES[method, path], names).status_code == 200, path
        with world.begin() as db:
            found = audit.events(db, world.cast.aral.id, actor_id=member.id, limit=1000)
        written = found[: len(found) - before]
        assert any(event.case_id == UUID(names["case_id"]) for event in written), f"{method} {path} shows a case and is not in its log"


def test_a_list_names_the_patients_it_shows(house: House) -> None:
    world = house.world
    names = ids_of(world)
    for path in ("/", "/cases", "/api/v1/cases", "/api/v1/worklist"):
        client = house.browser(world.cast.surgeon)
        with world.begin() as db:
            before = len(audit.events(db, world.cast.aral.id, patient_id=UUID(names["patient_id"]), limit=1000))
        assert client.get(path).status_code == 200
        with world.begin() as db:
            assert len(audit.events(db, world.cast.aral.id, patient_id=UUID(names["patient_id"]), limit=1000)) > before, path


def test_a_token_is_narrowed_by_its_scopes(house: House) -> None:
    names = ids_of(house.world)
    narrow = house.program(house.world.cast.surgeon, "case:read")
    assert narrow.get(f"/api/v1/cases/{names['case_id']}").status_code == 200
    assert narrow.post(f"/api/v1/cases/{names['case_id']}/messages", json={"text": "x"}).status_code == 403
    assert narrow.get(f"/api/v1/cases/{names['case_id']}/opinions").status_code == 403


def test_unsafe_methods_on_every_path_are_answered(house: House) -> None:
    """No path answers an unexpected method with a fault."""
    client = house.browser(house.world.cast.surgeon)
    names = pictured(house)
    for _, path in sorted(EXPECTATIONS):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            assert client.request(method, f"{BASE}{path.format(**names)}").status_code < 500, (method, path)
