"""Attacks on the pages and the API as a whole: foreign ids, forged fields, hostile words, caches, addresses, logs."""

import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from auth.people import Membership, Person
from core import ids
from imaging import intake
from registry import entries
from registry.cases import Case
from registry.entries import TYPES
from registry.forms.opinion import OpinionText
from registry.patients import Patient
from tests.cast import join
from tests.imaging import samples
from tests.registry.conftest import INDEX, WORDS, World, wall
from tests.registry.web.conftest import House, field_of
from tests.registry.web.expectations import CASES, EXPECTATIONS, IMAGES, OTHERS
from tests.registry.web.test_routes import ask, ids_of, pictured

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)><svg/onload=alert(1)>javascript:alert(1)"
NAME, NUMBER, PHONE = "司马玉蝉", "ZZ90417", "13900004417"
PLANTED = (NAME, NUMBER, PHONE, "Sima", "YUCHAN")


def foreign_patient(house: House) -> dict[str, Any]:
    """Somebody with a case at the stranger's hospital, which has nothing to do with Aral."""
    client = house.program(house.world.cast.stranger)
    told = {"name": NAME, "birth_date": "1971-02-03", "record_number": NUMBER, "phone": PHONE}
    patient = client.post("/api/v1/patients", json=told).json()
    case = client.post("/api/v1/cases", json={"patient_id": patient["id"], "kind": "flap"}).json()
    return {"patient_id": patient["id"], "case_id": case["id"], **told}


# --- ids of others -------------------------------------------------------------------------------------


def test_an_id_of_another_hospital_in_a_body_is_an_id_of_nothing(house: House) -> None:
    """Answered as one that never was, whatever field it stands in."""
    cast, names, foreign = house.world.cast, ids_of(house.world), foreign_patient(house)
    surgeon, coordinator = house.program(cast.surgeon), house.program(cast.coordinator)
    case = f"/api/v1/cases/{names['case_id']}"
    referral = {"to_organisation_id": str(cast.taizhou.id), "question": "And now?", "without_agreement": "", "without_consent": ""}
    asks: list[tuple[TestClient, str, dict[str, Any], str, str]] = [
        (surgeon, "/api/v1/cases", {"kind": "flap"}, "patient_id", foreign["patient_id"]),
        (surgeon, f"{case}/referrals", referral, "expert_id", str(cast.stranger.id)),
        (surgeon, f"{case}/decisions", {"choice": "accept"}, "opinion_id", foreign["case_id"]),
        (surgeon, f"{case}/annotations", {"client_id": names["nothing"], "frame": 1, "tool": "arrow", "points": [[1, 1], [2, 2]], "text": ""},
         "instance_id", foreign["case_id"]),
        (coordinator, f"/api/v1/referrals/{names['referral_id']}/allocate", {}, "expert_id", str(cast.surgeon.id)),
    ]  # fmt: skip
    for client, path, body, field, theirs in asks:
        real = client.post(path, json=body | {field: theirs})
        none = client.post(path, json=body | {field: names["nothing"]})
        assert real.status_code == none.status_code, path
        assert real.status_code in (404, 422), (path, real.text)
        assert real.json()["code"] == none.json()["code"], path


def test_a_query_that_sorts_or_filters_by_what_is_not_offered_is_refused_or_without_effect(house: House) -> None:
    foreign = foreign_patient(house)
    names = ids_of(house.world)
    surgeon = house.program(house.world.cast.surgeon)
    plain = surgeon.get("/api/v1/cases").json()
    for query in (
        {"organisation_id": str(house.world.cast.kashgar.id)},
        {"order_by": "organisation_id"},
        {"sort": "(SELECT secret FROM factors)"},
        {"person_id": str(house.world.cast.stranger.id)},
    ):
        answer = surgeon.get("/api/v1/cases", params=query)
        assert answer.status_code == 422 or answer.json() == plain, query
    assert surgeon.get("/api/v1/cases", params={"patient_id": foreign["patient_id"]}).json()["cases"] == []
    assert names["case_id"] in str(plain)
    assert foreign["case_id"] not in str(plain)


