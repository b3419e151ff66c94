"""Where definition files come from: a file, a folder, an archive, or a repository at a commit.

What is fetched or unpacked is a stranger's until its definitions are accepted: nothing of it runs, nothing asks,
everything has a bound. ``git`` reads the machine's settings for whoever runs a command on that machine; for
somebody at a distance (``Reach.DISTANT``) it reads none, signs in nowhere, follows no redirect, and speaks to
public addresses alone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from kernelbot.domain.definition import climbs
from kernelbot.domain.problem import Problem
from kernelbot.errors import InvalidInput
from kernelbot.services.catalog import Catalog, load_catalog, load_one, tree_in

MAX_BYTES = 64 << 20
"""Of a repository: packed, and of the files at the commit."""
MAX_DISTANT_BYTES = 16 << 20
CLONE_PATIENCE_S, DISTANT_PATIENCE_S = 120.0, 40.0
"""For all that git does for one repository."""
MOST_MEMORY = 2 << 30
MOST_FILES = 5000

REPOSITORY = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
CREDENTIAL = re.compile(r"https?://[^/?#]*@|\w+://[^/?#@]*:[^/?#]*@")
PLAIN_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/[\w./~%+-]+",
    re.ASCII,
)
"""What git and we read alike, whatever stands in it."""
REFERENCE = re.compile(r"[A-Za-z0-9_][\w./+-]*")
PINNING = (2, 37)
"""The version of git that can be told the address of a host (``http.curloptResolve``)."""
GLOBAL = ipaddress.ip_network("2000::/3")
"""All that was ever given out to the internet, of version 6."""
STANDING_FOR_OTHERS = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "3fff::/20")))
"""Within it: addresses of version 4 in disguise, and those of examples."""

GIT = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never",
    "-c", "submodule.recurse=false",
    "-c", "fetch.unpackLimit=1",  # one file whatever it holds, so that its size has a limit
)  # fmt: skip
AT_A_DISTANCE = (
    "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "credential.helper=",
    "-c", "http.followRedirects=false", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=15",
    "-c", "pack.threads=1",
)  # fmt: skip


class Reach(Enum):
    """Who asks for a repository."""

    LOCAL = "local"  # somebody on this machine, with what git may do there
    DISTANT = "distant"  # somebody elsewhere, with a server's network


@dataclass(frozen=True)
class Opened:
    """Files on this machine, and where they are from."""

    root: Path  # the tree
    file: Path | None  # the one competition that is meant; None: all
    name: str
    pinned: str = ""

    def load(
        self,
        gpus: Collection[str],
        library: Path | None,
        published: Mapping[str, Problem] | None = None,
    ) -> Catalog:
        """What the files define. Raises DefinitionErrors, or InvalidInput where they define nothing."""
        if self.file is not None:
            return load_one(self.file, gpus, library, published or {}, shown=self.name)
        catalog = load_catalog(self.root, gpus, library, published or {})
        if not catalog.competitions:
            raise InvalidInput(
                f"{self.name} defines no competition: there is no competitions/*.yaml in it.",
                code="no_competition",
            )
        return catalog


@contextlib.contextmanager
def opened(source: str) -> Iterator[Opened]:
    """``source`` is a file, a folder, or a repository's address with ``#REF`` or ``#REF:FOLDER``."""
    if REPOSITORY.fullmatch(source):
        with tempfile.TemporaryDirectory(prefix="kernelbot-") as folder:
            yield cloned(source, Path(folder) / "files")
        return
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        path = tree_in(path)
        yield Opened(path, None, path.as_posix())
    else:
        yield Opened(path.parent, path, path.as_posix())


