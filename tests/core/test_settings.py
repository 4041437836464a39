"""Settings: what is unsafe does not start, and says how to mend it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SHANHAI_{name.upper()}", raising=False)


def test_everything_lies_in_the_data_folder_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHANHAI_DATA_DIR", str(tmp_path))
    settings = Settings()
    assert settings.database == f"sqlite:///{tmp_path}/shanhai.sqlite"
    assert settings.store == (tmp_path / "objects").as_uri()
    assert settings.keyring == (tmp_path / "keys" / "root.key").as_uri()
    assert settings.checkpoints == tmp_path / "checkpoints"


def test_what_is_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHANHAI_DATABASE_URL", "postgresql://db/shanhai")
    monkeypatch.setenv("SHANHAI_STORE_URL", "s3://bucket/prefix")
    monkeypatch.setenv("SHANHAI_KEYRING_URL", "file:///etc/shanhai/root.key")
    monkeypatch.setenv("SHANHAI_CHECKPOINT_DIR", "/mnt/kept")
    settings = Settings()
    found = (settings.database, settings.store, settings.keyring, str(settings.checkpoints))
    assert found == ("postgresql://db/shanhai", "s3://bucket/prefix", "file:///etc/shanhai/root.key", "/mnt/kept")


@pytest.mark.parametrize(
    "url",
    [
        "smtps://user:p%40ss@mail.example.org:465",
        "smtp://user:secret@mail.example.org:587",
        "smtp://127.0.0.1:25",
        "smtp://mail.example.org",
        "smtp://[::1]:25/",
    ],
)
def test_a_mail_server_and_whom_mail_is_from(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHANHAI_SMTP_URL", url)
    with pytest.raises(ValidationError, match="SHANHAI_MAIL_FROM must be"):
        Settings()
    for sender in ("shanhai@example.org", "Shanhai <shanhai@example.org>"):
        monkeypatch.setenv("SHANHAI_MAIL_FROM", sender)
        assert Settings().smtp_url == url


@pytest.mark.parametrize(
    "url",
    ["mail.example.org:25", "http://mail.example.org", "smtp://", "smtp://mail:x", "smtp://mail:0", "smtp://mail/path", "smtp://u:密@mail"],
)
def test_a_mail_server_that_cannot_be_one_refuses_to_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHANHAI_SMTP_URL", url)
    monkeypatch.setenv("SHANHAI_MAIL_FROM", "shanhai@example.org")
    with pytest.raises(ValidationError, match="SHANHAI_SMTP_URL must be"):
        Settings()


@pytest.mark.parametrize("sender", ["shanhai", "山海 <shanhai@example.org>", "a@b\r\nBcc: c@d", "@example.org"])
def test_an_address_that_mail_cannot_come_from(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    monkeypatch.setenv("SHANHAI_SMTP_URL", "smtp://127.0.0.1:25")
    monkeypatch.setenv("SHANHAI_MAIL_FROM", sender)
    with pytest.raises(ValidationError, match="SHANHAI_MAIL_FROM must be"):
        Settings()


def test_where_webhooks_may_lead_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().webhook_inside == []
    monkeypatch.setenv("SHANHAI_WEBHOOK_NETWORKS", "10.1.2.0/24, 192.168.7.9")
    assert Settings().webhook_inside == ["10.1.2.0/24", "192.168.7.9"]
    for everything in ("0.0.0.0/0", "::/0", "gateway.example"):
        monkeypatch.setenv("SHANHAI_WEBHOOK_NETWORKS", everything)
        with pytest.raises(ValidationError, match="SHANHAI_WEBHOOK_NETWORKS must list"):
            Settings()


@pytest.mark.parametrize("proxies", ["*", "0.0.0.0/0", "::/0", "proxy.example.org", "10.0.0.5/8", "127.0.0.1,*"])
def test_whoever_is_believed_is_named(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    monkeypatch.setenv("SHANHAI_TRUSTED_PROXIES", proxies)
    with pytest.raises(ValidationError, match="SHANHAI_TRUSTED_PROXIES must name"):
        Settings()


def test_proxies_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().proxies == []
    monkeypatch.setenv("SHANHAI_TRUSTED_PROXIES", " 127.0.0.1, 10.1.2.0/24,fd00::/8 ")
    assert Settings().proxies == ["127.0.0.1", "10.1.2.0/24", "fd00::/8"]


@pytest.mark.parametrize(
    ("url", "proxies", "one"),
    [("https://shanhai.example.org", "", True), ("https://shanhai.example.org", "127.0.0.1", False), ("http://localhost:8000", "", False)],
)
def test_a_proxy_that_is_not_named_makes_everybody_one(monkeypatch: pytest.MonkeyPatch, url: str, proxies: str, one: bool) -> None:
    monkeypatch.setenv("SHANHAI_BASE_URL", url)
    monkeypatch.setenv("SHANHAI_TRUSTED_PROXIES", proxies)
    assert Settings().sees_one_client is one


@pytest.mark.parametrize("url", ["http://shanhai.example.org", "http://10.0.0.5:8000", "shanhai.example.org", "ftp://localhost", ""])
def test_an_unsafe_address_refuses_to_start_with_the_cure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHANHAI_BASE_URL", url)
    with pytest.raises(ValidationError, match="SHANHAI_BASE_URL must be"):
        Settings()


@pytest.mark.parametrize("url", ["https://shanhai.example.org", "http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_https_or_loopback_starts(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHANHAI_BASE_URL", url)
    assert Settings().base_url == url
