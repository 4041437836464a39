"""DICOMweb over HTTP: status codes, forms and headers, and a client that is not ours."""

import datetime as dt
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pydicom
import pytest
import uvicorn
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import generate_uid
from starlette.testclient import TestClient

from auth import grants
from core import audit, ids
from core.settings import Settings
from imaging import intake
from registry.app import create_app
from registry.web import streams
from tests.imaging import samples
from tests.registry.web.conftest import House

NAME = "张卫国"
WHO = {"PatientName": "Zhang^Weiguo=张^卫国", "PatientBirthDate": "19880305", "PatientSex": "M", "PatientID": "A000001"}


@dataclass
class Filed:
    """A case with one CT slice in it, and where that is."""

    house: House
    case_id: UUID
    number: str
    study: str
    instance_id: UUID
    path: str

    @property
    def scoped(self) -> str:
        return f"/dicomweb/cases/{self.case_id}{self.path}"


def put(house: House, case_id: UUID | None, data: bytes) -> UUID:
    upload = intake.take_in(house.world.database, house.app.state.pool, house.world.cast.surgeon.actor, case_id, "", data)
    assert upload.state == "filed", upload.reason
    assert upload.instance_id
    return upload.instance_id


@pytest.fixture
def filed(house: House) -> Filed:
    with house.world.begin() as db:
        case = house.world.case(db)
    data = samples.dicom(**WHO)
    made = pydicom.dcmread(io.BytesIO(data))
    instance_id = put(house, case.id, data)
    path = f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    return Filed(house, case.id, case.number, str(made.StudyInstanceUID), instance_id, path)


def let_in(house: House, case_id: UUID, *, sees_identity: bool = False) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        grants.give(
            db, cast.surgeon.actor, case_id=case_id, organisation_id=cast.aral.id, grantee_organisation_id=cast.taizhou.id, role="expert",
            person_id=cast.expert.id, sees_identity=sees_identity, expires_at=ids.now() + dt.timedelta(days=1), reason="referral",
        )  # fmt: skip


