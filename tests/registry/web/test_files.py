"""Resumable uploads as a client of tus 1.0 meets them, and what people do with the files that wait without a case."""

import base64
import datetime as dt
import hashlib
import threading
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from core import ids
from imaging import filing, intake, stored, uploads
from imaging.uploads import Receiver, Upload
from registry.web.translations import LANGUAGES, has
from tests.imaging import samples
from tests.registry.web.conftest import House, words

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = TUS | {"Content-Type": "application/offset+octet-stream"}
FILE = samples.dicom()


def b64(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def sha256(data: bytes) -> str:
    return f"sha256 {b64(hashlib.sha256(data).digest())}"


@pytest.fixture
def case_id(house: House) -> UUID:
    with house.world.begin() as db:
        return house.world.case(db).id


@pytest.fixture
def client(house: House) -> TestClient:
    return house.program(house.world.cast.surgeon)


def begin(client: TestClient, case_id: UUID, length: int = len(FILE), **more: str) -> str:
    metadata = f"filename {b64('hand.dcm')},case_id {b64(str(case_id))}"
    answer = client.post("/files", headers=TUS | {"Upload-Length": str(length), "Upload-Metadata": metadata} | more)
    assert answer.status_code == 201
    assert answer.headers["upload-offset"] == "0"
    return answer.headers["location"]


def send(client: TestClient, url: str, offset: int | str, data: bytes, **more: str) -> Response:
    return client.patch(url, headers=PATCH | {"Upload-Offset": str(offset)} | more, content=data)


def head(client: TestClient, url: str) -> tuple[int, str | None, str | None]:
    answer = client.head(url, headers=TUS)
    return answer.status_code, answer.headers.get("upload-offset"), answer.headers.get("upload-length")


def row(house: House, url: str) -> Upload:
    with house.world.database.begin(readonly=True) as db:
        return db.get_one(Upload, UUID(url.rpartition("/")[2]))


def objects(house: House) -> int:
    return len(list(house.world.database.store.keys("")))


def test_a_file_goes_up_in_pieces(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id)
    first = send(client, url, 0, FILE[:100])
    assert (first.status_code, first.headers["upload-offset"], first.headers["tus-resumable"]) == (204, "100", "1.0.0")
    assert first.headers["upload-expires"].endswith("GMT")
    assert head(client, url) == (200, "100", str(len(FILE)))
    assert client.head(url, headers=TUS).headers["cache-control"] == "no-store"
    assert send(client, url, 100, FILE[100:], **{"Upload-Checksum": sha256(FILE[100:])}).headers["upload-offset"] == str(len(FILE))
    assert row(house, url).state == "received"
    assert intake.process(house.world.database, house.app.state.pool, row(house, url).id).state == "filed"


def test_what_the_server_can_is_told_without_asking_who(house: House) -> None:
    for url in ("/files", f"/files/{ids.new()}"):
        answer = house.visitor().options(url)
        assert (answer.status_code, answer.headers["tus-version"], answer.headers["tus-resumable"]) == (204, "1.0.0", "1.0.0")
        assert answer.headers["tus-extension"] == "creation,termination,expiration,checksum"
        assert answer.headers["tus-checksum-algorithm"] == "sha256"
        assert int(answer.headers["tus-max-size"]) == house.app.state.upload_limit


def test_every_refusal_speaks_tus(house: House, client: TestClient, case_id: UUID) -> None:
    """Whoever speaks another version is told which there are; nothing is done for them."""
    url = begin(client, case_id, 10)
    for version in ({}, {"Tus-Resumable": "0.2.2"}):
        for method, target in (("POST", "/files"), ("HEAD", url), ("PATCH", url), ("DELETE", url)):
            answer = client.request(method, target, headers=version)
            assert (answer.status_code, answer.headers["tus-version"], answer.headers["tus-resumable"]) == (412, "1.0.0", "1.0.0"), method
    assert head(client, url) == (200, "0", "10")
    for answer in (
        house.visitor().head(url, headers=TUS),
        client.head(f"/files/{ids.new()}", headers=TUS),
        client.head("/files/nonsense", headers=TUS),
        client.patch(url, headers=TUS | {"Upload-Offset": "0"}, content=b"x"),
        send(client, url, "x", b"x"),
    ):
        assert answer.headers["tus-resumable"] == "1.0.0", answer.status_code
        assert "tus-version" not in answer.headers
    assert client.patch(url, headers=TUS | {"Upload-Offset": "0"}, content=b"x").status_code == 415


def test_nobody_elses_upload_exists(house: House, client: TestClient, case_id: UUID) -> None:
    """Attack 34, a foreign id: of a colleague, of another hospital, of nobody."""
    url, cast = begin(client, case_id, 10), house.world.cast
    for other in (cast.second_surgeon, cast.nurse, cast.stranger, cast.expert, cast.administrator):
        foreign = house.program(other)
        assert head(foreign, url)[0] == 404, other.login
        assert send(foreign, url, 0, b"x").status_code == 404, other.login
        assert foreign.delete(url, headers=TUS).status_code == 404, other.login
    assert house.visitor().head(url, headers=TUS).status_code == 401
    assert send(client, f"/files/{ids.new()}", 0, b"x").status_code == 404
    assert head(client, url) == (200, "0", "10")


@pytest.mark.parametrize("offset", [0, 2, 4, 10, 999_999_999_999_999])
def test_a_wrong_offset_is_a_409_and_changes_nothing(client: TestClient, case_id: UUID, offset: int) -> None:
    url = begin(client, case_id, 10)
    send(client, url, 0, b"abc")
    assert send(client, url, offset, b"xyz").status_code == 409
    assert head(client, url) == (200, "3", "10")


@pytest.mark.parametrize("offset", ["", "-1", "+3", "3.0", "x", "٣", "9" * 20])
def test_what_is_no_offset_is_refused(client: TestClient, case_id: UUID, offset: str) -> None:
    url = begin(client, case_id, 10)
    answer = client.patch(url, headers={**PATCH, "Upload-Offset": offset.encode()}, content=b"x")  # type: ignore[dict-item]
    assert answer.status_code == 422
    assert head(client, url) == (200, "0", "10")


def test_of_two_at_once_one_wins(house: House, case_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have begun at the same offset before either is done."""
    both = [house.program(house.world.cast.surgeon) for _ in range(2)]
    url, gate, answers = begin(both[0], case_id), threading.Barrier(2), list[int]()
    finish = Receiver.finish

    def together(receiver: Receiver) -> int:
        gate.wait(60)
        return finish(receiver)

    monkeypatch.setattr(Receiver, "finish", together)
    threads = [threading.Thread(target=lambda one=one: answers.append(send(one, url, 0, FILE).status_code)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [204, 409]
    assert head(both[0], url) == (200, str(len(FILE)), str(len(FILE)))
    assert objects(house) == 1


def test_a_file_is_finished_once(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id)
    assert send(client, url, 0, FILE).status_code == 204
    for offset, data in ((0, FILE), (len(FILE), b""), (len(FILE), b"x")):
        again = send(client, url, offset, data)
        assert (again.status_code, again.json()["code"]) == (409, "upload-finished")
    assert (row(house, url).state, objects(house)) == ("received", 1)


def test_a_piece_that_changed_on_its_way_is_a_460(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id)
    wrong = send(client, url, 0, FILE, **{"Upload-Checksum": sha256(b"other")})
    assert (wrong.status_code, wrong.json()["status"], wrong.json()["code"]) == (460, 460, "upload-checksum")
    assert wrong.json()["title"] == "传输中内容有变"
    assert (head(client, url)[1], objects(house)) == ("0", 0)
    assert send(client, url, 0, FILE, **{"Upload-Checksum": sha256(FILE)}).status_code == 204


@pytest.mark.parametrize(
    "checksum", ["md5 " + b64(bytes(16)), "sha256", "sha256 AAAA", "sha256 !", "sha256 é", "sha1 " + b64(bytes(20)), ""]
)
def test_a_checksum_of_another_kind_or_none_at_all_is_a_400(client: TestClient, case_id: UUID, checksum: str) -> None:
    url = begin(client, case_id, 3)
    answer = client.patch(url, headers={**PATCH, "Upload-Offset": "0", "Upload-Checksum": checksum.encode()}, content=b"abc")  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["code"]) == (400, "upload-checksum-invalid")
    assert head(client, url) == (200, "0", "3")


@pytest.mark.parametrize(
    "metadata", ["filename é", "filename !", "filename " + b64("é".encode("latin-1")), "case_id " + b64("x"), "case_id"]
)
def test_metadata_that_say_nothing_are_refused(client: TestClient, metadata: str) -> None:
    headers: Any = {**TUS, "Upload-Length": "10", "Upload-Metadata": metadata.encode()}
    answer = client.post("/files", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload-metadata-invalid")


def test_no_byte_beyond_the_declared_length(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id, 10)
    assert send(client, url, 0, b"x" * 11).status_code == 413
    assert head(client, url) == (200, "10", "10")
    with house.world.database.begin(readonly=True) as db:
        assert intake.bodies.pieces(db, row(house, url).id)[0].length == 10
    for length in ("0", "-1", "x", str(house.app.state.upload_limit + 1)):
        answer = client.post("/files", headers=TUS | {"Upload-Length": length})
        assert answer.status_code in (413, 422), length


def test_what_was_thrown_away_is_not_found(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id, 10)
    send(client, url, 0, b"abc")
    assert client.delete(url, headers=TUS).status_code == 204
    assert head(client, url) == (404, None, None)
    answer = send(client, url, 3, b"def")
    assert (answer.status_code, answer.json()["code"]) == (404, "upload-not-found")
    assert client.delete(url, headers=TUS).status_code == 404
    assert objects(house) == 0


def test_what_came_whole_may_be_thrown_away_and_what_was_filed_may_not(house: House, client: TestClient, case_id: UUID) -> None:
    url = begin(client, case_id)
    send(client, url, 0, FILE)
    assert client.delete(url, headers=TUS).status_code == 204
    url = begin(client, case_id)
    send(client, url, 0, FILE)
    intake.process(house.world.database, house.app.state.pool, row(house, url).id)
    assert client.delete(url, headers=TUS).status_code == 409
    assert row(house, url).state == "filed"


@pytest.mark.parametrize("swept", [False, True])
def test_what_has_expired_is_not_found(house: House, client: TestClient, case_id: UUID, swept: bool) -> None:
    url = begin(client, case_id, 10)
    send(client, url, 0, b"abc")
    with house.world.begin() as db:
        db.get_one(Upload, row(house, url).id).expires_at = ids.now() - dt.timedelta(seconds=1)
    if swept:
        assert uploads.expire(house.world.database) == 1
    assert head(client, url) == (404, None, None)
    assert send(client, url, 3, b"def").status_code == 404


# -- the files that wait --------------------------------------------------------------------------------


def held(house: House, **attributes: Any) -> Upload:
    """A file of the inbox that waits for a person."""
    pool, surgeon = house.app.state.pool, house.world.cast.surgeon.actor
    upload = intake.take_in(house.world.database, pool, surgeon, None, "sent.dcm", samples.dicom(**attributes))
    assert upload.state == "held", upload.reason
    return upload


@pytest.fixture
def known(house: House, case_id: UUID) -> Upload:
    """One file of a study that lies in a case."""
    uids = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.3.4"}
    return intake.take_in(house.world.database, house.app.state.pool, house.world.cast.surgeon.actor, case_id, "", samples.dicom(**uids))


@pytest.mark.usefixtures("known")
def test_a_file_that_waits_without_a_case_is_filed_or_let_go(house: House) -> None:
    browser = house.browser(house.world.cast.surgeon)
    kept, dropped = (held(house, StudyInstanceUID="1.2", PatientID="777", PatientName="LI^NA") for _ in range(2))
    page = browser.get("/inbox")
    said = " ".join(words(page.text))
    assert said.count("It belongs to a study of another patient.") == 2
    assert said.count("The file names: LI") == 2
    for upload in (kept, dropped):
        assert f'action="/inbox/uploads/{upload.id}/confirm"' in page.text
        assert f'action="/inbox/uploads/{upload.id}/reject"' in page.text
    assert browser.post(f"/inbox/uploads/{kept.id}/confirm").headers["location"] == "/inbox"
    assert browser.post(f"/inbox/uploads/{dropped.id}/reject").headers["location"] == "/inbox"
    with house.world.database.begin(readonly=True) as db:
        assert [(db.get_one(Upload, each.id).state, db.get_one(Upload, each.id).reason) for each in (kept, dropped)] == [
            ("filed", None),
            ("discarded", "not-this-patient"),
        ]
    for verb in ("confirm", "reject"):
        assert browser.post(f"/inbox/uploads/{dropped.id}/{verb}").status_code == 409
    assert "/inbox/uploads/" not in browser.get("/inbox").text


@pytest.mark.usefixtures("known")
def test_identifiers_that_are_taken_are_nobodys_to_confirm(house: House) -> None:
    browser = house.browser(house.world.cast.surgeon)
    upload = held(house, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3", SOPInstanceUID="1.2.3.4", PixelData=bytes(256))
    page = browser.get("/inbox").text
    assert f"/inbox/uploads/{upload.id}/confirm" not in page
    assert f"/inbox/uploads/{upload.id}/reject" in page
    assert browser.post(f"/inbox/uploads/{upload.id}/confirm").status_code == 409


def test_the_files_that_wait_are_for_those_who_sort_them(house: House, known: Upload, case_id: UUID) -> None:
    cast = house.world.cast
    waiting = held(house, StudyInstanceUID="1.2", PatientID="777")
    other = samples.dicom(StudyInstanceUID="1.2", PatientID="778")
    in_case = intake.take_in(house.world.database, house.app.state.pool, cast.surgeon.actor, case_id, "", other)
    assert in_case.state == "held"
    for verb in ("confirm", "reject"):
        for member, status in ((cast.nurse, 403), (cast.expert, 403), (cast.administrator, 403), (cast.stranger, 404)):
            assert house.browser(member).post(f"/inbox/uploads/{waiting.id}/{verb}").status_code == status, (member.login, verb)
        assert house.visitor().post(f"/inbox/uploads/{waiting.id}/{verb}").status_code == 401
        for upload in (in_case, known):
            assert house.browser(cast.surgeon).post(f"/inbox/uploads/{upload.id}/{verb}").status_code == 404
    with house.world.database.begin(readonly=True) as db:
        assert [db.get_one(Upload, each.id).state for each in (waiting, in_case)] == ["held", "held"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_said_in_words(language: str) -> None:
    reasons = {*stored.REASONS, *filing.CONFIRMABLE, intake.DAMAGED}
    assert {reason for reason in reasons if not has(language, f"image-{reason}")} == set()
