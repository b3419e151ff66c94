"""Repositories that somebody at a distance names: public hosts over HTTPS, what they hold and nothing more."""

from __future__ import annotations

import dataclasses
import http.server
import ipaddress
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, InvalidInput
from kernelbot.services import competitions, located_yaml, organizing, sources
from kernelbot.services.sources import Reach
from tests.patience import until
from tests.processes import processes
from tests.services.test_archives import zipped
from tests.services.test_moderation import admin

CLASS = """\
name: class
title: A class
licence: MIT
gpus: [CPU]
problems:
  - {problem: vectoradd, leaderboard: class-add}
"""


class Forge(http.server.BaseHTTPRequestHandler):
    """Git's own server; redirects what begins with ``moved``."""

    root = Path()

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved", "/r"))
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        about = {
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH": os.environ["PATH"],
        }  # fmt: skip
        said = subprocess.run(
            ["git", "http-backend"], input=body, env=about, stdout=subprocess.PIPE, check=True
        )
        head, _, rest = said.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Nothing: tests say what they saw."""


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[str]:
    """The address of a repository with one competition, over HTTP on this machine."""
    Forge.root = tmp_path / "forge"
    folder = Forge.root / "r"
    (folder / "competitions").mkdir(parents=True)
    (folder / "competitions" / "class.yaml").write_text(CLASS)
    committed(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forge)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/r"
    server.shutdown()
    server.server_close()
    thread.join()


def committed(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "it"]):
        subprocess.run([*git, *command], check=True)


def hosts(address: str) -> tuple[str, ...]:
    return (address.split("/")[2],)


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/r", "https://localhost/r", "https://2130706433/r", "https://0x7f.1/r",
        "https://[::1]/r", "https://[::ffff:127.0.0.1]/r", "https://[64:ff9b::7f00:1]/r",
        "https://10.1.2.3:8443/r", "https://169.254.169.254/latest", "https://0.0.0.0/r",
    ],
)  # fmt: skip
def test_a_host_that_is_not_public_is_not_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match="not public"):
        sources.cloned(address, tmp_path / "files", Reach.DISTANT)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/r", "ssh://example.org/r", "git@example.org:r", "file:///etc",
        "ext::sh -c id", "https://example.org./r", "https://example.org/r d", "--upload-pack=x",
        "https://127.0.0.1\\@example.org/r", "https://example.org", "https://exämple.org/r",
        "https://example.org:99999999/r",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_not_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match=r"not the address of a repository|sign in with"):
        sources.cloned(address, tmp_path / "files", Reach.DISTANT)


@pytest.mark.parametrize(
    ("address", "public"),
    [("93.184.215.14", True), ("2606:2800:21f:cb07::1", True), ("100.64.0.1", False),
     ("224.0.0.1", False), ("2002:7f00:1::", False), ("fd00::1", False), ("fe80::1", False),
     ("fec0::1", False), ("::10.0.0.1", False), ("::93.184.215.14", False), ("::ffff:10.0.0.1", False),
     ("::ffff:93.184.215.14", True), ("64:ff9b::7f00:1", False), ("3fff::1", False)],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert sources.is_public(ipaddress.ip_address(address)) is public


def test_a_host_that_was_allowed_is_asked_without_the_machines_own_settings(
    forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text(f'[url "file:///nowhere"]\n\tinsteadOf = {forge}\n')
    monkeypatch.setenv("HOME", str(tmp_path))

    found = sources.cloned(forge, tmp_path / "files", Reach.DISTANT, hosts(forge))

    assert len(found.pinned) == 40
    assert (found.root / "competitions" / "class.yaml").read_text() == CLASS


def test_git_asks_the_address_that_was_looked_at_whatever_the_name_stands_for_by_then(
    forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = forge.replace("127.0.0.1", "forge.invalid")
    looked_at = [ipaddress.ip_address("127.0.0.1")]
    monkeypatch.setattr(sources, "_resolved", lambda host, port: looked_at)

    found = sources.cloned(named, tmp_path / "files", Reach.DISTANT, hosts(named))

    assert (found.root / "competitions" / "class.yaml").exists()


def test_a_redirect_is_not_followed(forge: str, tmp_path: Path) -> None:
    moved = forge.removesuffix("/r") + "/moved"

    with pytest.raises(InvalidInput, match="git: "):
        sources.cloned(moved, tmp_path / "files", Reach.DISTANT, hosts(forge))


def test_nothing_of_gits_own_is_read(forge: str, tmp_path: Path) -> None:
    (Forge.root / "r" / "inner").symlink_to(".git")
    committed(Forge.root / "r")

    found = sources.cloned(forge, tmp_path / "files", Reach.DISTANT, hosts(forge))
    assert not (found.root / ".git").exists()
    for at, folder in enumerate((".git", "inner")):
        with pytest.raises(InvalidInput, match="no folder"):
            sources.cloned(
                f"{forge}#HEAD:{folder}", tmp_path / str(at), Reach.DISTANT, hosts(forge)
            )


@pytest.mark.parametrize("what", ["large", "many"])
def test_a_repository_has_bounds(forge: str, tmp_path: Path, what: str) -> None:
    folder = Forge.root / "r"
    if what == "large":
        (folder / "zeros").write_bytes(bytes(sources.MAX_DISTANT_BYTES + 1))
    else:
        (folder / "many").mkdir()
        for at in range(sources.MOST_FILES + 1):
            (folder / "many" / str(at)).touch()
    committed(folder)

    with pytest.raises(InvalidInput, match="more than 16 MiB, or more than 5000 files"):
        sources.cloned(forge, tmp_path / "files", Reach.DISTANT, hosts(forge))


async def test_a_host_that_never_answers_is_given_up_with_all_its_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "DISTANT_PATIENCE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        host = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(InvalidInput, match="did not finish within 1 s"):
            sources.cloned(f"http://{host}/r", tmp_path / "files", Reach.DISTANT, (host,))
        await until(lambda: not processes(host))  # git's helper has ended too


def test_all_of_gits_commands_have_one_end(
    forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "git"
    slow.write_text(f'#!/bin/sh\nsleep 0.5\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sources, "DISTANT_PATIENCE_S", 1.2)
    monkeypatch.setattr(sources, "_version", lambda: (2, 40))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(InvalidInput, match="did not finish within 1 s"):
        sources.cloned(forge, tmp_path / "files", Reach.DISTANT, hosts(forge))


# --- planned and applied -------------------------------------------------------------------------


async def proposed(app: App, root: Actor, forge: str) -> organizing.Proposal:
    allowed = app.settings.model_copy(update={"git_hosts": hosts(forge)[0]})
    app = dataclasses.replace(app, settings=allowed)
    sent = await organizing.fetched(app, root, forge, "", "", takes_over=False)
    return await organizing.propose(app, root, sent, keep=True)


async def test_what_is_applied_is_what_was_planned_wherever_the_branch_is_by_then(
    app: App, forge: str
) -> None:
    root = await admin(app)
    found = await proposed(app, root, forge)
    assert found.draft is not None
    (Forge.root / "r" / "competitions" / "class.yaml").write_text(CLASS.replace("A class", "B"))
    committed(Forge.root / "r")

    await organizing.apply(app, root, found.draft, found.source, found.plan.seal)
    with pytest.raises(Conflict, match="not kept any more"):
        await organizing.apply(app, root, found.draft, found.source, found.plan.seal)

    shown = await competitions.competition(app, root, "class")
    assert (shown.document["title"], shown.source, shown.pinned) == (
        "A class",
        forge,
        found.source.pinned,
    )
    later = await proposed(app, root, forge)
    assert [item.detail for item in later.plan.changes if "title" in item.detail] == [
        "title: A class -> B"
    ]


async def test_somebody_elses_files_are_not_applied(app: App, forge: str) -> None:
    root = await admin(app)
    found = await proposed(app, root, forge)
    other = Actor(
        user_id=root.user_id + 1, name="x", channel="api", role=root.role, scopes=root.scopes
    )

    with pytest.raises(Conflict, match="not kept any more"):
        await organizing.apply(app, other, found.draft or 0, found.source, found.plan.seal)


async def test_each_definition_is_read_once_for_a_plan(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    reading = located_yaml._read
    monkeypatch.setattr(
        located_yaml,
        "_read",
        lambda content, file: (read.append(content), reading(content, file))[1],
    )
    sent = organizing.attached(
        "tree.zip", zipped({"competitions/class.yaml": CLASS.encode()}), takes_over=False
    )

    await organizing.propose(app, await admin(app), sent, keep=False)

    assert read.count(CLASS.encode()) == 1
