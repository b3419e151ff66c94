"""Kill everything at random while submissions flow; count what was lost or happened twice.

``python -m benchmarks.chaos [--submissions 1000] [--seed 1] [--kill-every 3]``

Runs ``kernelbot up`` over its embedded Postgres with a loopback Discord beside it, sends submissions
over HTTP as people do (each with an idempotency key, tried again until accepted), and meanwhile ends
randomly chosen processes with SIGKILL: api, worker, bot, Postgres (postmaster or one backend), the
judge's template, its referee, the contestant, the supervisor itself. Then lets everything finish and
reads the truth from the database and from Discord's side. Exit code 0 only if nothing was lost or doubled.

The machine sets the pace: of three kills two wait until a submission has ended since the one before,
so that the platform comes to something however long its processes take to start, and the third does
not, so that it is hit while it recovers too. When nothing moves for minutes although nothing is killed,
the storm gives up and tells what is left, what is known about it, and what the processes said last.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
    "postgres": 3,
    "backend": 3,
    "template": 1,
    "referee": 6,
    "contestant": 6,
    "supervisor": 1,
}
"""How often each is killed in a round; the order within a round is random."""
FLEETING = ("contestant", "referee")
SEEK_S = 5.0
SENDERS = 6
LOOK_S = 1.0
HASTE = 3
"""Every so many kills one waits for nothing."""
PATIENCE_S = 300.0
"""So long nothing may be accepted or end while nothing is killed: on a busy machine a supervisor has to start, wait
for its predecessor's Postgres and check the problem, and a worker to wait half a minute and import torch twice."""
SHORT_PATIENCE_S = 60.0
"""For the database to tell what is left, when all the rest has been waited for."""
TOLD = 20
TAIL = 12
"""Of what is left that many submissions, and of each log that many lines, are told."""
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


COUNTS = """
    SELECT count(*) FILTER (WHERE status IN ('done', 'cancelled')) AS ended,
           count(*) FILTER (WHERE status NOT IN ('done', 'cancelled')) AS waiting
    FROM submissions
"""
LEFT = """
    SELECT s.id, s.status, r.id AS run, r.status AS run_status, r.progress, r.attempt, r.lease,
           r.worker_id AS worker, now() - r.heartbeat_at AS silent, q.status AS place,
           now() - q.heartbeat AS place_silent, q.execute_after - now() AS again_in
    FROM submissions s LEFT JOIN runs r ON r.submission_id = s.id LEFT JOIN pgqueuer q ON q.id = r.queue_id
    WHERE s.status NOT IN ('done', 'cancelled') ORDER BY s.id
"""


class Unexpected(Exception):
    """The platform did what no client could be prepared for, or nothing at all."""


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
    gave_up: int = 0  # how often the supervisor ended by itself and had to be started again
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
        print(f"times that the supervisor gave up: {self.gave_up}")
        print(f"verdicts: {dict(self.verdicts)}; runs done again after a kill: {self.redone}")
        print(f"podium changes announced: {self.announcements}")
        print(f"lost or doubled: {len(self.wrong)}")
        for line in self.wrong[:50]:
            print("  " + line)


