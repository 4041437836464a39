"""The administrator's pages of agreements and machines: what is sent, what comes back, what never does."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.formparsers import MultiPartParser
from starlette.testclient import TestClient

from auth import agreements, documents, machines, tokens
from core import audit, ids
from registry.web.wall import CSP
from tests.auth.test_agreements import PDF, today
from tests.auth.test_machines import certify
from tests.cast import Member, join
from tests.registry.web.conftest import House

NEW = "/hospital/agreements/new"


@pytest.fixture
def kashgar(house: House) -> Member:
    """The administrator of the hospital without an agreement."""
    with house.world.begin() as db:
        join(db, house.world.cast.kashgar, "duty", "值班", "Duty", "coordinator")
        return join(db, house.world.cast.kashgar, "guli", "古丽", "Guli", "administrator")


def proven(house: House, member: Member, **more: Any) -> TestClient:
    """A browser whose reader has just given the second factor."""
    client = house.browser(member, **more)
    assert client.post("/sign-in/again", data={"code": member.code(), "next": "/account"}).status_code == 303
    return client


def told(house: House, **more: Any) -> dict[str, Any]:
    """What the form of an agreement sends."""
    return {"other_id": str(house.world.cast.kashgar.id), "starts": today().isoformat(), "covers": ["consultation", "teaching"], **more}


def send(client: TestClient, fields: dict[str, Any], document: bytes | None = PDF) -> Any:
    """The form with its file, as a browser sends it."""
    files = {"document": ("../../x.html", document, "text/html")} if document is not None else {"document": ("", b"")}
    return client.post(NEW, data=fields, files=files)


# --- agreements -----------------------------------------------------------------------------------------


def test_from_the_proposal_to_the_referral_it_allows(house: House, kashgar: Member) -> None:
    ours, theirs = proven(house, house.world.cast.administrator), proven(house, kashgar)
    answer = send(ours, told(house, words="<b>每季度联合查房</b>"))
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    assert "Withdraw the proposal" in ours.get(path).text
    page = theirs.get(path).text
    assert "&lt;b&gt;每季度联合查房&lt;/b&gt;" in page
    assert "Confirm the agreement" in page
    assert "Waiting for your hospital" in theirs.get("/hospital/agreements").text
    assert theirs.post(f"{path}/confirm").status_code == 303
    assert "In force" in ours.get(path).text
    surgeon = house.world.cast.surgeon
    with house.world.begin() as db:
        case = house.world.case(db, kind="fracture")
        house.world.refer(db, case, to_organisation_id=house.world.cast.kashgar.id)
    assert "no agreement in force" not in house.browser(surgeon).get(f"/cases/{case.id}/refer").text
    assert ours.post(f"{path}/end", data={"reason": "by_both"}).status_code == 303
    page = theirs.get(path).text
    assert "Ended" in page
    assert "Both hospitals ended it" in page


def test_the_document_is_served_as_a_file_and_nothing_else(house: House, kashgar: Member) -> None:
    ours = proven(house, house.world.cast.administrator)
    path = send(ours, told(house)).headers["location"]
    for client in (ours, house.browser(kashgar)):
        answer = client.get(f"{path}/document")
        assert answer.content == PDF
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-length"] == str(len(PDF))
        name = path.rpartition("/")[2]
        assert answer.headers["content-disposition"] == f'attachment; filename="agreement-{name}.pdf"'
        assert answer.headers["content-security-policy"] == "sandbox" != CSP
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    with house.world.begin() as db:
        stranger = join(db, house.world.cast.taizhou, "qiao", "乔", "Qiao", "administrator")
        (event,) = audit.events(db, house.world.cast.aral.id, actions=["agreement:read"])
        assert event.actor_id == house.world.cast.administrator.id
    for outsider in (stranger, house.world.cast.surgeon):
        assert house.browser(outsider).get(f"{path}/document").status_code in (403, 404)


def test_a_refused_proposal_comes_back_with_everything_typed(house: House) -> None:
    client = proven(house, house.world.cast.administrator)
    answer = send(client, told(house, starts="2031-02-03", ends="2031-01-01", words="每季度"))
    assert answer.status_code == 422
    for kept in ('value="2031-02-03"', 'value="2031-01-01"', "每季度", 'value="teaching" checked', 'value="consultation" checked'):
        assert kept in answer.text
    assert f'value="{house.world.cast.kashgar.id}" selected' in answer.text
    assert "choose the file again" in answer.text
    assert "Choose a PDF, JPEG or PNG file" in send(client, told(house), b"<html>").text
    assert send(client, told(house), None).status_code == 422
    assert client.post(NEW, data={"words": "x"}).text.count('class="wrong"') == 3
    with house.world.begin() as db:
        assert not list(db.store.keys())


def test_a_file_over_the_limit_is_named_and_far_over_it_not_even_read(house: House) -> None:
    client = proven(house, house.world.cast.administrator)
    answer = send(client, told(house), PDF + bytes(documents.LARGEST - len(PDF) + 1))
    assert answer.status_code == 422
    assert "larger than 20 MB" in answer.text
    assert send(client, told(house), bytes(documents.LARGEST + (2 << 20))).status_code == 413
    assert send(client, told(house), PDF + bytes(documents.LARGEST - len(PDF))).status_code == 303
    assert MultiPartParser.spool_max_size > documents.LARGEST, "what is sent waits in memory, not in a temporary file"


def test_a_form_outlives_the_second_factor_but_for_its_file(house: House) -> None:
    """The session's proof ran out while the form was filled in."""
    answer = send(house.browser(house.world.cast.administrator), told(house, words="每季度"))
    assert answer.status_code == 403
    assert 'name="kept" value="ey' in answer.text
    anonymous = send(house.visitor(), told(house))
    assert anonymous.status_code == 401
    assert house.browser(house.world.cast.administrator).get(NEW).headers["location"].startswith("/sign-in/again")


