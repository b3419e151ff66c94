"""What an agent does between two runs on one place, with a server and a launcher that are slow where it hurts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelbot.judge import parcels
from kernelbot.judge.protocol import Artefact, Event, Job, Mode, Verdict, VerdictKind
from kernelbot.launchers.base import Package
from runners.agent.agent import Agent, Options
from runners.agent.places import Board, Place
from runners.agent.wire import Lease, Orders, Refused, Work
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
        files = (Artefact(name="report.json", bytes=2, media_type="application/json"),)
        return Verdict(kind=VerdictKind.CRASHED, run_id=self._run_id, artefacts=files)

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        yield b"{}"

    async def cancel(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Slow:
    """A server with some runs that takes its time over a verdict, and takes no files."""

    def __init__(self) -> None:
        self.leased = 0
        self.ended: list[int] = []

    async def lease(self, poll: int, offers: Sequence[Mapping[str, int]], *_: object) -> Work:
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

    async def file(self, run: Lease, name: str, piece: int, content: bytes) -> None:
        raise Refused(422, "too_many_files", "A run keeps 16 files.")

    async def verdict(self, run: Lease, content: bytes) -> Mapping[str, str]:
        await asyncio.sleep(0.2)
        self.ended.append(run.run_id)
        return {"recorded": "crashed", "fault": ""}


async def judged(server: Slow, folder: Path, *targets: str) -> tuple[Agent, Judging]:
    """All runs of a server, by an agent with a place for each of these targets."""
    judging = Judging()
    agent = Agent(server, Options(folder, 1, 5.0), "tree")  # type: ignore[arg-type]
    agent._places = [Place(target, judging) for target in targets]  # type: ignore[arg-type]
    agent._board = Board(agent._places)
    taking = asyncio.create_task(agent._take_for_ever())
    try:
        await until(lambda: len(server.ended) == RUNS)
    finally:
        taking.cancel()
    return agent, judging


async def test_a_place_whose_last_run_is_still_handed_in_has_one_run_at_a_time(
    tmp_path: Path,
) -> None:
    server = Slow()
    _, judging = await judged(server, tmp_path, "CPU")
    assert judging.most == 1
    assert sorted(server.ended) == [1, 2, 3], "whatever the server said to their files"


async def test_a_place_that_becomes_free_is_offered_at_once_though_another_kind_is_being_waited_for(
    tmp_path: Path,
) -> None:
    agent, _ = await judged(Slow(), tmp_path, "CPU", "another")
    assert agent._poll > RUNS  # each time one was under way for the other kind alone


class Far(Slow):
    """One that hands out at once what waits; its answers are under way for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    async def lease(self, poll: int, offers: Sequence[Mapping[str, int]], *rest: Any) -> Work:
        found = await super().lease(poll, offers, *rest)
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            self.lost += 1
            raise
        return found


async def test_no_answer_that_is_on_its_way_is_given_up_when_another_place_becomes_free(
    tmp_path: Path,
) -> None:
    server = Far()
    await judged(server, tmp_path, "CPU", "CPU")
    assert not server.lost


class Endless(Judging):
    """Runs that last longer than any test."""

    async def start(self, package: Package) -> Running:
        await asyncio.sleep(60)
        return await super().start(package)


class Fickle(Slow):
    """One where a run on two devices waits, until another machine has it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Sequence[Mapping[str, int]]] = []

    async def lease(self, poll: int, offers: Sequence[Mapping[str, int]], *_: object) -> Work:
        self.asked.append(offers)
        if len(self.asked) == 1:
            return Work([Lease(1, "lease", "one", 1)], {"two": 1}, False)
        if offers:
            await asyncio.sleep(60)
        return Work([], {}, False)


async def test_devices_that_are_kept_for_a_run_are_offered_once_another_machine_has_it(
    tmp_path: Path,
) -> None:
    server, judging = Fickle(), Endless()
    agent = Agent(server, Options(tmp_path, 1, 5.0), "tree")  # type: ignore[arg-type]
    both = frozenset({"GPU-0", "GPU-1"})
    agent._places = [Place("one", judging, frozenset({device})) for device in sorted(both)]  # type: ignore[arg-type]
    agent._places.append(Place("two", judging, both))  # type: ignore[arg-type]
    agent._board = Board(agent._places)
    taking = asyncio.create_task(agent._take_for_ever())
    try:
        await until(lambda: len(server.asked) == 3)
    finally:
        taking.cancel()
    assert server.asked == [[{"one": 2}, {"two": 1}], [], [{"one": 1}]]


class Hung(Slow):
    """One whose first connections carry nothing any more, and say nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0

    async def heartbeat(
        self, slots: Mapping[str, int], runs: Sequence[Mapping[str, Any]], trouble: str
    ) -> Orders:
        self.beats += 1
        if self.beats == 1:
            await asyncio.sleep(60)
        return await super().heartbeat(slots, runs, trouble)


async def test_a_sign_of_life_that_hangs_is_given_up_in_time_for_another_within_the_lease(
    tmp_path: Path,
) -> None:
    server = Hung()
    agent = Agent(server, Options(tmp_path, 1, 5.0), "tree")  # type: ignore[arg-type]
    agent._heartbeat_s, agent._lease_s = 0.1, 1.0
    beating = asyncio.create_task(agent._beat_for_ever())
    try:
        await until(lambda: server.beats > 1, 30)
    finally:
        beating.cancel()