def test_what_belongs_to_another_case_is_not_reached_through_ones_own(house: House) -> None:
    """Pictures, marks, previews, uploads and events, each by its own id in the address of a case that is one's own."""
    world = house.world
    names = pictured(house)
    surgeon, expert = world.cast.surgeon, house.program(world.cast.expert)
    mark = {"client_id": names["nothing"], "instance_id": names["instance_id"], "frame": 1, "tool": "arrow", "points": [[1, 1], [2, 2]]}
    drawn = expert.post(f"/api/v1/cases/{names['case_id']}/annotations", json=mark | {"text": ""})
    assert drawn.status_code == 201
    with world.begin() as db:
        mine = world.case(db, kind="flap")
        held = samples.dicom(PatientName="OTHER^PATIENT", PatientID="X1")
    other = intake.take_in(world.database, house.app.state.pool, surgeon.actor, UUID(names["case_id"]), "other.dcm", held)
    client = house.browser(surgeon)
    client.headers["Accept"] = "*/*"
    study = "/dicomweb/cases/{mine}/studies/{study}"
    one = study + "/series/{series}/instances/{instance}"
    gets = (study, f"{study}/metadata", f"{study}/thumbnail", one, f"{one}/frames/1", f"{one}/rendered", f"{one}/thumbnail")
    for path in (*gets, "/cases/{mine}/pictures/{instance_id}/marked"):
        assert client.get(path.format(mine=mine.id, **names)).status_code == 404, path
    there = f"/api/v1/cases/{mine.id}/annotations"
    tagged = {"If-Match": '"1"'}
    body = {"tool": "arrow", "points": [[1, 1], [9, 9]], "text": ""}
    assert client.post(there, json=mark | {"text": "", "client_id": str(mine.id)}).status_code in (404, 422)
    assert client.put(f"{there}/{drawn.json()['id']}", json=body, headers=tagged).status_code == 404
    assert client.delete(f"{there}/{drawn.json()['id']}", headers=tagged).status_code == 404
    stranger = house.browser(world.cast.stranger)
    for verb in ("confirm", "reject"):
        with world.begin() as db:
            theirs = db.scalars(select(Case.id).where(Case.organisation_id == world.cast.kashgar.id)).first()
        assert stranger.post(f"/cases/{theirs or mine.id}/uploads/{other.id}/{verb}").status_code == 404
        assert stranger.post(f"/inbox/uploads/{other.id}/{verb}").status_code == 404


def test_the_log_of_another_hospital_is_not_asked(house: House) -> None:
    """By the auditor of a hospital that has no part in the case, who may ask their own."""
    world, names = house.world, ids_of(house.world)
    with world.begin() as db:
        auditor = join(db, world.cast.kashgar, "gao.yu", "高玉", "Gao Yu", "auditor")
    client = house.program(auditor)
    for query in ("case_id", "patient_id", "person_id"):
        answer = client.get("/api/v1/audit/events", params={query: names[query]})
        assert answer.status_code == 404, query
    assert house.browser(auditor).get(f"/audit/person/{names['person_id']}").status_code == 404


# --- forged fields -------------------------------------------------------------------------------------


def test_every_body_of_the_api_refuses_a_field_it_does_not_know(house: House) -> None:
    """From the OpenAPI document: whatever is sent as JSON names all that may be sent."""
    document = house.visitor().get("/api/openapi.json").json()
    schemas = document["components"]["schemas"]
    bodies = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                bodies.append((method, path, content["schema"]["$ref"].rpartition("/")[2]))
    assert len(bodies) >= 12
    for method, path, name in bodies:
        assert schemas[name].get("additionalProperties") is False, (method, path)
        forbidden = {"organisation_id", "owner", "role", "roles", "author_id", "signed_at", "state", "version_id"}
        assert not forbidden & set(schemas[name]["properties"]), (method, path)


FORGED = {
    "organisation_id": "{kashgar}",
    "home": "{kashgar}",
    "role": "administrator",
    "roles": "administrator",
    "state": "closed",
    "status": "closed",
    "id": "{nothing}",
    "author_id": "{nothing}",
    "person_id": "{nothing}",
    "created_by": "{nothing}",
    "signed_at": "2001-01-01T00:00",
    "sees_identity": "1",
    "disabled_at": "",
}


def test_a_form_with_forged_fields_changes_nobodys_rights_and_no_owner(house: House) -> None:
    """Every form of the product, as a participant sends it, with fields that would matter if anybody took them."""
    world = house.world
    names = pictured(house) | {"kashgar": str(world.cast.kashgar.id)}
    forged = {key: value.format(**names) for key, value in FORGED.items()}
    clients = {part: house.browser(getattr(world.cast, part)) for part in ("surgeon", "expert", "nurse", "coordinator")}

    def standing() -> tuple[Any, ...]:
        with world.begin() as db:
            rights = sorted((str(m.person_id), str(m.organisation_id), m.role) for m in db.scalars(select(Membership)))
            homes = sorted((str(p.id), str(p.organisation_id), p.disabled_at) for p in db.scalars(select(Person)))
            owners = sorted((str(c.id), str(c.organisation_id)) for c in db.scalars(select(Case)))
            patients = sorted((str(p.id), str(p.organisation_id)) for p in db.scalars(select(Patient)))
            return rights, homes, owners, patients

    before = standing()
    for (method, path), expect in (CASES | OTHERS).items():
        if method == "POST" and expect.json is None and path not in ("/sign-out", "/cases/new"):
            form = forged | expect.form
            answer = clients[expect.part].post(path.format(**names), data=form, headers=expect.headers)
            assert answer.status_code < 500, path
    assert standing() == before