def cloned(
    source: str, target: Path, reach: Reach = Reach.LOCAL, hosts: Collection[str] = ()
) -> Opened:
    """A repository's files at a commit, in a folder that is not there yet. ``hosts`` are those that somebody at a
    distance may have asked although their address is private or they speak no TLS."""
    if CREDENTIAL.match(source):
        # It would be shown to everybody as the place that the competition comes from.
        raise InvalidInput(
            "The address holds a name or password to sign in with. Leave them out, and give git a "
            "credential helper or a key.",
            code="credential_in_address",
        )
    address, _, wanted = source.partition("#")
    reference, _, inner = wanted.partition(":")
    if (reference and not REFERENCE.fullmatch(reference)) or (inner and climbs(inner)):
        raise InvalidInput(
            f"{wanted!r} names no branch, tag or full commit id, or no folder in the repository. "
            "Write ADDRESS#REF or ADDRESS#REF:FOLDER.",
            code="bad_reference",
        )
    patience_s = CLONE_PATIENCE_S if reach is Reach.LOCAL else DISTANT_PATIENCE_S
    ends_at = time.monotonic() + patience_s
    pinning = () if reach is Reach.LOCAL else _pinned(address, hosts)
    git = _Git(target, reach, pinning, patience_s, ends_at)
    git("init", "--quiet", str(target))
    git("-C", str(target), "fetch", "--quiet", "--depth=1", "--no-tags", "--", address,
        reference or "HEAD",
        hint=". REF is a branch, a tag or a full commit id." if reference else "")  # fmt: skip
    # Before anything is unpacked: few packed bytes can be many files.
    listed = git("-C", str(target), "ls-tree", "-r", "--long", "FETCH_HEAD").splitlines()
    sizes = (line.split(maxsplit=4)[3] for line in listed)
    total = sum(int(size) for size in sizes if size.isdigit())  # a submodule has none
    if total > git.most_bytes or (reach is Reach.DISTANT and len(listed) > MOST_FILES):
        raise git.too_large()
    git("-C", str(target), "checkout", "--quiet", "FETCH_HEAD")
    commit = git("-C", str(target), "rev-parse", "HEAD").strip()
    shutil.rmtree(target / ".git")  # which is no part of what somebody published
    root = target / inner if inner else target
    if not root.is_dir() or not root.resolve().is_relative_to(target.resolve()):
        raise InvalidInput(f"{address} has no folder {inner!r} at {commit[:12]}.", code="no_folder")
    if not inner:
        root = tree_in(root)
    # Without the reference: another branch or tag of it is the same source at another commit.
    name = f"{address}#:{inner}" if inner else address
    return Opened(root, None, name, commit)


# --- what may be asked from afar -----------------------------------------------------------------


def _pinned(address: str, hosts: Collection[str]) -> tuple[str, ...]:
    """What keeps git to the addresses that were looked at: a name may stand for another one a moment later.
    Raises InvalidInput for what nobody at a distance may have asked."""
    match = PLAIN_ADDRESS.fullmatch(address)
    if match is None:
        raise _not_readable(address)
    scheme, host = match["scheme"], match["host"].lower()
    port = int(match["port"] or {"https": 443, "http": 80}[scheme])
    trusted = bool({host, f"{host}:{port}"} & {item.lower() for item in hosts})
    if scheme != "https" and not trusted:
        raise _not_readable(address)
    found = _resolved(host.strip("[]"), port)
    if not trusted and not all(is_public(ip) for ip in found):
        raise InvalidInput(
            f"{host} is at an address that is not public, and this server asks none such. Whoever runs it can allow "
            "the host (KERNELBOT_GIT_HOSTS), or apply the files there with `kernelbot competition apply`.",
            code="private_address",
        )
    plain = ("-c", "protocol.http.allow=always") if scheme == "http" else ()
    where = ",".join(f"[{ip}]" if ip.version == 6 else str(ip) for ip in found)
    return (*plain, "-c", f"http.curloptResolve={host}:{port}:{where}")


