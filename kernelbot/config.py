"""Settings: read once from the environment (prefix ``KERNELBOT_``), frozen, passed as a value.

Every setting of a server process is here; each field says its unit, default and meaning. Elsewhere the
environment is only handed on to child processes, and the command line reads which server to talk to
(``kernelbot/cli/profile.py``).
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One installation's choices."""

    model_config = SettingsConfigDict(
        env_prefix="KERNELBOT_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,  # as in a file with the names filled in and some values left out
    )

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="postgresql://user:password@host:port/name. Unset: an embedded Postgres under data_dir.",
    )
    data_dir: Path = Field(
        default=ROOT / ".kernelbot",
        description="Where the embedded Postgres, job directories and local secrets live.",
    )
    pg_bin: Path | None = Field(
        default=None,
        description="Folder with initdb and postgres for the embedded Postgres. Unset: the wheel's, "
        "else the system's newest.",
    )
    problems_dir: Path = Field(
        default=ROOT / "problems", description="Folder of problems and competitions/*.yaml."
    )
    targets_file: Path = Field(
        default=ROOT / "runners" / "targets.yaml",
        description="GPU kinds and how to reach them.",
    )
    devices_file: Path = Field(
        default=ROOT / "runners" / "devices.yaml",
        description="What GPUs can do at most, for speeds of light and physical floors.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on.")
    api_processes: int = Field(default=1, ge=1, le=64, description="Processes serving the API.")
    public_url: str = Field(
        default="", description="How people reach the API, for links. Empty: http://host:port."
    )
    pool_size: int = Field(default=10, ge=1, description="Database connections per process.")
    database_timeout_s: float = Field(
        default=10.0, gt=0, description="Longest wait for a connection."
    )
    worker_slots: int = Field(
        default=0, ge=0, description="Runs at once on this machine's CPU target. 0: by its cores."
    )
    targets: str = Field(
        default="",
        description="Comma-separated targets this worker serves. Empty: those this machine can.",
    )
    heartbeat_s: float = Field(
        default=2.0, gt=0, description="Seconds between a worker's signs of life."
    )
    lease_s: float = Field(
        default=10.0, gt=0, description="Silence after which a worker's runs are given to another."
    )
    attempts: int = Field(
        default=5, ge=1, description="Attempts of a run before our own failure is reported as one."
    )
    retry_s: float = Field(
        default=2.0,
        gt=0,
        description="First pause before an infrastructure retry; doubles each time.",
    )
    canary_s: float = Field(
        default=3600.0, ge=0, description="Seconds between the canaries of a device. 0: none."
    )
    canary_idle_s: float = Field(
        default=900.0,
        gt=0,
        description="Idle time of a device after which a canary comes before ranked work, in seconds.",
    )
    stalled_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds in the queue beside an idle runner that raise the alarm metric.",
    )
    discord_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DISCORD_TOKEN", "discord_token"),
        description="The bot's token. Unset: no bot.",
    )
    discord_api_url: str = Field(
        default="",
        description="Another Discord (http://127.0.0.1:...), for tests. Empty: the real one.",
    )
    discord_gateway_url: str = Field(
        default="", description="Gateway of that other Discord (ws://...). Empty: the real one."
    )
    discord_channel: str = Field(
        default="submissions",
        description="Channel (name or id) for announcements when a competition names none.",
    )
    git_hosts: str = Field(
        default="",
        description="Hosts (name or name:port, apart by commas) that /admin competition may fetch from although "
        "their address is private, and over plain HTTP too. Empty: public addresses over HTTPS alone.",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="If set, a token with this value and every scope exists. kernelbot up makes one.",
    )
    check_patience_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds one case of a problem may take beyond the problem's limits when it is checked; "
        "half of them are for the reference on changed inputs; all cases of a task of the field together have "
        "them before it is published.",
    )
    artefact_days: int = Field(
        default=14, ge=1, description="Days that files of a run, a profiler's report say, are kept."
    )
    artefact_bytes: int = Field(
        default=1 << 30,
        ge=0,
        description="Bytes of such files that are kept of one person; the oldest go first.",
    )
    isolation: Literal["", "fenced", "bubblewrap", "user", "processes"] = Field(
        default="",
        description="The kind of fence a worker accepts around a submission. fenced: bubblewrap or user. "
        "Empty: the strongest that works, and where others can reach this server, fenced.",
    )
    evidence: Literal["", "outside-clock"] = Field(
        default="",
        description="What the times of a ranked run on a GPU must rest on; with less it is set aside for an organizer. "
        "Empty: whatever the machine allows.",
    )
    include_paths: str = Field(
        default="",
        description="Folders, apart by colons, that CUDA C++, HIP and C++ submissions may include from, "
        "such as CUTLASS's include.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    log_json: bool = Field(default=True, description="JSON lines; false: for people.")

    @property
    def public(self) -> bool:
        """Whether this configuration says that people on other machines are served.

        A bot serves its whole Discord server, and a worker beside a database elsewhere whoever is
        served there. An address without a scheme names no host that could be known as our own.
        """
        if self.discord_token is not None:
            return True
        if self.public_url and not urlsplit(self.public_url).hostname:
            return True
        database = self.database_url.get_secret_value() if self.database_url else ""
        names = (urlsplit(self.public_url).hostname, self.host, urlsplit(database).hostname)
        return any(name and not _is_loopback(name) for name in names)

    @property
    def demanded_isolation(self) -> str:
        """What workers are to demand: strangers' code is not run without a fence unless told to."""
        return self.isolation or ("fenced" if self.public else "")

    @property
    def url(self) -> str:
        """Where people reach the API, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
