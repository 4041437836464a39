"""Marks over HTTP: versions as entity tags, names, and the picture with the marks in it."""

import io
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.imaging import samples
from tests.registry.web.conftest import House
from tests.registry.web.test_dicomweb import let_in, put


@pytest.fixture
def case_id(house: House) -> UUID:
    with house.world.begin() as db:
        return house.world.case(db).id


@pytest.fixture
def picture(house: House, case_id: UUID) -> UUID:
    return put(house, case_id, samples.photo(size=(400, 300)))


def mark(picture: UUID, **changed: Any) -> dict[str, Any]:
    return {
        "client_id": str(uuid4()),
        "instance_id": str(picture),
        "tool": "arrow",
        "points": [[50, 150], [200, 150.5]],
        "text": "桡动脉断端",
        **changed,
    }


def path(case_id: UUID, annotation_id: str = "") -> str:
    return f"/api/v1/cases/{case_id}/annotations" + (f"/{annotation_id}" if annotation_id else "")


def change(client: TestClient, case_id: UUID, given: dict[str, Any], tag: str | None, **changed: Any) -> Any:
    body = {key: given[key] for key in ("tool", "points", "text")} | changed
    return client.put(path(case_id, given["id"]), json=body, headers={"If-Match": tag} if tag else {})


def test_what_the_expert_draws_the_surgeon_reads(house: House, case_id: UUID, picture: UUID) -> None:
    let_in(house, case_id)
    expert, surgeon = house.program(house.world.cast.expert), house.program(house.world.cast.surgeon)
    drawn = expert.post(path(case_id), json=mark(picture))
    assert (drawn.status_code, drawn.headers["etag"]) == (201, '"1"')
    [read] = surgeon.get(path(case_id)).json()["annotations"]
    assert (read["id"], read["points"], read["text"], read["frame"]) == (
        drawn.json()["id"],
        [[50.0, 150.0], [200.0, 150.5]],
        "桡动脉断端",
        1,
    )
    assert (read["mine"], drawn.json()["mine"], read["author"]["name"]) == (False, True, "陈浩")
    assert drawn.json()["author"]["name"] == "Chen Hao"


def test_a_change_follows_the_version_it_names(house: House, case_id: UUID, picture: UUID) -> None:
    client = house.program(house.world.cast.surgeon)
    given = client.post(path(case_id), json=mark(picture)).json()
    changed = change(client, case_id, given, '"1"', text="断端")
    assert (changed.status_code, changed.headers["etag"], changed.json()["text"]) == (200, '"2"', "断端")
    assert change(client, case_id, given, '"1"').status_code == 412
    assert change(client, case_id, given, None).status_code == 412
    assert client.delete(path(case_id, given["id"]), headers={"If-Match": '"1"'}).status_code == 412
    assert client.delete(path(case_id, given["id"]), headers={"If-Match": '"2"'}).status_code == 204
    assert client.get(path(case_id)).json() == {"annotations": []}
    assert change(client, case_id, given, '"3"').status_code == 404


def test_sent_twice_is_drawn_once(house: House, case_id: UUID, picture: UUID) -> None:
    client, given = house.program(house.world.cast.surgeon), mark(picture)
    first, second = client.post(path(case_id), json=given), client.post(path(case_id), json=given)
    assert first.json() == second.json()
    assert len(client.get(path(case_id)).json()["annotations"]) == 1


def test_what_is_no_mark_is_told_by_its_field(house: House, case_id: UUID, picture: UUID) -> None:
    client = house.program(house.world.cast.surgeon)
    for changed, field in (
        ({"tool": "eraser"}, "tool"),
        ({"points": [[1, 1]]}, "points"),
        ({"text": "x" * 501}, "text"),
        ({"frame": 9}, "frame"),
    ):
        answer = client.post(path(case_id), json=mark(picture, **changed))
        assert (answer.status_code, set(answer.json()["fields"])) == (422, {field})
        assert answer.json()["fields"][field]["detail"]
    for broken in ({"version": 7}, {"author_id": str(uuid4())}, {"points": "all"}, {"client_id": "x"}):
        assert client.post(path(case_id), json=mark(picture, **broken)).status_code == 422
    assert client.post(path(case_id), content=b'{"points": [[NaN, 1]]}', headers={"Content-Type": "application/json"}).status_code == 422