def _not_readable(address: str) -> InvalidInput:
    return InvalidInput(
        f"{address[:200]!r} is not the address of a repository that everybody may read. Write "
        "https://HOST/PATH.",
        code="bad_address",
    )


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _resolved(host: str, port: int) -> Sequence[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        told = dict.fromkeys(str(item[4][0]) for item in found)
        return [ipaddress.ip_address(ip.partition("%")[0]) for ip in told]
    except (OSError, UnicodeError, OverflowError):
        raise InvalidInput(f"There is no host {host[:100]!r}.", code="unknown_host") from None


def is_public(ip: Address) -> bool:
    """Whether anybody on the internet could ask the same."""
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    if ip.version == 6 and (ip not in GLOBAL or any(ip in net for net in STANDING_FOR_OTHERS)):
        return False
    return ip.is_global and not ip.is_multicast


# --- git -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Git:
    target: Path
    reach: Reach
    pinning: Sequence[str]
    patience_s: float
    ends_at: float  # of time.monotonic(): one end for all commands

    @property
    def most_bytes(self) -> int:
        return MAX_BYTES if self.reach is Reach.LOCAL else MAX_DISTANT_BYTES

    def __call__(self, *arguments: str, hint: str = "") -> str:
        """What git writes; ``hint`` is added to the words of a refusal."""
        distant = self.reach is Reach.DISTANT
        if distant and _version() < PINNING:
            raise InvalidInput(
                "The git of this server is too old to be kept to one address; 2.37 can be.",
                code="old_git",
            )
        options = (*AT_A_DISTANCE, *self.pinning) if distant else ()
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            code, said = self._run([*GIT, *options, *arguments], output)
            if "File too large" in said:
                raise self.too_large()
            if code:
                words = said.strip().splitlines()
                raise InvalidInput(
                    f"git: {words[-1] if words else 'failed'}{hint}", code="git_failed"
                )
            output.seek(0)
            return output.read()

    def _run(self, command: Sequence[str], output: IO[str]) -> tuple[int, str]:
        if shutil.which("git") is None:
            raise InvalidInput("git is not installed on this machine.", code="no_git")
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            process = subprocess.Popen(
                ["sh", "-c", f'{self._limits} && exec "$@"', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=_quiet_environment(self.reach),
                restore_signals=False,  # SIGXFSZ stays ignored: git says what was too large
                start_new_session=True,  # so that its helpers end with it
            )
            try:
                process.wait(max(0.0, self.ends_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise InvalidInput(
                    f"git did not finish within {self.patience_s:.0f} s.", code="git_failed"
                ) from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            errors.seek(0)
            return process.returncode, errors.read(20_000)

    @property
    def _limits(self) -> str:
        """For a shell, which sets them in a process without threads: in ours other threads may hold locks that
        a child of it would wait for."""
        files = f"ulimit -f {self.most_bytes // 512}"
        return files if self.reach is Reach.LOCAL else f"{files} && ulimit -v {MOST_MEMORY // 1024}"

    def too_large(self) -> InvalidInput:
        files = f", or more than {MOST_FILES} files," if self.reach is Reach.DISTANT else ""
        return InvalidInput(
            f"The repository holds more than {self.most_bytes >> 20} MiB{files} at that commit. Keep competitions "
            "and problems in one of their own.",
            code="repository_too_large",
        )


def _version() -> tuple[int, ...]:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            ["git", "--version"], capture_output=True, text=True, timeout=10
        ).stdout
        if found := re.search(r"(\d+)\.(\d+)", said):
            return int(found[1]), int(found[2])
    return (0,)


def _quiet_environment(reach: Reach) -> dict[str, str]:
    """Nothing that points git at another repository, or lets it or ssh ask somebody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    if reach is Reach.DISTANT:
        # Nor what the machine's settings say: headers and helpers to sign in with, addresses to use instead.
        kept = {name: kept[name] for name in ("PATH", *PROXIES) if name in kept}
        own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": os.devnull}
    return kept | own


PROXIES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""How a server reaches the world, where whoever runs it has said so."""
