"""Which server, as whom: options, environment, the file that ``kernelbot login`` writes.

The one place of the command line that reads the environment. A token is kept for the address it was
made at and sent to no other.
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from kernelbot.cli.failure import Declined

DEFAULT_URL = "http://127.0.0.1:8000"
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Profile:
    """A server's address without a trailing slash, and the token for it, if there is one."""

    url: str
    token: str | None = None
    origin: str = ""  # where it was found, for messages

    @property
    def local(self) -> bool:
        return urlsplit(self.url).hostname in LOCAL_HOSTS


@dataclass(frozen=True)
class Stored:
    """What the file holds: the usual server, and a token for each address."""

    url: str = ""
    tokens: tuple[tuple[str, str], ...] = ()

    def token(self, url: str) -> str | None:
        return dict(self.tokens).get(url)

    def with_token(self, url: str, token: str) -> Stored:
        return replace(self, url=url, tokens=(*self.without(url).tokens, (url, token)))

    def without(self, url: str) -> Stored:
        return replace(self, tokens=tuple(item for item in self.tokens if item[0] != url))


def resolve(url: str | None, token: str | None) -> Profile:
    """The server to talk to. Raises Declined for an address that is none."""
    stored = read()
    address = clean_url(url or os.environ.get("KERNELBOT_URL") or stored.url or DEFAULT_URL)
    profile = Profile(address)
    if token:
        return replace(profile, token=token, origin="--token")
    if named := os.environ.get("KERNELBOT_TOKEN"):
        return replace(profile, token=named, origin="KERNELBOT_TOKEN")
    if kept := stored.token(address):
        return replace(profile, token=kept, origin=str(path()))
    return _with_local_token(profile) if profile.local else profile


def clean_url(url: str) -> str:
    """``http(s)://host[:port][/prefix]``, or Declined."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Declined(
            f"{url[:100]!r} is not the address of a server. Write it as https://host or "
            "http://127.0.0.1:8000.",
            code="bad_url",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _with_local_token(profile: Profile) -> Profile:
    """The administrator's token that ``kernelbot up`` left for this machine, if we may read it."""
    try:
        from kernelbot.config import Settings
    except ImportError:  # the light install has no server, so no server of its own either
        return profile
    file = Settings().data_dir / "admin-token"
    try:
        token = file.read_text().strip()
    except OSError:
        return profile
    return replace(profile, token=token or None, origin=str(file))


def path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "kernelbot" / "config.toml"


def read() -> Stored:
    """What is stored; nothing when there is no file. Raises Declined for a file that is broken."""
    try:
        document = tomllib.loads(path().read_text(encoding="utf-8"))
        tokens = document.get("tokens", {})
        return Stored(
            url=str(document.get("url", "")),
            tokens=tuple((str(url), str(token)) for url, token in tokens.items()),
        )
    except FileNotFoundError:
        return Stored()
    except (OSError, ValueError, AttributeError) as error:
        raise Declined(
            f"{path()} cannot be read: {error}. Repair it, or delete it and run `kernelbot login`.",
            code="bad_config",
        ) from None


def write(stored: Stored) -> None:
    """Replace the file at once, readable by its owner alone."""
    # A JSON string of ASCII is a TOML basic string.
    lines = [f"url = {json.dumps(stored.url)}", "", "[tokens]"]
    lines += [f"{json.dumps(url)} = {json.dumps(token)}" for url, token in stored.tokens]
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=target.parent)  # made with 0600
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    Path(name).replace(target)
