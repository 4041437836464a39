"""The sheet of an opinion: what it says in both languages, to whom, and what lies inside; read by a library that is not ours."""

import io
import json
import re
from uuid import UUID

import pytest
from pypdf import PdfReader
from starlette.testclient import TestClient

from auth.people import Person
from core import audit
from registry import consents, decisions, opinions, proofs
from registry.opinions import Opinion
from registry.web import paper
from tests.imaging import samples
from tests.registry.conftest import WORDS, stepped_up
from tests.registry.web.conftest import House
from tests.registry.web.test_annotations import mark, path
from tests.registry.web.test_dicomweb import put

NAME = "张卫国"


def signed(house: House, **words: str) -> tuple[UUID, Opinion]:
    """A case with two pictures, one of them drawn on, and its signed opinion; drawn on once more since."""
    world, cast = house.world, house.world.cast
    with world.begin() as db:
        db.get_one(Person, cast.expert.id).licence_number = "110330000001"
        case = world.case(db)
        world.injury(db, case)
        world.severed(db, case)
        world.asked(db, case)
    drawn, _ = [put(house, case.id, samples.photo(size=size)) for size in ((400, 300), (300, 200))]
    assert house.program(cast.surgeon).post(path(case.id), json=mark(drawn)).status_code == 201
    with world.begin() as db:
        opinion = opinions.sign(db, stepped_up(cast.expert.actor), case.id, {**WORDS, **words})
    assert house.program(cast.surgeon).post(path(case.id), json=mark(drawn)).status_code == 201
    return case.id, opinion


def fetch(client: TestClient, case_id: UUID, opinion_id: UUID) -> PdfReader:
    """The sheet, as a reader opens it."""
    answer = client.get(f"/cases/{case_id}/opinions/{opinion_id}/sheet")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, "application/pdf", "no-store")
    assert answer.headers["content-disposition"].startswith('attachment; filename="SH-')
    return PdfReader(io.BytesIO(answer.content), strict=True)


def text(reader: PdfReader) -> str:
    """All its words, without the breaks of lines."""
    return "".join("".join(page.extract_text().split()) for page in reader.pages)


def test_the_sheet_says_what_the_rules_ask_for(house: House) -> None:
    cast = house.world.cast
    case_id, opinion = signed(house, recommendation="1. 再植\n2. #panic() *不是标记* $x$ \\ <b>")
    with house.world.begin() as db:
        decisions.record(db, cast.surgeon.actor, case_id=case_id, opinion_id=opinion.id, choice="modify", reason="先清创")
        opinions.sign(db, stepped_up(cast.expert.actor), case_id, {"addition": "术后每小时观察血运。"}, addendum_to=opinion.id)
    reader = fetch(house.browser(cast.surgeon, language="zh"), case_id, opinion.id)
    said = text(reader)
    for words in (
        "远程会诊意见书", "SH-", NAME, "1988年3月5日", "左示指离断", "阿拉尔第一师医院", "台州骨科医院", "Canitbereplanted?",
        "1.再植2.#panic()*不是标记*$x$\\<b>", "陈浩", "执业证书110330000001", "补充意见", "术后每小时观察血运。", "先清创", opinion.sha256,
        opinion.public_key.hex(), "经治医师签名", "1处标注", "无标注",
    ):  # fmt: skip
        assert words.replace(" ", "") in said, words
    # of the picture that was drawn on twice it shows what stood when it was signed
    assert "2处标注" not in said
    assert sum(len(page.images) for page in reader.pages) == 2


def test_it_is_an_archive_with_the_proof_inside(house: House) -> None:
    case_id, opinion = signed(house)
    client = house.browser(house.world.cast.surgeon)
    reader = fetch(client, case_id, opinion.id)
    assert reader.xmp_metadata is not None
    assert (reader.xmp_metadata.pdfaid_part, reader.xmp_metadata.pdfaid_conformance) == ("3", "B")
    [proof] = reader.attachments["proof-1.json"]
    assert proofs.check(proof).holds
    assert proof == client.get(f"/cases/{case_id}/opinions/{opinion.id}/proof").content
    assert json.loads(proof)["public_key"] == opinion.public_key.hex()
    with house.world.begin() as db:
        events = audit.events(db, house.world.cast.aral.id, case_id=case_id, actions=("opinion:export",))
        assert {event.object_id for event in events} == {opinion.id}