def test_what_went_without_an_agreement_stands_on_both_sides_pages(house: House, kashgar: Member) -> None:
    cast, world = house.world.cast, house.world
    with world.begin() as db:
        case = world.case(db)
        referral = world.refer(db, case, to_organisation_id=cast.kashgar.id, without_agreement="最近的医院")
    ours, theirs = house.browser(cast.administrator), house.browser(kashgar)
    assert "1 emergency referral went to Kashgar District Hospital without an agreement" in ours.get("/hospital/agreements").text
    assert case.number in ours.get("/hospital/agreements").text
    page = theirs.get("/hospital/agreements").text
    assert "1 emergency referral came from Aral First Division Hospital without an agreement" in page
    for secret in (case.number, str(case.id), "最近的医院", "Li Na"):
        assert secret not in page
    answer = theirs.post("/hospital/agreements/settle", data={"referral": str(referral.id)})
    assert answer.status_code == 422
    assert '<details class="more" open>' in answer.text
    assert theirs.post("/hospital/agreements/settle", data={"referral": str(referral.id), "reason": "one_off"}).status_code == 303
    assert "without an agreement" not in ours.get("/hospital/agreements").text


def test_the_surgeon_is_told_what_to_do_without_an_agreement(house: House) -> None:
    world = house.world
    with world.begin() as db:
        routine, severed = world.case(db, kind="fracture"), world.case(db)
    surgeon = house.browser(world.cast.surgeon)
    page = surgeon.get(f"/cases/{routine.id}/refer").text
    assert "it cannot be asked yet" in page
    assert f'value="{world.cast.kashgar.id}" disabled' in page
    assert f'value="{world.cast.taizhou.id}" disabled' not in page
    assert "ask your administrator" in page
    assert "Zhao Min" in page
    assert 'name="without_agreement"' not in page
    page = surgeon.get(f"/cases/{severed.id}/refer").text
    assert "in this emergency you may go on" in page
    assert " disabled" not in page
    assert 'name="without_agreement"' in page


# --- machines and programs -------------------------------------------------------------------------------


def test_a_machine_is_registered_renewed_and_revoked(house: House) -> None:
    client = proven(house, house.world.cast.administrator)
    fields = {"ae_title": "ARAL_CT1", "name": "<i>CT</i>", "may": ["store"], "certificate": certify("<script>")[0]}
    assert client.post("/hospital/machines", data=fields).status_code == 303
    page = client.get("/hospital/machines").text
    assert "&lt;i&gt;CT&lt;/i&gt;" in page
    assert "&lt;script&gt;" in page
    with house.world.begin() as db:
        (made,) = machines.listed(db, house.world.cast.administrator.actor)
    base = f"/hospital/machines/{made.id}"
    answer = client.post(f"{base}/renew", data={"certificate": "nonsense"})
    assert answer.status_code == 422
    assert "nonsense" in answer.text
    assert client.post(f"{base}/renew", data={"certificate": certify(ends=9)[0]}).status_code == 303
    assert "certificate ends soon" in client.get("/hospital/machines").text
    assert client.post(f"{base}/revoke").status_code == 303
    assert "Revoked machines (1)" in client.get("/hospital/machines").text


def test_a_private_key_is_not_sent_back(house: House) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fields = {"ae_title": "ARAL_CT1", "name": "CT", "may": "store", "certificate": certify(key=key)[0] + secret}
    for client in (house.browser(house.world.cast.administrator), proven(house, house.world.cast.administrator)):
        answer = client.post("/hospital/machines", data=fields)
        assert answer.status_code == 422
        assert "holds a private key" in answer.text
        assert 'value="ARAL_CT1"' in answer.text
        assert secret.splitlines()[1] not in answer.text


def test_programs_are_listed_for_the_administrator_and_ended(house: House, kashgar: Member) -> None:
    cast = house.world.cast
    program, other = house.program(cast.surgeon, "case:read"), house.program(cast.expert, "case:read")
    assert program.get("/api/v1/cases").status_code == 200
    client = house.browser(cast.administrator)
    page = client.get("/hospital/machines").text
    assert "Li Na" in page
    assert "case:read" in page
    assert "Chen Hao" not in page, "another hospital's"
    with house.world.begin() as db:
        ((token, person),) = tokens.of_hospital(db, cast.administrator.actor)
        assert (person.id, token.name) == (cast.surgeon.id, "test")
        assert tokens.of_hospital(db, kashgar.actor) == []
    assert house.browser(kashgar).post(f"/hospital/machines/programs/{token.id}/revoke").status_code == 404
    assert program.get("/api/v1/cases").status_code == 200
    assert client.post(f"/hospital/machines/programs/{token.id}/revoke").status_code == 303
    assert program.get("/api/v1/cases").status_code == 401
    assert other.get("/api/v1/cases").status_code == 200
    assert "Ended tokens (1)" in client.get("/hospital/machines").text


def test_an_agreement_can_be_proposed_from_what_went_without(house: House, kashgar: Member) -> None:
    page = proven(house, house.world.cast.administrator).get(f"{NEW}?with={kashgar.actor.organisation_id}").text
    assert f'value="{kashgar.actor.organisation_id}" selected' in page
    with house.world.begin() as db:
        assert agreements.agreement_between(db, house.world.cast.aral.id, house.world.cast.kashgar.id, ids.now()) is None