# --- what is not told ----------------------------------------------------------------------------------


def test_a_patient_of_another_hospital_cannot_be_told_from_one_who_does_not_exist(house: House) -> None:
    foreign = foreign_patient(house)
    surgeon, administrator = house.browser(house.world.cast.surgeon), house.browser(house.world.cast.administrator)
    invented = {"name": "司马玉环", "birth_date": "1971-02-04", "record_number": "ZZ90418", "phone": "13900004418"}

    def shape(text: str, told: dict[str, Any]) -> str:
        for value in told.values():
            text = text.replace(str(value), "…")
        return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", text)

    asks = [
        (surgeon, "/cases/search", {"q": "name"}),
        (surgeon, "/cases/search", {"q": "record_number"}),
        (surgeon, "/cases/new/known", {"name": "name", "birth_date": "birth_date", "record_number": "record_number"}),
        (administrator, "/audit/patient", {"name": "name", "birth_date": "birth_date"}),
        (administrator, "/audit/patient", {"number": "record_number"}),
    ]
    for client, path, fields in asks:
        real, none = (client.post(path, data={key: told[name] for key, name in fields.items()}) for told in (foreign, invented))
        assert real.status_code == none.status_code, path
        assert shape(real.text, foreign) == shape(none.text, invented), path
    program = house.program(house.world.cast.surgeon)
    for told in (foreign, invented):
        fields = {key: told[key] for key in ("name", "birth_date", "record_number", "phone")}
        assert program.post("/api/v1/patients", json=fields).status_code == 201, "no conflict tells of a patient elsewhere"
    counts = surgeon.get("/cases").text
    assert foreign["case_id"] not in counts
    assert program.get("/dicomweb/studies", params={"PatientName": "*"}).json() == []


# --- hostile words -------------------------------------------------------------------------------------


