"""Blinding at the edge: nothing that any address of the application answers to an adviser tells what another has written."""

import re
import zlib
from typing import Any
from uuid import UUID

from auth import blinding
from core import ids
from imaging import annotations
from registry import decisions, independence, messages, opinions, referrals
from registry.cases import Case
from tests.registry.conftest import WORDS, stepped_up
from tests.registry.test_blinding import QUESTION, second_hospital
from tests.registry.web.conftest import House
from tests.registry.web.expectations import EXPECTATIONS
from tests.registry.web.test_routes import ask, pictured

SAID = ("Butterfly-fragment", "Plate-it-dorsally", "I-would-plate-it", "Ours-is-on-it", "Accepted-for-the-plate")
WHO = ("Chen Hao", "Lin Fang")
LINE = [(1.0, 1.0), (5.0, 5.0)]


def told(answer: Any) -> str:
    """The body as text, with what a PDF has compressed."""
    found = answer.content
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", found, re.DOTALL):
        try:
            found += zlib.decompress(stream)
        except zlib.error:
            continue
    return str(found.decode("utf-8", "replace"))


def build(house: House) -> tuple[dict[str, str], Any]:
    """A fracture two hospitals were asked about; Taizhou has answered, spoken and drawn, and Kashgar's expert has yet to."""
    names, world = pictured(house), house.world
    cast = world.cast
    case_id = UUID(names["case_id"])
    with world.begin() as db:
        expert, coordinator = second_hospital(db, cast)
        case = db.get_one(Case, case_id)
        # the severed part of the usual case is an emergency, which is never blind: here the rule is set aside
        case.urgency_rank = 0
        before = db.get_one(referrals.Referral, UUID(names["referral_id"]))
        second = world.refer(db, case, **QUESTION | {"to_organisation_id": cast.kashgar.id, "specialty": "hand_surgery"})
        referrals.allocate(db, coordinator.actor, second.id, expert_id=expert.id)
        assert blinding.standing(db, case_id) is not None
        assert before.open
        drawn = {"case_id": case_id, "instance_id": UUID(names["instance_id"]), "frame": 1, "tool": "arrow", "points": LINE}
        mark = annotations.create(db, cast.expert.actor, text=SAID[0], client_id=ids.new(), **drawn)
        opinion = opinions.sign(db, stepped_up(cast.expert.actor), case_id, {**WORDS, "urgency": "routine", "recommendation": SAID[1]})
        messages.post(db, cast.expert.actor, case_id=case_id, text=SAID[2])
        messages.post(db, cast.coordinator.actor, case_id=case_id, text=SAID[3])
        decisions.record(db, cast.surgeon.actor, case_id=case_id, opinion_id=opinion.id, choice="modify", reason=SAID[4])
        again = world.refer(db, case) if not before.open else before
        more = {"opinion_id": str(opinion.id), "annotation_id": str(mark.id), "referral_id": str(again.id)}
    return names | more, expert


def test_no_address_tells_an_adviser_what_another_has_written(house: House) -> None:
    names, expert = build(house)
    client, surgeon = house.browser(expert), house.browser(house.world.cast.surgeon)
    writers = [str(house.world.cast.expert.id), str(house.world.cast.coordinator.id)]
    leaks, shown = [], set()
    reads = [(method, path) for method, path in EXPECTATIONS if (method == "GET" and "{" in path) or path in ("/", "/cases", "/notices")]
    assert len(reads) > 60
    for method, path in reads:
        answer = ask(client, method, path, EXPECTATIONS[method, path], names)
        body = told(answer)
        leaks += [f"{path}: {word}" for word in (*SAID, *WHO) if word in body]
        if "{opinion_id}" in path or "{annotation_id}" in path:
            leaks += [f"{path}: {answer.status_code}"] if answer.status_code != 404 else []
        leaks += [f"{path}: who wrote it" for one in writers if one in body]
        seen = told(ask(surgeon, method, path, EXPECTATIONS[method, path], names))
        shown |= {word for word in (*SAID, *WHO) if word in seen}
    assert not leaks, "\n".join(leaks)
    assert shown == {*SAID, *WHO}, "what was planted is what the treating hospital reads at the same addresses"


def test_a_picture_shows_no_mark_of_another_adviser(house: House) -> None:
    names, expert = build(house)
    address = next(path for _, path in EXPECTATIONS if path.endswith("/marked"))
    path = address.format(**names)
    theirs, surgeons = (house.browser(who) for who in (expert, house.world.cast.surgeon))
    before, drawn = (client.get(path, headers={"Accept": "image/jpeg"}) for client in (theirs, surgeons))
    assert before.status_code == drawn.status_code == 200
    assert before.content != drawn.content
    with house.world.begin() as db:
        independence.end(db, house.world.cast.surgeon.actor, UUID(names["case_id"]))
    assert theirs.get(path, headers={"Accept": "image/jpeg"}).content == drawn.content


def test_asking_and_ending_on_the_pages(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        second_hospital(db, cast)
        case = house.world.case(db, kind="fracture")
    client = house.browser(cast.surgeon)
    page = client.get(f"/cases/{case.id}/refer").text
    assert 'name="independent"' in page
    form = {"question": "Nail or plate?", "specialty": "hand_surgery", "rank": "any", "independent": "yes"}
    sent = client.post(f"/cases/{case.id}/refer", data=form | {"to_organisation_id": str(cast.taizhou.id)})
    assert sent.status_code == 303
    assert "Independent opinions have been asked for" in client.get(f"/cases/{case.id}/refer").text
    page = client.get(f"/cases/{case.id}").text
    assert "Let them read each other now" in page
    assert house.browser(cast.coordinator).post(f"/cases/{case.id}/blinding/end").status_code == 403
    assert client.post(f"/cases/{case.id}/blinding/end").status_code == 303
    assert "Let them read each other now" not in client.get(f"/cases/{case.id}").text
    with house.world.begin() as db:
        severed = house.world.case(db)
    assert 'name="independent"' not in client.get(f"/cases/{severed.id}/refer").text
    refused = client.post(f"/cases/{severed.id}/refer", data=form | {"to_organisation_id": str(cast.taizhou.id)})
    assert refused.status_code == 422
    assert "never kept from reading each other" in refused.text