def test_each_door_is_shut_to_whoever_may_not_see(house: House, case_id: UUID, picture: UUID) -> None:
    cast = house.world.cast
    given = house.program(cast.surgeon).post(path(case_id), json=mark(picture)).json()
    for member, status in (
        (cast.stranger, 404),
        (cast.expert, 404),
        (cast.administrator, 404),
        (cast.second_surgeon, 403),
        (cast.nurse, 403),
    ):
        client = house.program(member)
        assert change(client, case_id, given, '"1"').status_code == status, member.login
        assert client.delete(path(case_id, given["id"]), headers={"If-Match": '"1"'}).status_code == status
        if status == 404:
            assert client.get(path(case_id)).status_code == 404
            assert client.post(path(case_id), json=mark(picture)).status_code == 404
            assert client.get(f"/cases/{case_id}/pictures/{picture}/marked", headers={"Accept": "image/*"}).status_code == 404
    assert house.program(cast.nurse).post(path(case_id), json=mark(picture)).status_code == 403
    visitor = house.visitor()
    visitor.headers["Accept"] = "application/json"
    assert visitor.get(path(case_id)).status_code == 401
    assert visitor.get(f"/cases/{case_id}/pictures/{picture}/marked").status_code == 401


def look(client: TestClient, case_id: UUID, picture: UUID, query: str = "") -> np.ndarray[Any, Any]:
    answer = client.get(f"/cases/{case_id}/pictures/{picture}/marked{query}", headers={"Accept": "image/jpeg"})
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, "image/jpeg", "no-store")
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)


def test_the_picture_on_the_page_bears_the_marks(house: House, case_id: UUID, picture: UUID) -> None:
    client = house.browser(house.world.cast.surgeon)
    before = look(client, case_id, picture)
    assert before.shape == (300, 400, 3)
    house.program(house.world.cast.surgeon).post(path(case_id), json=mark(picture))
    after = look(client, case_id, picture)
    changed = np.abs(after - before).max(axis=-1) > 60
    assert changed[145:155, 60:190].any(axis=0).all()
    assert not changed[:80].any()


def test_the_picture_is_that_of_its_own_case(house: House, case_id: UUID, picture: UUID) -> None:
    with house.world.begin() as db:
        other = house.world.case(db).id
    client = house.browser(house.world.cast.surgeon)
    client.headers["Accept"] = "image/*"
    assert client.get(f"/cases/{other}/pictures/{picture}/marked").status_code == 404
    assert client.get(f"/cases/{case_id}/pictures/{uuid4()}/marked").status_code == 404
    assert client.get(f"/cases/{case_id}/pictures/{picture}/marked?frame=2").status_code == 404


def test_many_frames_show_the_first_that_bears_a_mark(house: House, case_id: UUID) -> None:
    pixels = np.zeros((5, 16, 8), "<u2")
    pixels[3] = np.arange(128).reshape(16, 8)
    many = put(house, case_id, samples.dicom(NumberOfFrames=5, PixelData=pixels.tobytes()))
    client = house.browser(house.world.cast.surgeon)
    assert look(client, case_id, many).std() < 3
    house.program(house.world.cast.surgeon).post(path(case_id), json=mark(many, frame=4, points=[[1, 1], [2, 1]], text=""))
    assert look(client, case_id, many).std() > 30
    assert look(client, case_id, many, "?frame=1")[8:, 4:].std() < 30


def test_the_viewer_s_manifest_names_spacing_and_its_origin(house: House, case_id: UUID, picture: UUID) -> None:
    put(
        house,
        case_id,
        samples.dicom(
            PixelSpacing=[0.2, 0.3], StudyDescription="HAND ZHANG", SeriesDescription="BONE ZHANG", BodyPartExamined="WRIST", Laterality="L"
        ),
    )
    surgeon = house.program(house.world.cast.surgeon).get(f"/api/v1/cases/{case_id}/imaging").json()
    photo, film = (
        next(one for study in surgeon["studies"] for series in study["series"] for one in series["instances"] if one["kind"] == kind)
        for kind in ("photo", "ct")
    )
    assert photo["spacing"] == {"row_mm": None, "column_mm": None, "origin": "none"}
    assert film["spacing"] == {"row_mm": 0.2, "column_mm": 0.3, "origin": "calibrated"}
    assert (film["title"], film["number_of_frames"], film["burned_in"], surgeon["may_annotate"]) == ("WRIST L", 1, "no", True)
    assert "BONE ZHANG" in str(surgeon)
    client = house.program(house.world.cast.surgeon)
    assert client.get(film["thumbnail_url"], headers={"Accept": "image/*"}).status_code == 200
    let_in(house, case_id)
    expert = house.program(house.world.cast.expert).get(f"/api/v1/cases/{case_id}/imaging")
    assert expert.status_code == 200
    assert "ZHANG" not in expert.text
    assert "WRIST L" in expert.text
