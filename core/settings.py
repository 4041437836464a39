"""Settings, read from the environment (``SHANHAI_…``) by app, worker and command line alone.

Everything else is handed what it needs. Unsafe settings refuse to start, with the cure in the message.
"""

from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


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
