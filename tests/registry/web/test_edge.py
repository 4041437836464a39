"""The edge and the wall: transaction, actor, origin, host, size, headers, and errors in the reader's language."""

import logging
import threading
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from core.db import Tx
from registry import cases
from registry.web import work
from registry.web.wall import CSP
from tests.registry.web.conftest import BASE, House

PATIENT = "张卫国"


def test_every_answer_is_hardened(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    for path in ("/", "/nothing", "/sign-in", "/api/v1/me", "/static/shanhai.css", "/healthz"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == CSP, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Strict-Transport-Security"].startswith("max-age=63072000")
        assert headers["X-Request-Id"]
        assert headers["Cache-Control"] == ("no-cache" if path.startswith("/static") else "no-store"), path


def test_csp_allows_no_inline_code_and_no_framing() -> None:
    assert "unsafe-inline" not in CSP
    assert "'unsafe-eval'" not in CSP.replace("'wasm-unsafe-eval'", "")
    assert "default-src 'none'" in CSP
    assert "frame-ancestors 'none'" in CSP


HOSTS = ["evil.example", "shanhai.test.evil.example", "shanhai.test:1", "a b", "", "shanhai.test/x", "[::1", "x" * 300]


def test_a_host_that_is_not_ours_is_refused(house: House) -> None:
    client = house.visitor()
    for host in HOSTS:
        assert client.get("/sign-in", headers={"Host": host}).status_code == 400, host


def test_forwarded_headers_change_nothing(house: House) -> None:
    answer = house.visitor().get("/cases", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"})
    assert answer.headers["Location"] == "/sign-in?next=%2Fcases"


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://shanhai.test"},
    {"Origin": f"{BASE}.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Content-Type": "text/plain"},
]


def test_another_site_cannot_make_a_browser_write(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    client.headers.pop("Origin")
    for headers in FOREIGN:
        answer = client.post("/notices/read", headers=headers)
        assert answer.status_code == 403, headers
        assert "another site" in answer.text


def test_a_cookie_beside_a_token_is_ignored(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    answer = client.get("/api/v1/me", headers={"Authorization": "Bearer shk_nothing"})
    assert answer.status_code == 401
    assert client.get("/api/v1/me", headers={"Authorization": "Basic YTpi"}).status_code == 401


def test_a_large_body_is_refused_before_it_is_read(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    assert client.post("/notices/read", content=b"x" * (2 << 20)).status_code == 413
    assert client.post("/notices/read", content=b"", headers={"Content-Length": "-1"}).status_code == 400

    def endless() -> Any:
        for _ in range(40):
            yield b"x" * 65536

    assert client.post("/cases/search", content=endless(), headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 413


def test_a_compressed_body_is_refused(house: House) -> None:
    client = house.browser(house.world.cast.surgeon)
    assert client.post("/notices/read", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}).status_code == 415


def test_problem_details_for_programs(house: House) -> None:
    answer = house.program(house.world.cast.surgeon).get(
        "/api/v1/cases/00000000-0000-7000-8000-000000000000", headers={"Accept-Language": "en"}
    )
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == "case-not-found"
    assert told["status"] == 404
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert told["detail"] != "error-case-not-found"


def test_what_was_sent_is_never_echoed(house: House) -> None:
    client = house.program(house.world.cast.surgeon)
    answer = client.post("/api/v1/patients", json={"name": PATIENT, "sex": PATIENT, "extra": PATIENT})
    assert answer.status_code == 422
    assert PATIENT not in answer.text
    assert set(answer.json()["fields"]) == {"sex", "extra"}


def test_errors_speak_the_readers_language(house: House) -> None:
    assert "没有这个页面" in house.visitor(language="zh-CN,zh;q=0.9").get("/nothing").text
    assert "There is no such page" in house.visitor(language="en-GB").get("/nothing").text
    known = house.browser(house.world.cast.surgeon, language="zh")
    assert "没有这个页面" in known.get("/cases/nonsense").text
    assert "没有" in known.get("/cases/00000000-0000-7000-8000-000000000000").text


def test_the_answer_waits_for_the_commit(house: House) -> None:
    """What cannot be committed is not answered with success."""
    client = house.browser(house.world.cast.surgeon)

    def fail(_: Tx) -> None:
        raise RuntimeError("the disk is full")

    event.listen(Tx, "before_commit", fail)
    try:
        answer = client.post("/notices/read")
    finally:
        event.remove(Tx, "before_commit", fail)
    assert answer.status_code == 500
    assert "the disk is full" not in answer.text


def test_a_fault_is_answered_with_its_number_and_logged_without_words(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ValueError(f"cannot read {PATIENT}")

    monkeypatch.setattr(work.worklist, "items", fault)
    with caplog.at_level(logging.DEBUG):
        answer = house.browser(house.world.cast.surgeon).get("/")
    assert answer.status_code == 500
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["X-Request-Id"] in answer.text
    assert "ValueError" in caplog.text
    assert PATIENT not in caplog.text
    assert PATIENT not in answer.text


def test_the_log_holds_the_pattern_of_a_route_and_no_address(house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = house.browser(house.world.cast.surgeon)
    with house.world.begin() as db:
        case = house.world.case(db)
    with caplog.at_level(logging.INFO, logger="shanhai.web"):
        client.get(f"/cases/{case.id}")
        client.post("/cases/search", data={"q": PATIENT})
        client.get("/cases?state=draft&q=secret")
    assert "GET /cases/{case_id} 200" in caplog.text
    for word in (str(case.id), PATIENT, "secret", "state=draft"):
        assert word not in caplog.text


def test_many_requests_at_once_all_end(house: House) -> None:
    """More writers than worker threads must not leave the one that holds the lock without a thread."""
    client = house.browser(house.world.cast.surgeon)
    statuses: list[int] = []

    def ask(shared: TestClient) -> None:
        statuses.append(shared.post("/notices/read").status_code)

    with TestClient(house.app, base_url=BASE, headers={"Origin": BASE}, cookies=client.cookies, follow_redirects=False) as shared:
        threads = [threading.Thread(target=ask, args=(shared,)) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert statuses == [303] * 60


def test_a_refused_request_leaves_nothing(house: House) -> None:
    cast = house.world.cast
    with house.world.begin() as db:
        case = house.world.case(db)
    answer = house.browser(cast.surgeon).post(f"/cases/{case.id}/entries/injury", data={"mechanism": "no-such-code"})
    assert answer.status_code == 422
    with house.world.begin() as db:
        assert [item.entry for item in house_entries(db, house, case.id)] == []


def house_entries(db: Tx, house: House, case_id: Any) -> Any:
    """The record of a case, as its surgeon reads it."""
    from registry import entries

    return entries.recorded(db, cases.get(db, house.world.cast.surgeon.actor, case_id))


def test_static_files_are_kept_for_good_only_under_their_hash(house: House) -> None:
    from registry.web.assets import address

    client = house.visitor()
    kept = client.get(address("shanhai.css"))
    assert kept.status_code == 200
    assert "immutable" in kept.headers["Cache-Control"]
    assert client.get("/static/shanhai.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_health_needs_nobody_and_tells_nothing(house: House) -> None:
    client = house.visitor()
    assert client.get("/healthz", headers={"Host": "10.0.0.1"}).text == "ok\n"
    assert client.get("/readyz").text == "ready\n"
    house.browser(house.world.cast.surgeon).get("/")
    told = client.get("/metrics").text
    assert 'route="/",' in told or 'route="/"' in told
    assert "li.na" not in told


def test_a_line_that_breaks_is_no_fault(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of a form the phone loses its network."""
    caplog.set_level(logging.INFO, "shanhai")
    heard = iter([{"type": "http.request", "body": b"login=li", "more_body": True}, {"type": "http.disconnect"}])
    headers = {"host": BASE.partition("//")[2], "origin": BASE, "content-type": "application/x-www-form-urlencoded"}
    scope = {
        "type": "http", "method": "POST", "path": "/sign-in", "raw_path": b"/sign-in", "query_string": b"", "http_version": "1.1",
        "scheme": "https", "client": ("192.0.2.7", 4711), "server": ("shanhai.test", 443), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> Any:
        return next(heard)

    async def send(message: Any) -> None:
        pass

    with house.visitor() as client:
        assert client.portal is not None
        client.portal.call(house.app, scope, receive, send)
    assert "POST /sign-in 400" in caplog.text
    assert not [record for record in caplog.records if record.name == "shanhai.web" and record.levelno >= logging.WARNING]
