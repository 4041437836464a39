"""Settings, read from the environment (``SHANHAI_…``) by app, worker and command line alone.

Everything else is handed what it needs. Unsafe settings refuse to start, with the cure in the message.
"""

import re
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")


class Settings(BaseSettings):
    """One deployment. Each field is an environment variable: ``SHANHAI_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="SHANHAI_", frozen=True)

    data_dir: Path = Field(default=Path("data"), description="Folder of the embedded database, store and root key")
    database_url: str = Field(default="", description="SQLAlchemy URL; default SQLite inside the data folder")
    owner_database_url: str = Field(
        default="", description="The same database as the role that owns its tables, for shanhai migrate alone; default the same role"
    )
    store_url: str = Field(default="", description="file:///folder or s3://bucket/prefix; default a folder inside the data folder")
    keyring_url: str = Field(default="", description="file:///path of the root key; default a file inside the data folder")
    base_url: str = Field(default="http://localhost:8000", description="Address people type; https except on the loopback interface")
    trusted_proxies: str = Field(
        default="", description="Addresses or networks of the TLS proxy, separated by commas: whose X-Forwarded-For is believed"
    )
    checkpoint_dir: Path | None = Field(
        default=None, description="Folder that signed audit checkpoints are pushed to; default inside the data folder"
    )
    session_idle_minutes: int = Field(default=30, ge=1, le=720, description="A session ends after this long without a request")
    session_absolute_hours: int = Field(default=12, ge=1, le=24, description="A session ends after this long, used or not")
    upload_limit_bytes: int = Field(default=4 << 30, ge=1 << 20, description="Largest single file taken")
    sandbox_workers: int = Field(default=2, ge=1, le=64, description="Processes that parse untrusted bytes")

    smtp_url: str = Field(
        default="",
        description="Mail server: smtps://user:password@host:465, or smtp://host:587, which has to offer STARTTLS; default no mail",
    )
    mail_from: str = Field(default="", description="Address that e-mail comes from, such as Shanhai <shanhai@example.org>")
    webhook_networks: str = Field(
        default="", description="Networks inside the house that webhooks of hospitals may lead to, separated by commas; default none"
    )

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("SHANHAI_BASE_URL must be a full address such as https://shanhai.example.org")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("SHANHAI_BASE_URL must be https outside the loopback interface: put a TLS proxy in front and name its address")
        for proxy in self.proxies:
            try:
                everybody = ip_network(proxy).prefixlen == 0
            except ValueError:
                everybody = True
            if everybody:
                raise ValueError(
                    "SHANHAI_TRUSTED_PROXIES must name the proxy alone, as addresses or networks such as 127.0.0.1, 10.1.2.0/24"
                )
        return self

    @model_validator(mode="after")
    def _mail_can_be_sent(self) -> "Settings":
        if not self.smtp_url:
            return self
        try:
            parts = urlsplit(self.smtp_url)
            whole = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
            whole = whole and (unquote(parts.username or "") + unquote(parts.password or "")).isascii()
        except ValueError:
            whole = False
        if not whole or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(
                "SHANHAI_SMTP_URL must be smtps://user:password@host:465 or smtp://user:password@host:587 (with STARTTLS); "
                "write odd signs of the password as %XX, or leave it unset: then no mail is sent"
            )
        if not self.mail_from.isascii() or not self.mail_from.isprintable() or not ADDRESS.fullmatch(parseaddr(self.mail_from)[1]):
            raise ValueError(
                "SHANHAI_MAIL_FROM must be the address mail comes from, in plain letters, such as Shanhai <shanhai@example.org>"
            )
        return self

    @model_validator(mode="after")
    def _webhooks_have_bounds(self) -> "Settings":
        for network in self.webhook_inside:
            try:
                everywhere = ip_network(network).prefixlen == 0
            except ValueError:
                everywhere = True
            if everywhere:
                raise ValueError("SHANHAI_WEBHOOK_NETWORKS must list addresses or networks such as 10.1.2.0/24, never everything")
        return self

    @property
    def webhook_inside(self) -> list[str]:
        """The networks of the house that a hospital's webhooks may lead to."""
        return [network.strip() for network in self.webhook_networks.split(",") if network.strip()]

    @property
    def proxies(self) -> list[str]:
        """The addresses and networks whose word on where a request comes from is taken."""
        return [proxy.strip() for proxy in self.trusted_proxies.split(",") if proxy.strip()]

    @property
    def on_loopback(self) -> bool:
        """Whether people reach this deployment on this machine alone."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    @property
    def sees_one_client(self) -> bool:
        """Whether a proxy stands in front that is not named, so that everybody seems to come from its address."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "https" and parts.hostname not in LOOPBACK and not self.proxies

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'shanhai.sqlite').resolve()}"

    @property
    def owner_database(self) -> str:
        """The database URL that migrations run under."""
        return self.owner_database_url or self.database

    @property
    def store(self) -> str:
        """The store URL in force."""
        return self.store_url or (self.data_dir / "objects").resolve().as_uri()

    @property
    def keyring(self) -> str:
        """The keyring URL in force."""
        return self.keyring_url or (self.data_dir / "keys" / "root.key").resolve().as_uri()

    @property
    def checkpoints(self) -> Path:
        """The folder checkpoints are pushed to."""
        return self.checkpoint_dir or self.data_dir / "checkpoints"