class Harm(HTMLParser):
    """What of a page would run: a script without an address, a handler, an address of a script, a picture that was typed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "script" and "src" not in told:
            self.found.append("script")
        self.found += [name for name in told if name.startswith("on")]
        self.found += [name for name in ("href", "src", "action", "formaction") if (told.get(name) or "").strip().startswith("javascript:")]
        if tag == "img" and told.get("src") == "x":
            self.found.append("img")


def harm(html: str) -> list[str]:
    """What a page would run that we did not write."""
    parser = Harm()
    parser.feed(html)
    return parser.found


def test_harm_is_seen() -> None:
    assert harm(HOSTILE) == ["script", "onerror", "img", "onload"]
    assert harm('<a href="javascript:x">') == ["href"]


def severed(world: World, case_id: UUID) -> str:
    """The id under which other documents name the first severed part of a case."""
    with world.begin() as db:
        return entries.units(entries.for_case(db, world.cast.surgeon.actor, case_id))[0].code


def test_hostile_words_in_every_field_stay_words_on_every_page(house: House) -> None:
    """Free text of every form, identity, discussion, file names, DICOM attributes, marks, and the browser's own name."""
    world = house.world
    cast, names = world.cast, pictured(house)
    surgeon, expert = house.browser(cast.surgeon), house.browser(cast.expert)
    for client in (surgeon, expert):
        client.headers["User-Agent"] = HOSTILE
    base = f"/cases/{names['case_id']}"
    form = surgeon.get(f"{base}/patient").text
    patient = {"name": HOSTILE[:90], "sex": "male"} | {name: field_of(form, name) for name in ("version", "subject")}
    assert surgeon.post(f"{base}/patient", data=patient | {"record_number": HOSTILE[:90], "phone": HOSTILE[:30]}).status_code == 303
    # the summary at closing comes last, for it ends the writing
    for kind, (model, _) in TYPES.items():
        if kind == "closure":
            continue
        words = {
            name: HOSTILE[: 190 if note.widget == "text" else 1000]
            for name, note in model.declared().items()
            if note.free and note.widget != "phone"
        }
        told = {
            "injury": {"mechanism": "crush", "injured_at": wall(ids.now())},
            "amputation": INDEX,
            "fracture": {"side": "left", "openness": "open", "segment": "42", "code": ""},
            "wound": {"side": "left", "region": "leg"},
            "structures": {"side": "left", "region": "leg"},
            "mess": {"side": "left", "limb": "lower"},
            "operation": {"began_at": wall(ids.now()), "procedures": ["debridement"]},
            "replant": {"unit": severed(world, UUID(names["case_id"])), "state": "good"},
            "flap": {"flap": "alt", "transfer": ["free"]},
            "complication": {"kind": "haematoma", "found_at": wall(ids.now())},
        }.get(kind, {})
        address = f"{base}/follow-up/draft" if kind == "follow-up" else f"{base}/entries/{kind}/draft"
        assert surgeon.post(address, data=told | words).status_code == 303, kind
        if kind != "follow-up":
            assert surgeon.post(f"{base}/entries/{kind}", data=words | told).status_code == 303, kind
    assert surgeon.post(f"{base}/messages", data={"text": HOSTILE}).status_code == 303
    assert surgeon.post(f"{base}/consents", data={"purpose": "teaching", "statement": "give", "note": HOSTILE}).status_code == 303
    words = WORDS | {name: HOSTILE for name, note in OpinionText.declared().items() if note.free}
    assert expert.post(f"{base}/opinion/draft", data=words).status_code == 303
    mark = {"client_id": names["nothing"], "instance_id": names["instance_id"], "frame": 1, "tool": "arrow", "points": [[1, 1], [2, 2]]}
    assert expert.post(f"/api/v1{base}/annotations", json=mark | {"text": HOSTILE[:100]}).status_code == 201
    tags = {"StudyDescription": HOSTILE[:64], "SeriesDescription": HOSTILE[:64], "PatientName": HOSTILE[:60], "Manufacturer": HOSTILE[:60]}
    for where in (UUID(names["case_id"]), None):
        intake.take_in(world.database, house.app.state.pool, cast.surgeon.actor, where, HOSTILE, samples.dicom(**tags))
    closing = {"summary": HOSTILE}
    assert harm(surgeon.post(f"{base}/close", data=closing).text) == []
    shown = 0
    for client, part in ((surgeon, "surgeon"), (expert, "expert")):
        for (method, path), expect in EXPECTATIONS.items():
            if method != "GET" or path.startswith(("/dicomweb", "/static", "/metrics")) or expect.part not in (part, "nurse"):
                continue
            answer = client.get(path.format(**names))
            if "html" in answer.headers.get("content-type", ""):
                shown += "alert(1)" in answer.text
                # a file of ours to take away: its script is ours, and it has nobody's words
                if path == "/check/page":
                    assert "alert(1)" not in answer.text
                    assert answer.headers["Content-Disposition"].startswith("attachment")
                    continue
                assert harm(answer.text) == [], path
            elif answer.status_code == 200 and "alert(1)" in answer.text:
                assert answer.headers["content-type"].startswith(("application/json", "application/dicom+json", "image/")), path
                assert answer.headers["x-content-type-options"] == "nosniff"
    assert shown >= 8, "the words were shown"
    audited = house.browser(cast.administrator).post("/audit/patient", data={"number": HOSTILE[:90]})
    assert harm(audited.text) == []
    assert harm(surgeon.post("/cases/search", data={"q": HOSTILE}).text) == []
    assert harm(house.visitor().post("/sign-in", data={"login": HOSTILE, "password": HOSTILE, "next": HOSTILE, "kept": HOSTILE}).text) == []


def test_the_viewer_opens_nothing_but_its_own_case(house: House) -> None:
    """No address in the query becomes a source of pictures."""
    names = pictured(house)
    client = house.browser(house.world.cast.expert)
    path = f"/cases/{names['case_id']}/viewer"
    plain = client.get(path).text
    for query in ("url=https://evil.example/x.json", "manifest=//evil.example", "StudyInstanceUIDs=1.2&url=https://evil.example"):
        assert client.get(f"{path}?{query}").text == plain
    assert client.get(f"{path}?instance=https://evil.example").status_code == 422


def test_no_page_may_be_framed(house: House) -> None:
    for headers in _headers(house, pictured(house)):
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"] or headers["content-security-policy"] == "sandbox"