class Storm:
    """One platform, its visitors, and what befalls it.

    Each kind is killed once. Then the deck is dealt, ``rounds`` times or until everything has ended, and no
    longer than ``storm_s``; what is left finishes in peace. ``limit_s``: for all of it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        submissions: int,
        seed: int,
        kill_every_s: float,
        slots: int = 2,
        rounds: int | None = None,
        storm_s: float | None = None,
        limit_s: float | None = None,
    ) -> None:
        self._folder = folder
        self._count = submissions
        self._random = random.Random(seed)
        self._kill_every_s = kill_every_s
        self._rounds = rounds
        self._storm_s = storm_s
        self._limit_s = limit_s
        self._port = free_port()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._sent: list[Sent] = []
        self._report = Report()
        # A quick machine would have judged everything before the storm is over: they are let in as it goes on.
        self._let_in: float = (submissions + 1) // 2
        self._ended = 0
        self._ended_by_kill: int | None = 0
        """How many when something was killed last; None: not looked since."""
        self._nothing_waits = True
        """When it was looked last."""
        self._over = False
        self._moved = (0, 0, 0)
        self._moved_at = time.monotonic()
        self._news = asyncio.Condition()
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KERNELBOT", "DISCORD"))},
            "KERNELBOT_DATA_DIR": str(folder / "data"),
            "KERNELBOT_PROBLEMS_DIR": str(folder / "problems"),
            "KERNELBOT_ADMIN_TOKEN": ADMIN,
            "KERNELBOT_HEARTBEAT_S": "0.5",
            "KERNELBOT_LEASE_S": "3",
            "KERNELBOT_RETRY_S": "0.2",
            "KERNELBOT_ATTEMPTS": "20",
            # Two that are shot in a row take the processor out of service until three are good, five minutes apart.
            "KERNELBOT_CANARY_S": "0",
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
                await self._through_it()
            finally:
                self._stop()
        self._report.seconds = time.monotonic() - begun
        return self._report

    async def _through_it(self) -> None:
        limit = asyncio.timeout(self._limit_s)
        try:
            async with limit:
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(self._watch())
                    killing = tasks.create_task(self._kill())
                    await self._send_all()
                    await killing
                    watching.cancel()
                while not await self._look():  # noqa: ASYNC110  processes do not notify
                    await asyncio.sleep(LOOK_S)
                await self._until_announced()
                await self._compare()
        except TimeoutError:
            if not limit.expired():
                raise
            raise Unexpected(await self._left(f"not over after {self._limit_s} s")) from None

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
        if (status := self._supervisor.poll()) is not None:
            self._report.gave_up += status != -signal.SIGKILL
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
            await self._admitted(number)
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

    async def _kill(self) -> None:
        await self._kill_all_kinds()
        await self._deal()
        await self._admit(self._count)

    async def _kill_all_kinds(self) -> None:
        # Those that come and go first: there is nothing to find of them once all that flows is judged.
        lasting = [kind for kind in DECK if kind not in FLEETING]
        self._random.shuffle(lasting)
        for kind in [*FLEETING, *lasting]:
            while not await self._strike(kind):
                if self._over:
                    return

    async def _deal(self) -> None:
        begun = time.monotonic()
        deck = [kind for kind, count in DECK.items() for _ in range(count)]
        share = max(0, self._count - self._let_in) / len(deck) / (self._rounds or 1)
        for _ in itertools.count() if self._rounds is None else range(self._rounds):
            cards = collections.deque(self._random.sample(deck, len(deck)))
            while cards:
                late = self._storm_s is not None and time.monotonic() - begun > self._storm_s
                if late or self._over:
                    return
                kind = cards.popleft()
                if await self._strike(kind):
                    await self._admit(share if self._rounds else self._count)
                else:
                    cards.append(kind)  # it is being started again, or nothing was judged

    async def _admitted(self, number: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: number < self._let_in)

    async def _admit(self, more: float) -> None:
        """Let the senders send so many more."""
        async with self._news:
            self._let_in += more
            self._news.notify_all()

    async def _strike(self, kind: str) -> bool:
        """Whether one of that kind was there to be killed, some time from now."""
        pause = asyncio.sleep(self._random.uniform(0.3, 1.7) * self._kill_every_s)
        if sum(self._report.kills.values()) % HASTE:
            await asyncio.gather(pause, self._until(lambda: self._recovered or self._idle))
        else:
            await pause
        if kind in FLEETING and self._idle and len(self._sent) >= self._let_in:
            await self._admit(1)
        self._ensure_supervised()
        victim = await self._found(kind)
        if victim is None:
            return False
        with contextlib.suppress(psutil.Error):
            victim.send_signal(signal.SIGKILL)
            self._report.kills[kind] += 1
            self._ended_by_kill = None
        self._ensure_supervised()
        return True

    @property
    def _recovered(self) -> bool:
        """Whether a submission has ended since something was killed."""
        return self._ended_by_kill is not None and self._ended > self._ended_by_kill

    @property
    def _idle(self) -> bool:
        """Whether the database has answered since something was killed, and nothing waits to be judged."""
        return self._ended_by_kill is not None and self._nothing_waits

    async def _until(self, so: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(so)

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

    # --- how it goes ---------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> bool:
        """Whether everything was accepted and has ended. Raises Unexpected where nothing has moved for long."""
        all_sent = len(self._sent) == self._count
        (row,) = await self._rows(COUNTS)
        async with self._news:
            self._ended = row["ended"]
            if self._ended_by_kill is None:
                self._ended_by_kill = self._ended
            self._nothing_waits = row["waiting"] == 0
            self._over = all_sent and self._nothing_waits
            self._news.notify_all()
        await self._demand_movement()
        return self._over

    async def _demand_movement(self) -> None:
        moved = (len(self._sent), self._ended, sum(self._report.kills.values()))
        if moved != self._moved:
            self._moved, self._moved_at = moved, time.monotonic()
        elif time.monotonic() - self._moved_at > PATIENCE_S:
            raise Unexpected(await self._left(f"nothing has moved for {PATIENCE_S:.0f} s"))

    async def _left(self, why: str) -> str:
        """What has not ended, and all that tells why."""
        lines = [
            why,
            f"{len(self._sent)} of {self._count} accepted, {self._ended} ended; "
            f"killed: {dict(self._report.kills)}; the supervisor gave up {self._report.gave_up} times",
        ]
        try:
            rows = await self._asked(LEFT, SHORT_PATIENCE_S)
            lines += [f"{len(rows)} have not ended:", *map(_told, rows[:TOLD])]
        except DATABASE_GONE as error:
            lines.append(f"the database does not answer: {error!r}")
        assert self._supervisor is not None
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._supervisor.pid)
            alive = [root, *root.children(recursive=True)]
            lines += ["processes:", *(f"{p.pid} {' '.join(_cmdline(p))[:120]}" for p in alive)]
        data = self._folder / "data"
        logs = [self._folder / "up.log", *sorted((data / "logs").glob("*.log"))]
        for log in [*logs, data / "postgres" / "postgres.log"]:
            with contextlib.suppress(OSError):
                said = log.read_text(errors="replace").splitlines()[-TAIL:]
                lines += [f"{log.name}:", *("  " + line[:400] for line in said)]
        return "\n".join(lines)

    # --- the truth -----------------------------------------------------------------------------------

    async def _rows(self, query: str) -> list[asyncpg.Record]:
        try:
            return await self._asked(query, PATIENCE_S)
        except DATABASE_GONE as error:
            why = f"the database has not answered for {PATIENCE_S:.0f} s"
            raise Unexpected(await self._left(why)) from error

    async def _asked(self, query: str, patience_s: float) -> list[asyncpg.Record]:
        """Until there is an answer. A supervisor that is gone is started again, as on any server."""
        deadline = time.monotonic() + patience_s
        while True:
            self._ensure_supervised()
            try:
                return await self._fetched(query)
            except DATABASE_GONE:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.3)

    async def _fetched(self, query: str) -> list[asyncpg.Record]:
        url = running_url(self._folder / "data" / "postgres")
        if url is None:
            raise OSError("not running")
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return list(await connection.fetch(query, timeout=20))
        finally:
            await connection.close(timeout=5)

    async def _until_announced(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
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
        wrong += [f"not ended: {_told(row)}" for row in await self._rows(LEFT)]
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


def _told(row: asyncpg.Record) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _kind(process: psutil.Process) -> str:
    line = " ".join(_cmdline(process))
    for module in ("api", "worker", "bot"):
        if f"-m kernelbot.{module}" in line:
            return module
    if "-m kernelbot.judge run" in line:
        return "referee"
    if "kernelbot.judge" in line and " template " in line:
        return "template"
    if line.startswith("postgres:"):
        return "backend"
    if "/postgres " in line:
        return "postgres"
    if line.startswith("contestant "):
        return "contestant"
    # Not what a starting worker tries its fence with: that ends the worker, and most that start so would end.
    with contextlib.suppress(psutil.Error):
        for parent in process.parents():
            if "-m kernelbot.judge run" in " ".join(_cmdline(parent)):
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
