"""What an agent does between two runs on one place, with a server and a launcher that are slow where it hurts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelbot.judge import parcels
from kernelbot.judge.protocol import Event, Job, Mode, Verdict, VerdictKind
from kernelbot.launchers.base import Package
from runners.agent.agent import Agent, Options
from runners.agent.places import Board, Place
from runners.agent.wire import Lease, Orders, Work
from tests.patience import until

RUNS = 3


class Judging:
    """Runs that last a moment each, and how many there were at once."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.most = 0

    def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def start(self, package: Package) -> Running:
        return Running(self, package.job.run_id)


class Running:
    def __init__(self, judging: Judging, run_id: str) -> None:
        self._judging, self._run_id = judging, run_id

    async def events(self) -> AsyncIterator[Event]:
        return
        yield

    async def verdict(self) -> Verdict:
        self._judging.now.add(self._run_id)
        self._judging.most = max(self._judging.most, len(self._judging.now))
        await asyncio.sleep(0.05 if self._run_id == "1" else 0.5)
        self._judging.now.discard(self._run_id)
        return Verdict(kind=VerdictKind.CRASHED, run_id=self._run_id)

    async def cancel(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Slow:
    """A server with some runs that takes its time over a verdict."""

    def __init__(self) -> None:
        self.leased = 0
        self.ended: list[int] = []

    async def lease(
        self, poll: int, offers: Sequence[Mapping[str, int]], free: Sequence[str], wait_s: float
    ) -> Work:
        if self.leased == RUNS or not any(offer.get("CPU") for offer in offers):
            await asyncio.sleep(60)
        self.leased += 1
        return Work([Lease(self.leased, "lease", "CPU", 1)], {"CPU": 9}, False)

    async def heartbeat(
        self, slots: Mapping[str, int], runs: Sequence[Mapping[str, Any]], trouble: str
    ) -> Orders:
        return Orders({run["run_id"]: False for run in runs}, False, False, {})

    async def package(self, run: Lease) -> bytes:
        job = Job(
            run_id=str(run.run_id), mode=Mode.TEST, problem="p", problem_digest="d",
            tests=(), benchmarks=(),
        )  # fmt: skip
        return parcels.pack_job(job, {}, b"", "processes")

    async def verdict(self, run: Lease, content: bytes) -> Mapping[str, str]:
        await asyncio.sleep(0.2)
        self.ended.append(run.run_id)
        return {"recorded": "crashed", "fault": ""}


async def test_a_place_whose_last_run_is_still_handed_in_has_one_run_at_a_time(
    tmp_path: Path,
) -> None:
    server, judging = Slow(), Judging()
    agent = Agent(server, Options(tmp_path, 1, 5.0), "tree")  # type: ignore[arg-type]
    agent._places = [Place("CPU", judging)]  # type: ignore[arg-type]
    agent._board = Board(agent._places)
    taking = asyncio.create_task(agent._take_for_ever())
    try:
        await until(lambda: len(server.ended) == RUNS)
    finally:
        taking.cancel()
    assert judging.most == 1
