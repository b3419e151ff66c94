"""``./scripts/demo``: the main job for real, with files that come with the project.

Starts the platform (``kernelbot up``) on a folder and a port of its own, sends six kernels by six
people over HTTP, shows how each is judged, and the leaderboard at the end. What verdict a file must
get stands on its own first line; the exit code is 0 only if every one got it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbot.app import ADMIN_TOKEN_FILE
from kernelbot.cli import render, up
from kernelbot.cli.exits import Exit
from kernelbot.cli.failure import CommandFailed
from kernelbot.cli.profile import Profile
from kernelbot.cli.screen import clean, note, result
from kernelbot.cli.server import Server
from kernelbot.config import ROOT
from kernelbot.services.catalog import load_problem

if TYPE_CHECKING:
    from rich.live import Live

LEADERBOARD = "vectoradd"
PROBLEM = ROOT / "problems" / LEADERBOARD
CAST = (
    ("kurt", "examples/endless.py", "never returns"),
    ("ada", "examples/correct_slow.py", "correct, but slow"),
    ("grace", "starter/with_torch.py", "correct and faster"),
    ("margaret", "starter/with_triton.py", "correct, in Triton"),
    ("alan", "examples/wrong_subtracts.py", "subtracts"),
    ("charles", "examples/broken_import.py", "does not import"),
)
"""Who sends what. The endless one first: while its limit runs out the others are judged beside it."""

SLOTS = min(2, os.cpu_count() or 1)
"""Runs at once on the CPU target. A neighbour widens the error bars; a demo may rather be short."""


START_PATIENCE_S = 120.0
JUDGE_PATIENCE_S = 900.0
POLL_S = 0.25


class DemoFailed(CommandFailed):
    """The platform did not do what it is there for."""

    exit = Exit.OUR_FAULT
    default_code = "demo_failed"


@dataclass
class Entry:
    """One person's file and what has become of it."""

    who: str
    file: Path
    about: str
    expected: str
    server: Server
    submission: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.submission["runs"][0]
        return found

    @property
    def done(self) -> bool:
        return bool(self.submission.get("done"))

    @property
    def headline(self) -> str:
        return clean(self.run["headline"]) if self.submission else "..."

    @property
    def as_expected(self) -> bool:
        return self.done and self.run["verdict"] == self.expected

    def send(self, gpu: str) -> None:
        fields = {"leaderboard": LEADERBOARD, "gpus": [gpu], "mode": "ranked"}
        code = self.file.read_bytes()
        self.submission = self.server.submit(self.file, code, fields, key=str(uuid.uuid4()))

    def refresh(self) -> None:
        self.submission = self.server.get(f"/v1/submissions/{self.submission['id']}")


