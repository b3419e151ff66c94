"""Kill everything at random while submissions flow; count what was lost or happened twice.

``python -m benchmarks.chaos [--submissions 1000] [--seed 1] [--kill-every 3]``

Runs ``kernelbot up`` over its embedded Postgres with a loopback Discord beside it, sends submissions
over HTTP as people do (each with an idempotency key, tried again until accepted), and meanwhile ends
randomly chosen processes with SIGKILL: api, worker, bot, Postgres (postmaster or one backend), the
judge's referee, the contestant, the supervisor itself. Then lets everything finish and reads the
truth from the database and from Discord's side. Exit code 0 only if nothing was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil

from kernelbot.storage.embedded import running_url
from tests.fakes.discord import LoopbackDiscord
from tests.ports import free_port

ADMIN = "kb_chaos-administrator"
DECK = {
    "api": 4,
    "worker": 4,
    "bot": 3,
    "postgres": 2,
    "backend": 2,
    "referee": 5,
    "contestant": 5,
    "supervisor": 1,
}
"""How often each is killed in a round; the order within a round is random."""
FLEETING = ("contestant", "referee")
SEEK_S = 5.0
SENDERS = 6
FINISH_S = 1800.0
# The last is what asyncpg says when a connection is cut in the middle of preparing a statement.
DATABASE_GONE = (
    OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip

PROBLEM = {
    "problem.yaml": """\
name: tiny
title: Tiny
summary: A sum that takes no time, for when everything around it is killed.
languages: [python]
tests: [{size: 16}]
benchmarks: [{size: 32}]
tolerance: {rtol: 1.0e-5, atol: 1.0e-6}
limits: {build: 60, check: 30, measure: 30}
scoring: geom
""",
    "statement.md": "# Tiny\n\nAdd two vectors.\n",
    "reference.py": """\
import torch

OUTPUTS = 1


def generate_input(*, seed, device, size):
    rng = torch.Generator(device=device).manual_seed(seed)
    a, b = (torch.randn(size, generator=rng, device=device) for _ in range(2))
    return a, b, torch.empty_like(a)


def reference(data):
    a, b, _ = data
    return a + b
""",
}
COMPETITION = """\
name: chaos
title: Chaos
licence: MIT
visibility: public
gpus: [CPU]
channel: submissions
problems:
  - {problem: tiny}
"""

RIGHT = """\
# {number}
import time


def custom_kernel(data):
    a, b, out = data
    time.sleep({delay})
    out.copy_(a + b)
    return out
