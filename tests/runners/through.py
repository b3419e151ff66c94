"""A launcher whose runs go through everything: database, queue, gateway, TLS, and an agent on the other side."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.problem import Problem, sealed
from kernelbot.errors import KernelbotError
from kernelbot.judge.protocol import Event, Stage, Verdict, VerdictKind, from_json
from kernelbot.launchers.base import Package
from kernelbot.services import artefacts, submissions, submit
from kernelbot.storage import contests
from tests.factories import make_actor, submitted
from tests.launchers.contract import problem
from tests.patience import until
from tests.processes import alive, family, processes
from tests.runners.agents import Process

NUMBERS = itertools.count(1)


class ThroughAgent:
    """Sends each package as a submission of a new person to a new version of the problem."""

    def __init__(self, app: App, agent: Process) -> None:
        self._app = app
        self._agent = agent
        self._launches: list[Sent] = []
        self._seen: list[int] = []

    def open(self) -> None:
        """There is nothing to get ready."""

    async def start(self, package: Package) -> Sent:
        await self._pose(package)
        actor = await make_actor(self._app)
        view = await submitted(
            self._app, actor, code=package.code, mode=package.job.mode.value, file_name="x.py"
        )
        sent = Sent(self._app, self._agent, actor, view.id, view.runs[0].id, package.job.run_id)
        self._launches.append(sent)
        return sent

    async def close(self) -> None:
        for launch in self._launches:
            await launch.close()

    async def _pose(self, package: Package) -> None:
        """Make the package's cases, limits and files the ones that the leaderboard poses."""
        posed: Problem = dataclasses.replace(
            problem(),
            tests=package.job.tests, cpu_tests=package.job.tests,
            benchmarks=package.job.benchmarks, cpu_benchmarks=package.job.benchmarks,
            limits=package.job.limits, cpu_limits=package.job.limits,
            files={**problem().files, **package.problem_files},
            summary=f"Version {next(NUMBERS)}", speed_of_light=None,
        )  # fmt: skip
        async with self._app.database.transaction() as connection:
            made = await contests.put_problem(connection, sealed(posed))
            await connection.execute(
                text("UPDATE leaderboards SET problem_id = :id WHERE name = 'vectoradd'"),
                {"id": made},
            )

    # --- the other side, as a test may look at it --------------------------------------------

    @property
    def launcher(self) -> ThroughAgent:
        return self

    def processes(self, marker: str) -> list[int]:
        for sent in self._launches:
            if sent.marker == marker:
                for pid in processes(f"{self._agent.state}/runs/run-{sent.run_id}-"):
                    self._seen += [found for found in family(pid) if found not in self._seen]
        return alive(self._seen)

    def remains(self) -> list[str]:
        return self._agent.remains()


@dataclasses.dataclass
class Sent:
    """A run that some machine judges."""

    app: App
    agent: Process
    actor: Actor
    submission_id: int
    run_id: int
    marker: str
    closed: bool = False

    async def events(self) -> AsyncIterator[Event]:
        await self._ended()
        for step in await submissions.events(self.app, self.submission_id, 0):
            if step.kind in ("stage", "case", "log"):
                stage, done, total = (step.data[key] for key in ("stage", "done", "total"))
                yield Event(kind=step.kind, stage=Stage(stage), done=done, total=total)

    async def verdict(self) -> Verdict:
        row = await self._ended()
        if row.document is None:
            return Verdict(kind=VerdictKind.JUDGE_FAILED, run_id=self.marker)
        return dataclasses.replace(from_json(Verdict, row.document), run_id=self.marker)

    async def canary(self) -> None:
        """Agents have theirs by themselves."""

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        if self.closed:
            raise FileNotFoundError(name)
        _, pieces = await artefacts.opened(self.app, self.actor, self.submission_id, f"CPU-{name}")
        async for piece in pieces:
            yield piece

    async def cancel(self) -> None:
        with contextlib.suppress(KernelbotError):  # it has ended
            await submit.cancel(self.app, self.actor, self.submission_id)
        await self.verdict()

    async def close(self) -> None:
        await self.cancel()
        await until(lambda: not [name for name in self.agent.remains() if self._own(name)])
        self.closed = True

    def _own(self, name: str) -> bool:
        return name.startswith(f"run-{self.run_id}-")

    async def _ended(self) -> Any:
        return await until(self._end, 120)

    async def _end(self) -> Any:
        query = text(
            "SELECT v.document FROM runs r LEFT JOIN verdicts v ON v.run_id = r.id "
            "WHERE r.id = :id AND r.status IN ('done', 'cancelled')"
        )
        async with self.app.database.read() as connection:
            return (await connection.execute(query, {"id": self.run_id})).first()