def test_a_search_is_answered_in_dicom_json(filed: Filed) -> None:
    client = filed.house.program(filed.house.world.cast.surgeon)
    answer = client.get("/dicomweb/studies?PatientName=zhang%2A&limit=5", headers={"Accept": "application/dicom+json"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    assert answer.headers["cache-control"] == "no-store"
    [study] = answer.json()
    assert study["0020000D"]["Value"] == [filed.study]
    assert study["00081190"]["Value"] == [f"https://shanhai.test/dicomweb/studies/{filed.study}"]
    nothing = client.get("/dicomweb/studies?PatientName=li", headers={"Accept": "application/dicom+json"})
    assert (nothing.status_code, nothing.headers["content-type"], nothing.json()) == (200, "application/dicom+json", [])
    assert client.get(f"/dicomweb/studies/{filed.study}/series").json()[0]["00080060"]["Value"] == ["CT"]
    assert len(client.get(f"/dicomweb/cases/{filed.case_id}/instances").json()) == 1


def test_what_is_no_query_is_a_400_with_the_names_that_are_wrong(filed: Filed) -> None:
    client = filed.house.program(filed.house.world.cast.surgeon)
    for query, field in (("Nonsense=1", "Nonsense"), ("StudyDate=2026-01-01", "StudyDate"), ("limit=x", "limit"), ("case_id=1", "case_id")):
        answer = client.get(f"/dicomweb/studies?{query}")
        assert answer.status_code == 400, query
        assert answer.headers["content-type"] == "application/problem+json"
        assert field in answer.json()["fields"]
    assert client.get("/dicomweb/studies/nonsense/series").status_code == 400
    assert client.get(f"/dicomweb{filed.path}/frames/x").status_code == 400
    assert client.get(f"/dicomweb{filed.path}/rendered?window=1").status_code == 400
    assert client.get("/dicomweb/cases/nonsense/studies").status_code == 404


def test_what_cannot_be_given_is_a_406(filed: Filed) -> None:
    client = filed.house.program(filed.house.world.cast.surgeon)
    for path, accept in (
        ("/dicomweb/studies", "application/dicom+xml"),
        (f"/dicomweb{filed.path}/metadata", 'multipart/related; type="application/dicom+xml"'),
        (f"/dicomweb{filed.path}/frames/1", 'multipart/related; type="image/jphc"'),
        (f"/dicomweb{filed.path}", "image/jpeg"),
        (f"/dicomweb{filed.path}/rendered", "application/pdf"),
    ):
        assert client.get(path, headers={"Accept": accept}).status_code == 406, path


def test_pixels_are_never_gzipped_and_json_is(filed: Filed) -> None:
    client = filed.house.program(filed.house.world.cast.surgeon)
    client.headers["Accept-Encoding"] = "gzip"
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    frame = client.get(f"/dicomweb{filed.path}/frames/1", headers={"Accept": accept})
    assert frame.status_code == 200
    assert "content-encoding" not in frame.headers
    assert int(frame.headers["content-length"]) == len(frame.content)
    assert np.arange(128, dtype="<u2").tobytes() in frame.content
    assert (frame.headers["content-disposition"], frame.headers["content-security-policy"]) == ("attachment", "sandbox")
    metadata = client.get(f"/dicomweb{filed.path}/metadata", headers={"Accept": "application/dicom+json"})
    assert metadata.headers["content-encoding"] == "gzip"
    alone = client.get(f"/dicomweb{filed.path}/frames/1", headers={"Accept": "application/octet-stream"})
    assert (alone.content, alone.headers["content-length"]) == (np.arange(128, dtype="<u2").tobytes(), "256")


def test_pictures_show_in_a_page(filed: Filed) -> None:
    client = filed.house.browser(filed.house.world.cast.surgeon)
    image = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}
    for path in (
        f"{filed.scoped}/thumbnail?viewport=320,320",
        f"{filed.scoped}/rendered",
        f"{filed.scoped}/frames/1/rendered?viewport=8,8",
    ):
        answer = client.get(path, headers=image)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp"), path
        assert "content-disposition" not in answer.headers
    series = filed.scoped.rpartition("/instances")[0]
    assert client.get(f"{series}/thumbnail", headers=image).status_code == 200
    assert client.get(f"{series.rpartition('/series')[0]}/thumbnail", headers=image).status_code == 200
    assert client.get(f"{filed.scoped}/frames/2/rendered", headers=image).status_code == 404


def test_each_door_is_shut_to_whoever_may_not_see(filed: Filed) -> None:
    """Attacks 1 and 3, for these routes: nobody, a stranger, a non-participant, an administrator."""
    cast = filed.house.world.cast
    doors = [
        "", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/frames/1/rendered", "/frames/1/thumbnail", "/bulkdata/0/10",
    ]  # fmt: skip
    for member in (cast.stranger, cast.expert, cast.administrator):
        client = filed.house.program(member)
        for base in (f"/dicomweb{filed.path}", filed.scoped):
            for door in doors:
                assert client.get(base + door, headers={"Accept": "*/*"}).status_code == 404, (member.login, base, door)
        assert client.get("/dicomweb/studies").json() == []
        assert client.get(f"/dicomweb/cases/{filed.case_id}/studies").status_code == 404
    visitor = filed.house.visitor()
    for path in ("/dicomweb/studies", filed.scoped, f"{filed.scoped}/thumbnail", f"/dicomweb/cases/{filed.case_id}/studies"):
        assert visitor.get(path).status_code == 401
    narrow = filed.house.program(cast.surgeon, "case:read")
    assert narrow.get(filed.scoped + "/metadata").status_code in (403, 404)


def test_an_expert_sees_no_name_through_any_door(filed: Filed) -> None:
    let_in(filed.house, filed.case_id)
    client = filed.house.program(filed.house.world.cast.expert)
    for path in ("/dicomweb/studies?includefield=all", f"{filed.scoped}/metadata", filed.scoped, f"/dicomweb/studies/{filed.study}"):
        answer = client.get(path, headers={"Accept": "*/*"})
        assert answer.status_code == 200
        assert b"Weiguo" not in answer.content
        assert "卫国".encode() not in answer.content
        assert filed.number.encode() in answer.content
    assert client.get("/dicomweb/studies?PatientName=Zhang*").json() == []
    assert client.get(f"/dicomweb/studies?PatientID={filed.number}").status_code == 200


def test_a_token_without_identity_sees_none(filed: Filed) -> None:
    client = filed.house.program(filed.house.world.cast.surgeon, "case:read", "image:read")
    answer = client.get(f"{filed.scoped}/metadata")
    assert answer.status_code == 200
    assert b"Weiguo" not in answer.content


def related(*files: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files) + b"--x--\r\n"
    return body, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}