def test_the_expert_is_shown_no_name(house: House) -> None:
    case_id, opinion = signed(house)
    reader = fetch(house.browser(house.world.cast.expert, language="zh"), case_id, opinion.id)
    said = text(reader)
    assert NAME not in said
    assert "1988" not in said
    assert "阿拉尔第一师医院" in said


def test_in_english(house: House) -> None:
    case_id, opinion = signed(house)
    said = text(fetch(house.browser(house.world.cast.surgeon), case_id, opinion.id))
    for words in ("Opinionatadistance", "Severedindexfinger,left", "AralFirstDivisionHospital", "Treatingdoctor,signature", "ChenHao"):
        assert words in said, words


@pytest.mark.parametrize(
    ("written", "printed"),
    [("😀断端", "[U+1F600]断端"), ("\x07", "[U+0007]"), ("\u202e", "[U+202E]"), ("ئۇيغۇر", None), ("①≥é♂→", "①≥é♂→")],
    ids=["emoji", "control", "override", "uyghur", "signs"],
)  # fmt: skip
def test_a_letter_no_font_has_is_named(written: str, printed: str | None) -> None:
    assert paper._printable({"a": [written, 1, None]}) == {"a": [printed or written, 1, None]}


def test_an_opinion_of_another_case_is_not_there(house: House) -> None:
    case_id, opinion = signed(house)
    with house.world.begin() as db:
        other = house.world.case(db).id
    client = house.browser(house.world.cast.surgeon)
    for what in ("sheet", "proof"):
        assert client.get(f"/cases/{other}/opinions/{opinion.id}/{what}").status_code == 404
        assert client.get(f"/cases/{case_id}/opinions/{case_id}/{what}").status_code == 404


def test_the_consent_sheet_says_it_in_both_languages(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        case = house.world.case(db, consent=False)
        house.world.injury(db, case)
    client = house.browser(cast.surgeon)
    answer = client.get(f"/cases/{case.id}/consents/sheet")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    reader = PdfReader(io.BytesIO(answer.content), strict=True)
    assert len(reader.pages) == 1
    said = text(reader)
    for words in (
        "远程会诊知情同意书", "Consent to consultation at a distance", NAME, "A000001", "阿拉尔第一师医院", "Aral First Division Hospital",
        "教学使用", "Teaching", "科研使用", "Research", "同意 I agree", "不同意 I do not agree", "您可随时告知本院撤回", "take any consent back",
        "15 年", "患者签名", "Patient, signature",
    ):  # fmt: skip
        assert words.replace(" ", "") in said, words
    # before anybody was asked the other hospital is written by hand
    assert "台州骨科医院" not in said
    with house.world.begin() as db:
        assert consents.standing(db, cast.surgeon.actor, case.id) == dict.fromkeys(consents.PURPOSES)


def test_the_signed_sheet_comes_back_as_a_photograph_or_a_pdf_and_is_handed_out_as_a_file(house: House) -> None:
    world = house.world
    with world.begin() as db:
        case = world.case(db)
    surgeon, path = house.browser(world.cast.surgeon), f"/cases/{case.id}/consents"
    photo, pdf = samples.photo(), b"%PDF-1.7\n" + bytes(1_500_000) + b"%%EOF"
    for name, data in (("sheet.jpg", photo), ("sheet.pdf", pdf)):
        sent = surgeon.post(f"{path}/scans", data={"covers": ["treatment", "transfer"]}, files={"scan": (name, data)})
        assert sent.status_code == 303, sent.text
    assert surgeon.post(f"{path}/scans", data={"covers": "treatment"}, files={"scan": ("a.jpg", b"no picture")}).status_code == 422
    without = surgeon.post(f"{path}/scans", files={"scan": ("sheet.jpg", photo)})
    assert without.status_code == 422
    assert "Signed for" in without.text
    page = surgeon.get(path).text
    found = re.findall(rf'href="({path}/scans/[0-9a-f-]+)"', page)
    assert len(found) == 2
    answers = [surgeon.get(one) for one in found]
    assert {answer.headers["content-type"] for answer in answers} == {"application/pdf", "image/jpeg"}
    assert pdf in {answer.content for answer in answers}
    assert all(answer.headers["content-disposition"].startswith("attachment") for answer in answers)
    assert all(answer.headers["content-security-policy"] == "sandbox" for answer in answers)
    assert found[0] in house.browser(world.cast.nurse).get(f"/cases/{case.id}").text
    assert house.browser(world.cast.administrator).get(found[0]).status_code == 404