def main() -> int:
    """The whole demo. Returns the exit code."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="kernelbot-demo-") as folder,
        platform(Path(folder)) as url,
        Server(Profile(url, (Path(folder) / ADMIN_TOKEN_FILE).read_text().strip())) as admin,
        ExitStack() as people,
    ):
        gpu = choose_gpu(admin)
        expected = expectations()
        entries = [
            Entry(who, PROBLEM / file, about, expected[file], server)
            for who, file, about in CAST
            for server in [people.enter_context(joined(admin, url, who))]
        ]
        result(f"Sending {len(entries)} kernels to leaderboard {LEADERBOARD} on {gpu}.")
        for entry in entries:
            entry.send(gpu)
        watch(entries)
        standings = admin.get(f"/v1/leaderboards/{LEADERBOARD}/standings", gpu=gpu)
    show(entries, standings, time.monotonic() - began)
    return Exit.PASSED if all(entry.as_expected for entry in entries) else Exit.OUR_FAULT


@contextmanager
def platform(folder: Path) -> Iterator[str]:
    """``kernelbot up`` on this folder, as its own process, for as long as the block lasts."""
    port = up.free_port("127.0.0.1")
    result("Starting the platform: Postgres, API and a worker on this machine.")
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "kernelbot", "up", "--no-bot", "--host", "127.0.0.1"),
                *("--port", str(port), "--data-dir", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            cwd=ROOT,
        )
    try:
        await_banner(process, folder / "up.log")
        yield f"http://127.0.0.1:{port}"
    except BaseException:
        for log_file in (folder / "up.log", *sorted((folder / "logs").glob("*.log"))):
            for line in log_file.read_text(errors="replace").splitlines()[-5:]:
                note(f"{log_file.name}: {clean(line)[:500]}")
        raise
    finally:
        # A second Ctrl-C must not leave the platform behind.
        with suppress(KeyboardInterrupt):
            process.send_signal(signal.SIGTERM)
            process.wait()


def environment() -> dict[str, str]:
    """Ours, less what would make the demo touch a real installation or announce in a real Discord."""
    mine = ("DATABASE_URL", "DISCORD_TOKEN", "KERNELBOT_")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    if binaries := os.environ.get("KERNELBOT_PG_BIN"):
        rest["KERNELBOT_PG_BIN"] = binaries
    return {**rest, "KERNELBOT_WORKER_SLOTS": str(SLOTS)}


def await_banner(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while "KernelBot is running" not in log.read_text(errors="replace"):
        if process.poll() is not None:
            raise DemoFailed("The platform did not start; its words are above.")
        if time.monotonic() > deadline:
            raise DemoFailed(f"The platform did not start within {START_PATIENCE_S:.0f} s.")
        time.sleep(0.05)


def choose_gpu(server: Server) -> str:
    """The kind of a GPU in this machine that the leaderboard ranks, else CPU, once a worker is there."""
    allowed = server.get(f"/v1/leaderboards/{LEADERBOARD}")["gpus"]
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline:
        served = [item["gpu"] for item in server.get("/v1/queues")["items"] if item["slots"]]
        kinds: list[str] = [gpu for gpu in served if gpu in allowed]
        if kinds:
            return next((gpu for gpu in kinds if gpu != "CPU"), kinds[0])
        time.sleep(POLL_S)
    raise DemoFailed("No worker has come up on this machine.")


@contextmanager
def joined(admin: Server, url: str, who: str) -> Iterator[Server]:
    """The server as it answers a person with a token of their own."""
    wish = {"name": who, "token_name": "demo", "scopes": ["read", "submit"]}
    secret = admin.post("/v1/admin/users", wish)["secret"]
    with Server(Profile(url, secret)) as server:
        yield server


def expectations() -> dict[str, str]:
    """The verdict that each example of the problem must get."""
    return {item.path: item.expect.value for item in load_problem(PROBLEM).examples}


def watch(entries: Sequence[Entry]) -> None:
    """Follow all of them until all are judged."""
    deadline = time.monotonic() + JUDGE_PATIENCE_S
    with Screen(entries) as screen:
        while not all(entry.done for entry in entries):
            if time.monotonic() > deadline:
                raise DemoFailed(f"Not everything was judged within {JUDGE_PATIENCE_S:.0f} s.")
            for entry in entries:
                if not entry.done:
                    entry.refresh()
            screen.update()
            time.sleep(POLL_S)


class Screen:
    """A line for each entry: redrawn on a terminal; elsewhere written when its news is worth it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._said: dict[str, str] = {}
        self._live: Live | None = None

    def __enter__(self) -> Screen:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(self._drawing(), refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        if self._live is not None:
            self._live.update(self._drawing())
            return
        for entry in self._entries:
            # Each counted case would be a line; the stage, the wait and the end are enough.
            key = json.dumps([entry.run["status"], entry.run["stage"]])
            if self._said.get(entry.who) != key:
                self._said[entry.who] = key
                shown = entry.headline if len(entry.headline) <= 100 else entry.headline[:99] + "…"
                result(f"  {entry.who:9} {entry.file.name:20} {shown}")

    def _drawing(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for entry in self._entries:
            mark: Any = Text(" ")
            if entry.done:
                mark = Text("✓", "green") if entry.as_expected else Text("✗", "red")
            elif entry.submission and entry.run["status"] == "running":
                mark = Spinner("dots")
            grid.add_row(mark, Text(entry.who), Text(entry.file.name), Text(entry.headline))
        return grid


def show(entries: Sequence[Entry], standings: Mapping[str, Any], took_s: float) -> None:
    result()
    for entry in entries:
        mark = "✓" if entry.as_expected else f"✗ expected {entry.expected},"
        verdict = str(entry.run["verdict"] or entry.run["status"]).replace("_", " ")
        spent = entry.run["spent"]
        took = f", judged in {spent['wall_s']:.0f} s" if spent else ""
        result(f"{mark} {entry.who}, {entry.file.name} ({entry.about}): {verdict}{took}")
        result(f"    {clean(reason(entry.run))}")
    result()
    render.standings(standings)
    result()
    right = sum(entry.as_expected for entry in entries)
    result(f"{right} of {len(entries)} verdicts as expected, in {took_s:.0f} s.")
    go_on()


def reason(run: Mapping[str, Any]) -> str:
    """Why this verdict, in one line; and whether it counts."""
    if run["verdict"] == "passed":
        return str(run["ranking"])
    _, _, why = str(run["headline"]).partition(": ")
    why = " ".join((why or str(run["headline"])).split())
    why = why.rstrip(".") if len(why) <= 160 else why[:159] + "…"
    return f"{why}. {run['ranking']}"


def go_on() -> None:
    command = up.command()
    result()
    result("How to go on:")
    result(f"  {command} up")
    result("      keeps the platform running; its API docs are at http://127.0.0.1:8000/docs")
    result(f"  {command} submit FILE --leaderboard {LEADERBOARD} --gpu CPU --mode ranked")
    result(f"      sends your own; begin with problems/{LEADERBOARD}/starter/with_torch.py")


def run() -> int:
    """The demo with its errors told; for ``python -m kernelbot.cli.demo``."""
    try:
        return main()
    except CommandFailed as error:
        note(f"demo: {clean(error.message, lines=True)}")
        return error.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