"""
WRONG = "# {number}\ndef custom_kernel(data):\n    a, b, out = data\n    return out.copy_(a - b)\n"
BROKEN = "# {number}\ndef custom_kernel(data:\n    return\n"


class Unexpected(Exception):
    """The platform did what no client could be prepared for."""


@dataclass
class Sent:
    """A submission that was accepted, and what must come of it."""

    id: int
    user: str
    expect: str
    ranked: bool


@dataclass
class Report:
    seconds: float = 0.0
    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    accepted: int = 0
    retried: int = 0
    redone: int = 0  # runs that needed more than one attempt
    verdicts: collections.Counter[str] = field(default_factory=collections.Counter)
    announcements: int = 0
    wrong: list[str] = field(default_factory=list)

    def show(self) -> None:
        kills = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kills.items()))
        print(
            f"{self.accepted} submissions accepted in {self.seconds:.0f} s ({self.retried} requests repeated)"
        )
        print(f"kill -9: {sum(self.kills.values())} ({kills})")
        print(f"verdicts: {dict(self.verdicts)}; runs done again after a kill: {self.redone}")
        print(f"podium changes announced: {self.announcements}")
        print(f"lost or doubled: {len(self.wrong)}")
        for line in self.wrong[:50]:
            print("  " + line)


class Storm:
    """One platform, its visitors, and what befalls it."""

    def __init__(
        self, folder: Path, *, submissions: int, seed: int, kill_every_s: float, slots: int = 2
    ) -> None:
        self._folder = folder
        self._count = submissions
        self._random = random.Random(seed)
        self._kill_every_s = kill_every_s
        self._port = free_port()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._sent: list[Sent] = []
        self._report = Report()
        self._every_kind_met = asyncio.Event()
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KERNELBOT", "DISCORD"))},
            "KERNELBOT_DATA_DIR": str(folder / "data"),
            "KERNELBOT_PROBLEMS_DIR": str(folder / "problems"),
            "KERNELBOT_ADMIN_TOKEN": ADMIN,
            "KERNELBOT_HEARTBEAT_S": "0.5",
            "KERNELBOT_LEASE_S": "3",
            "KERNELBOT_RETRY_S": "0.2",
            "KERNELBOT_ATTEMPTS": "20",
            "KERNELBOT_WORKER_SLOTS": str(slots),
        }
        self._environment.pop("DATABASE_URL", None)

    async def run(self) -> Report:
        """Send everything, kill along the way, wait for the end, compare."""
        begun = time.monotonic()
        self._write_problem()
        async with LoopbackDiscord() as discord:
            guild = discord.guild()
            self._discord, self._channel = discord, discord.text_channel(guild, "submissions")
            self._environment |= discord.environment()
            self._start()
            try:
                async with asyncio.TaskGroup() as tasks:
                    killing = tasks.create_task(self._kill_for_ever())
                    await self._send_all()
                    await self._until_done()
                    killing.cancel()
                self._ensure_supervised()
                await self._until_announced()
                await self._compare()
            finally:
                self._stop()
        self._report.seconds = time.monotonic() - begun
        return self._report

    # --- the platform --------------------------------------------------------------------------

    def _write_problem(self) -> None:
        folder = self._folder / "problems" / "tiny"
        folder.mkdir(parents=True)
        for name, text in PROBLEM.items():
            (folder / name).write_text(text)
        competitions = self._folder / "problems" / "competitions"
        competitions.mkdir()
        (competitions / "chaos.yaml").write_text(COMPETITION)

    def _start(self) -> None:
        log = (self._folder / "up.log").open("ab")
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "kernelbot", "up", "--port", str(self._port)],
            env=self._environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def _ensure_supervised(self) -> None:
        assert self._supervisor is not None
        if self._supervisor.poll() is not None:
            self._start()

    def _stop(self) -> None:
        assert self._supervisor is not None
        self._supervisor.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._supervisor.wait(30)
        self._supervisor.kill()

    # --- the visitors ----------------------------------------------------------------------------

    async def _send_all(self) -> None:
        numbers = iter(range(self._count))
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}", timeout=20
        ) as client:
            await self._insist(client, "GET", "/v1/ready")
            await asyncio.gather(*(self._sender(client, numbers) for _ in range(SENDERS)))

    async def _sender(self, client: httpx2.AsyncClient, numbers: Any) -> None:
        for number in numbers:
            if number >= self._count // 2:
                # A quick machine would have judged everything before the first round is over.
                await self._every_kind_met.wait()
            user = f"person {number % 25}"
            answer = await self._insist(
                client,
                "POST",
                "/v1/admin/users",
                headers={"Authorization": f"Bearer {ADMIN}"},
                json={"name": user, "token_name": f"chaos {number}"},
            )
            source, expect, ranked = self._draw(number)
            accepted = await self._insist(
                client,
                "POST",
                "/v1/submissions",
                headers={
                    "Authorization": f"Bearer {answer['secret']}",
                    "Idempotency-Key": f"chaos-{number}",
                },
                files={"file": ("kernel.py", source.encode())},
                data={"leaderboard": "tiny", "mode": "ranked" if ranked else "test"},
            )
            self._sent.append(Sent(accepted["id"], user, expect, ranked))

    def _draw(self, number: int) -> tuple[str, str, bool]:
        """Code, the verdict it deserves, and whether it is a ranked submission."""
        draw = self._random.random()
        if draw < 0.25:
            delay = self._random.choice((0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016))
            return RIGHT.format(number=number, delay=delay), "passed", True
        if draw < 0.40:
            return RIGHT.format(number=number, delay=0), "passed", False
        if draw < 0.50:
            return WRONG.format(number=number), "wrong_answer", False
        return BROKEN.format(number=number), "build_failed", draw < 0.75

    async def _insist(self, client: httpx2.AsyncClient, method: str, path: str, **what: Any) -> Any:
        """Until it is answered with a success: what anybody's client does on 503 and lost connections."""
        while True:
            try:
                answer = await client.request(method, path, **what)
                if answer.status_code < 300:
                    return answer.json()
                if answer.status_code != 503:
                    raise Unexpected(
                        f"{method} {path}: {answer.status_code} {answer.text}\n"
                        + self._logged(answer.headers.get("X-Request-ID", ""))
                    )
            except httpx2.TransportError:
                pass
            self._report.retried += 1
            await asyncio.sleep(0.3)

    def _logged(self, request_id: str) -> str:
        """What the API's log says from this request on, a screenful."""
        log = self._folder / "data" / "logs" / "api.log"
        lines = log.read_text(errors="replace").splitlines()
        found = [at for at, line in enumerate(lines) if request_id and request_id in line]
        return "\n".join(lines[found[0] : found[0] + 80]) if found else "(not in the log)"

    # --- what befalls it ---------------------------------------------------------------------------

    async def _kill_for_ever(self) -> None:
        # Those that come and go first: there is nothing to find of them once all that flows is judged.
        lasting = [kind for kind in DECK if kind not in FLEETING]
        self._random.shuffle(lasting)
        first = [*FLEETING, *lasting]
        for kind in first:
            while not await self._strike(kind):
                pass
        self._every_kind_met.set()
        deck = [kind for kind, count in DECK.items() for _ in range(count)]
        while True:
            self._random.shuffle(deck)
            for kind in deck:
                await self._strike(kind)

    async def _strike(self, kind: str) -> bool:
        """Whether one of that kind was there to be killed, some time from now."""
        await asyncio.sleep(self._random.uniform(0.3, 1.7) * self._kill_every_s)
        self._ensure_supervised()
        victim = await self._found(kind)
        if victim is None:
            return False
        with contextlib.suppress(psutil.Error):
            victim.send_signal(signal.SIGKILL)
            self._report.kills[kind] += 1
        self._ensure_supervised()
        return True

    async def _found(self, kind: str) -> psutil.Process | None:
        """A process of that kind; the judge's come and go, so it is looked for a while."""
        deadline = time.monotonic() + SEEK_S
        while (victim := self._victim(kind)) is None and time.monotonic() < deadline:  # noqa: ASYNC110  processes do not notify
            await asyncio.sleep(0.05)
        return victim

    def _victim(self, kind: str) -> psutil.Process | None:
        assert self._supervisor is not None
        try:
            root = psutil.Process(self._supervisor.pid)
            if kind == "supervisor":
                return root
            found = [item for item in root.children(recursive=True) if _kind(item) == kind]
        except psutil.Error:
            return None
        return self._random.choice(found) if found else None

    # --- the truth -----------------------------------------------------------------------------------

    async def _rows(self, query: str) -> list[asyncpg.Record]:
        deadline = time.monotonic() + FINISH_S
        while True:
            try:
                url = running_url(self._folder / "data" / "postgres")
                if url is None:
                    raise OSError("not running")
                connection = await asyncpg.connect(url, timeout=5)
                try:
                    return list(await connection.fetch(query))
                finally:
                    await connection.close()
            except DATABASE_GONE:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.3)

    async def _until_done(self) -> None:
        deadline = time.monotonic() + FINISH_S
        while True:
            (row,) = await self._rows(
                "SELECT count(*) AS n FROM submissions WHERE status NOT IN ('done', 'cancelled')"
            )
            if row["n"] == 0:
                return
            if time.monotonic() > deadline:
                raise Unexpected(f"{row['n']} submissions have not ended after {FINISH_S:.0f} s")
            await asyncio.sleep(0.5)

    async def _until_announced(self) -> None:
        deadline = time.monotonic() + 300
        while True:
            (row,) = await self._rows("SELECT count(*) AS n FROM outbox WHERE delivered_at IS NULL")
            if row["n"] == 0 or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.5)

    async def _compare(self) -> None:
        report, wrong = self._report, self._report.wrong
        report.accepted = len(self._sent)
        ids = [item.id for item in self._sent]
        wrong += [f"submission {n} was given to {c} requests" for n, c in _repeated(ids)]
        (stored,) = await self._rows("SELECT count(*) AS n FROM submissions")
        if stored["n"] != self._count:
            wrong.append(f"{stored['n']} submissions are stored, {self._count} were sent")
        await self._compare_runs()
        await self._compare_standings()
        await self._compare_announcements()
        (left,) = await self._rows("SELECT count(*) AS n FROM pgqueuer")
        if left["n"]:
            wrong.append(f"{left['n']} places are left in the queue")
        folders = list((self._folder / "data" / "runs").glob("run-*"))
        deadline = time.monotonic() + 30  # a worker may have been killed this moment
        while (mine := self._judging()) and time.monotonic() < deadline:  # noqa: ASYNC110  processes do not notify
            await asyncio.sleep(0.2)
        if mine:
            wrong.append(f"{len(mine)} processes of the judge were left behind")
        print(f"job directories left by killed workers: {len(folders)}")

    def _judging(self) -> list[psutil.Process]:
        judged = [
            item for item in psutil.process_iter() if _kind(item) in ("referee", "contestant")
        ]
        return [item for item in judged if str(self._folder) in " ".join(_cmdline(item))]

    async def _compare_runs(self) -> None:
        report = self._report
        rows = await self._rows(
            "SELECT r.submission_id, r.verdict, r.attempt, "
            "(SELECT count(*) FROM verdicts v WHERE v.run_id = r.id) AS verdicts FROM runs r"
        )
        by_submission = collections.defaultdict(list)
        for row in rows:
            by_submission[row["submission_id"]].append(row)
        for item in self._sent:
            runs = by_submission.get(item.id, [])
            if len(runs) != 1 or runs[0]["verdicts"] != 1:
                report.wrong.append(f"submission {item.id} has not exactly one verdict: {runs}")
                continue
            report.verdicts[runs[0]["verdict"]] += 1
            report.redone += runs[0]["attempt"] > 1
            # A contestant that was killed from outside has crashed, as far as anybody can tell.
            allowed = (
                {item.expect, "crashed"} if self._report.kills["contestant"] else {item.expect}
            )
            if runs[0]["verdict"] not in allowed:
                report.wrong.append(
                    f"submission {item.id} ended {runs[0]['verdict']}, not {item.expect}"
                )

    async def _compare_standings(self) -> None:
        passed = await self._rows(
            "SELECT DISTINCT user_id FROM runs WHERE mode = 'ranked' AND verdict = 'passed'"
        )
        standing = await self._rows("SELECT user_id, count(*) AS n FROM standings GROUP BY 1")
        expected = {row["user_id"] for row in passed}
        found = {row["user_id"]: row["n"] for row in standing}
        self._report.wrong += [f"user {n} has no standing" for n in expected - set(found)]
        self._report.wrong += [f"user {n} has an undue standing" for n in set(found) - expected]
        self._report.wrong += [f"user {n} has {c} standings" for n, c in found.items() if c != 1]
        entries = await self._rows(
            "SELECT e.run_id FROM entries e LEFT JOIN runs r ON r.id = e.run_id "
            "WHERE r.verdict IS DISTINCT FROM 'passed' OR e.runs <> 1"
        )
        self._report.wrong += [
            f"entry of run {row['run_id']} is not of one passed run" for row in entries
        ]

    async def _compare_announcements(self) -> None:
        rows = await self._rows(
            "SELECT id, delivered_at, receipt FROM outbox WHERE topic = 'podium'"
        )
        self._report.announcements = len(rows)
        shown = {
            message.id
            for message in self._discord.messages.values()
            if message.channel is self._channel and not message.deleted
        }
        for row in rows:
            if row["delivered_at"] is None:
                self._report.wrong.append(f"announcement {row['id']} was not delivered")
            elif int(row["receipt"] or 0) not in shown:
                self._report.wrong.append(f"announcement {row['id']} is not in the channel")
        if len(shown) != len(rows):
            self._report.wrong.append(f"{len(shown)} messages for {len(rows)} announcements")


def _kind(process: psutil.Process) -> str:
    line = " ".join(_cmdline(process))
    for module in ("api", "worker", "bot"):
        if f"-m kernelbot.{module}" in line:
            return module
    if "-m kernelbot.judge" in line:
        return "referee"
    if line.startswith("postgres:"):
        return "backend"
    if "/postgres " in line:
        return "postgres"
    if line.startswith("contestant "):
        return "contestant"
    with contextlib.suppress(psutil.Error):
        for parent in process.parents():
            if "-m kernelbot.judge" in " ".join(_cmdline(parent)):
                return "contestant"
    return ""


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _repeated(ids: list[int]) -> list[tuple[int, int]]:
    return [(n, count) for n, count in collections.Counter(ids).items() if count > 1]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=3.0, help="seconds, on average")
    parser.add_argument("--keep", type=Path, help="a folder to leave logs and data in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kernelbot-chaos-") as folder:
        storm = Storm(
            options.keep or Path(folder),
            submissions=options.submissions,
            seed=options.seed,
            kill_every_s=options.kill_every,
        )
        report = await storm.run()
    report.show()
    return 1 if report.wrong else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