def test_nothing_about_anybody_is_kept_by_a_cache(house: House) -> None:
    """Every answer of every route says no-store; an address dressed up as a style sheet is no page (web cache deception)."""
    names = pictured(house)
    for headers in _headers(house, names):
        assert headers["cache-control"] == "no-store"
    client = house.browser(house.world.cast.surgeon)
    for path in ("/cases", f"/cases/{names['case_id']}", f"/cases/{names['case_id']}/record", "/account", "/api/v1/me"):
        for dressed in (f"{path}/x.css", f"{path}.css", f"{path};x.css", f"{path}%00.css", f"{path}/..%2fstatic/shanhai.css"):
            answer = client.get(dressed)
            assert answer.status_code in (404, 422), dressed
            assert answer.headers["cache-control"] == "no-store"


def _headers(house: House, names: dict[str, str]) -> Iterator[Any]:
    clients = {part: house.browser(getattr(house.world.cast, part)) for part in ("surgeon", "expert", "nurse", "coordinator")}
    for (method, path), expect in EXPECTATIONS.items():
        if method in ("GET", "HEAD"):
            yield ask(clients[expect.part], method, path, expect, names).headers


def test_no_word_about_a_patient_reaches_an_address_a_log_or_a_metric(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The whole of the product as its participants use it, with a name that stands nowhere else."""
    caplog.set_level(logging.DEBUG)
    names = pictured(house)
    surgeon = house.browser(house.world.cast.surgeon)
    base = f"/cases/{names['case_id']}"
    form = surgeon.get(f"{base}/patient").text
    told = {"name": NAME, "sex": "female", "record_number": NUMBER, "phone": PHONE}
    told |= {name: field_of(form, name) for name in ("version", "subject")}
    assert surgeon.post(f"{base}/patient", data=told).status_code == 303
    surgeon.post("/cases/search", data={"q": NAME})
    surgeon.post("/cases/new", data={"name": NAME, "record_number": NUMBER, "kind": "nonsense"})
    surgeon.post("/cases/new/known", data={"name": NAME})
    house.browser(house.world.cast.administrator).post("/audit/patient", data={"number": NUMBER})
    clients = {part: house.browser(getattr(house.world.cast, part)) for part in ("surgeon", "expert", "nurse", "coordinator")}
    for (method, path), expect in (CASES | IMAGES).items():
        answer = ask(clients[expect.part], method, path, expect, names)
        for header in ("location", "content-location", "link", "content-disposition"):
            assert not any(word in answer.headers.get(header, "") for word in PLANTED), (path, header)
        if "html" in answer.headers.get("content-type", ""):
            addresses = re.findall(r'(?:href|src|action)="([^"]*)"', answer.text)
            assert not any(word in address for word in PLANTED for address in addresses), path
            title = re.search(r"<title>(.*?)</title>", answer.text, re.DOTALL)
            assert title is None or not any(word in title[1] for word in PLANTED), path
    for broken in (f"{base}/%E5%8F%B8", f"/cases/{NAME}", f"/nowhere/{NAME}?q={NAME}"):
        surgeon.get(broken, headers={"Referer": f"https://shanhai.test/{NUMBER}"})
    written = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records if not record.name.startswith("http"))
    metrics = house.visitor().get("/metrics").text
    for word in PLANTED:
        assert word not in written
        assert word not in metrics
    assert "shanhai.web" in written


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=" + ",".join(f"{n}-{n + 1}" for n in range(5000)),
        "bytes=0-,0-,0-,0-",
        "bytes=-1",
        "bytes=-0",
        "bytes=9-1",
        "bytes=--5",
        "x=1",
    ],
    ids=["many", "overlapping", "suffix", "nothing", "backwards", "negative", "other"],
)
def test_ranges_ask_for_no_more_than_there_is(house: House, ranges: str) -> None:
    names = pictured(house)
    client = house.browser(house.world.cast.expert)
    instance = "/dicomweb/cases/{case_id}/studies/{study}/series/{series}/instances/{instance}".format(**names)
    for path in ("/static/shanhai.css", instance):
        whole = client.get(path, headers={"Accept": "*/*"})
        answer = client.get(path, headers={"Range": ranges, "Accept": "*/*"})
        assert answer.status_code in (200, 206, 400, 416), path
        assert len(answer.content) <= len(whole.content) + 500, path


def test_what_a_browser_says_of_itself_adds_no_line_to_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = house.browser(house.world.cast.surgeon)
    forged = "x ERROR shanhai.web forged"
    for path in ("/cases%0aERROR%20forged", "/nowhere%0d%0aERROR%20forged?x=%0aERROR"):
        client.get(path, headers={"User-Agent": forged, "Referer": f"https://shanhai.test/{forged}", "X-Request-Id": forged})
    client.request("FORGED", "/cases")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("shanhai")]
    assert lines
    assert not any("forged" in line.lower() or "\n" in line for line in lines)