def test_objects_are_stored_into_a_case_and_into_the_inbox(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    client = house.program(house.world.cast.surgeon)
    body, headers = related(samples.dicom(**WHO), samples.dicom(**WHO))
    answer = client.post(f"/dicomweb/cases/{case.id}/studies", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["00081199"]["Value"]) == 2
    again = client.post(f"/dicomweb/cases/{case.id}/studies", content=body, headers=headers)
    assert again.status_code == 200
    other, headers = related(samples.dicom(PatientName="LI^SI"))
    held = client.post(f"/dicomweb/cases/{case.id}/studies", content=other, headers=headers)
    assert held.status_code in (202, 409)
    inbox, headers = related(samples.dicom(PatientName="LI^SI"))
    assert client.post("/dicomweb/studies", content=inbox, headers=headers).status_code == 200
    assert len(client.get("/dicomweb/studies?PatientName=LI*").json()) == 1
    assert client.post("/dicomweb/studies", content=b"nothing", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post("/dicomweb/studies", content=b"nothing", headers=headers).status_code == 400


def test_whoever_may_not_upload_stores_nothing(filed: Filed) -> None:
    body, headers = related(samples.dicom())
    cast = filed.house.world.cast
    assert (
        filed.house.program(cast.stranger).post(f"/dicomweb/cases/{filed.case_id}/studies", content=body, headers=headers).status_code
        == 404
    )
    let_in(filed.house, filed.case_id)
    assert (
        filed.house.program(cast.expert).post(f"/dicomweb/cases/{filed.case_id}/studies", content=body, headers=headers).status_code == 403
    )
    assert filed.house.program(cast.administrator).post("/dicomweb/studies", content=body, headers=headers).status_code in (403, 404)
    assert filed.house.visitor().post("/dicomweb/studies", content=body, headers=headers).status_code in (401, 403)


def test_a_right_that_ends_cuts_the_answer_short(filed: Filed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 6, on a running download."""
    house, cast = filed.house, filed.house.world.cast
    for number in range(3):
        put(house, filed.case_id, samples.dicom(**WHO, StudyInstanceUID=filed.study, InstanceNumber=number))
    let_in(house, filed.case_id)
    client = house.program(cast.expert)
    whole = client.get(f"/dicomweb/studies/{filed.study}", headers={"Accept": "*/*"})
    assert whole.content.endswith(b"--\r\n")
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.0)
    look_again, looks = streams._look_again, iter(range(1000))

    def revoked_meanwhile(*arguments: Any) -> None:
        if next(looks) == 2:
            with house.world.begin() as db:
                for grant in grants.for_case(db, cast.surgeon.actor, filed.case_id, cast.aral.id):
                    grants.revoke(db, cast.surgeon.actor, grant.id)
        look_again(*arguments)

    monkeypatch.setattr(streams, "_look_again", revoked_meanwhile)
    with pytest.raises(ConnectionError):
        client.get(f"/dicomweb/studies/{filed.study}", headers={"Accept": "*/*"})


def test_the_look_is_written_down_before_the_first_byte(filed: Filed, monkeypatch: pytest.MonkeyPatch) -> None:
    house, cast = filed.house, filed.house.world.cast
    seen: list[int] = []
    answer = streams.answer

    async def counting(*arguments: Any, **named: Any) -> Any:
        with house.world.database.begin(readonly=True) as db:
            seen.append(len(audit.events(db, cast.aral.id, actions=["image:read"])))
        return await answer(*arguments, **named)

    monkeypatch.setattr(streams, "answer", counting)
    client = house.program(cast.surgeon)
    assert client.get(f"{filed.scoped}/frames/1", headers={"Accept": "*/*"}).status_code == 200
    assert seen == [1]
    client.get(f"{filed.scoped}/frames/1", headers={"Accept": "*/*"})
    assert seen == [1, 1]


def test_a_frame_that_cannot_be_decoded_says_so(house: House) -> None:
    with house.world.begin() as db:
        case = house.world.case(db)
    broken = samples.dicom(syntax="1.2.840.10008.1.2.4.90", frames=[b"\xff\x4f\xff\x51 no picture at all"], **WHO)
    made = pydicom.dcmread(io.BytesIO(broken))
    put(house, case.id, broken)
    place = f"/dicomweb/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    client = house.program(house.world.cast.surgeon)
    for path in ("/rendered", "/thumbnail"):
        answer = client.get(place + path, headers={"Accept": "image/*"})
        assert answer.status_code == 415
        assert answer.json()["detail"]
    raw = client.get(place + "/frames/1", headers={"Accept": "application/octet-stream"})
    assert raw.status_code in (406, 415)
    kept = client.get(place + "/frames/1", headers={"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'})
    assert kept.status_code == 200


# -- a client that is not ours ------------------------------------------------------------------------


@pytest.fixture
def served(filed: Filed, tmp_path: Any) -> Iterator[Callable[[str], DICOMwebClient]]:
    """The application on a real port, and clients of it under a path."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = create_app(Settings(base_url=base, data_dir=tmp_path), filed.house.world.database, filed.house.app.state.pool)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    token = filed.house.program(filed.house.world.cast.surgeon).headers["Authorization"]
    yield lambda path: DICOMwebClient(url=f"{base}{path}", headers={"Authorization": token})
    server.should_exit = True
    thread.join()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
def test_dicomweb_client_searches_retrieves_and_stores(filed: Filed, served: Callable[[str], DICOMwebClient]) -> None:
    for path in ("/dicomweb", f"/dicomweb/cases/{filed.case_id}"):
        client = served(path)
        [study] = client.search_for_studies(search_filters={"PatientName": "ZHANG*"})
        uid = study["0020000D"]["Value"][0]
        [series] = client.search_for_series(uid)
        series_uid = series["0020000E"]["Value"][0]
        [instance] = client.search_for_instances(uid, series_uid, fields=["BitsStored"])
        assert instance["00280101"]["Value"] == [12]
        sop_uid = instance["00080018"]["Value"][0]
        assert client.search_for_studies(search_filters={"PatientName": "nobody"}) == []
        address = (uid, series_uid, sop_uid)
        assert client.retrieve_instance(*address).pixel_array.ravel().tolist() == list(range(128))
        assert len(client.retrieve_series(uid, series_uid)) == len(client.retrieve_study(uid)) == 1
        metadata = client.retrieve_instance_metadata(*address)
        assert metadata["00280010"]["Value"] == [16]
        assert len(client.retrieve_series_metadata(uid, series_uid)) == len(client.retrieve_study_metadata(uid)) == 1
        [frame] = client.retrieve_instance_frames(*address, frame_numbers=[1])
        assert frame == np.arange(128, dtype="<u2").tobytes()
        [frame] = client.retrieve_instance_frames(*address, frame_numbers=[1], media_types=(("application/octet-stream", "*"),))
        assert len(frame) == 256
        assert client.retrieve_instance_rendered(*address, media_types=("image/png",)).startswith(b"\x89PNG")
        assert client.retrieve_instance_frames_rendered(*address, frame_numbers=[1], media_types=("image/jpeg",)).startswith(b"\xff\xd8")
        [bulk] = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
        assert bulk == frame
    client = served(f"/dicomweb/cases/{filed.case_id}")
    made = [pydicom.dcmread(io.BytesIO(samples.dicom(**WHO, StudyInstanceUID=generate_uid()))) for _ in range(2)]
    stored = client.store_instances(made)
    assert len(stored.ReferencedSOPSequence) == 2
    assert len(client.search_for_studies()) == 3


def test_pages_of_a_client_that_asks_by_limit_and_offset(filed: Filed) -> None:
    client: TestClient = filed.house.program(filed.house.world.cast.surgeon)
    for _ in range(2):
        put(filed.house, filed.case_id, samples.dicom(**WHO))
    pages = [client.get(f"/dicomweb/studies?limit=2&offset={at}") for at in (0, 2, 4)]
    assert [len(page.json()) if page.status_code == 200 else 0 for page in pages] == [2, 1, 0]
