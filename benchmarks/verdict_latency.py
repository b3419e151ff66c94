"""Seconds from a job to its verdict, cold and warm, and where they go.

``python3 -m benchmarks.verdict_latency [--device cpu] [--only WORD] [--where]`` needs torch and this tree.

Cold is ``python -m kernelbot.judge run``, a process that has imported nothing. Warm is a job sent to a
template that has torch imported (``python -m kernelbot.judge serve``), as the worker does. *again* is a
warm run that finds what a test of the same code has compiled before. Overhead is wall time beyond building and
the stage of measuring: starting, making contexts, checking, cleaning up; it cannot be told where first
calls compile, in that stage too. Build, check and measure are what the submission was charged for, its
own time only. ``--where`` tells by function what the referee's main thread was seen at in a ranked run: looked
at from another thread 500 times a second, because a profiler would make what is called often seem slow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from kernelbot.judge import guard, referee, staging, warm
from kernelbot.judge.protocol import Job, Limits, Mode, Tolerance, Verdict, VerdictKind
from kernelbot.judge.template import Template

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Limits(build_s=300, check_s=60, measure_s=180)
ENDED_S = 60.0  # from the last event on
PASSED, WRONG = VerdictKind.PASSED, VerdictKind.WRONG_ANSWER


@dataclass(frozen=True)
class Board:
    """A problem of this tree with the shapes of its problem.yaml, or small ones for a processor."""

    problem: str
    tests: tuple[dict[str, int], ...]
    benchmarks: tuple[dict[str, int], ...]
    tolerance: Tolerance

    def job(self, mode: Mode, device: str, cache_key: str) -> Job:
        return Job(
            run_id="latency", mode=mode, problem=self.problem, problem_digest="",
            tests=self.tests, benchmarks=self.benchmarks, tolerances=(self.tolerance,),
            contestant_files=("task.py",), limits=LIMITS, device=device, cache_key=cache_key,
        )  # fmt: skip

    def code(self, name: str) -> bytes:
        return (ROOT / "problems" / self.problem / name).read_bytes()

    def files(self) -> dict[str, bytes]:
        folder = ROOT / "problems" / self.problem
        return {path.name: path.read_bytes() for path in folder.glob("*.py")}


def sizes(*sides: int) -> tuple[dict[str, int], ...]:
    return tuple({"size": side} for side in sides)


def cubes(*sides: tuple[int, int, int]) -> tuple[dict[str, int], ...]:
    return tuple({"m": m, "n": n, "k": k} for m, n, k in sides)


BOARDS = {
    "cuda": {
        "vectoradd": Board(
            "vectoradd", sizes(127, 128, 129, 256, 512),
            sizes(1024, 2048, 4096, 8192, 16384), Tolerance(),
        ),
        "matmul": Board(
            "matmul", cubes((64, 64, 64), (128, 128, 128), (127, 65, 129), (256, 384, 512), (512, 512, 4096)),
            cubes((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1024, 1536, 4096), (4096, 4096, 4096)),
            Tolerance(rtol=4e-3, atol=4e-3),
        ),
    },
    "cpu": {
        "vectoradd": Board("vectoradd", sizes(127, 128, 129), sizes(512, 1024), Tolerance()),
        "matmul": Board(
            "matmul", cubes((64, 64, 64), (127, 65, 129)), cubes((256, 256, 256)),
            Tolerance(rtol=4e-3, atol=4e-3),
        ),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One kind of run and what it is to reach."""

    label: str
    board: str
    example: str
    mode: Mode
    expected: VerdictKind = PASSED
    warm_s: float = 0.0  # 0: nothing was promised
    cold_s: float = 0.0
    devices: tuple[str, ...] = ("cuda", "cpu")


ROWS = (
    Row("wrong answer", "vectoradd", "examples/wrong_subtracts.py", Mode.TEST, WRONG, warm_s=2.0),
    Row("torch", "vectoradd", "starter/with_torch.py", Mode.TEST),
    Row("torch", "vectoradd", "starter/with_torch.py", Mode.RANKED, warm_s=4.0, cold_s=12.0),
    Row("Triton", "vectoradd", "starter/with_triton.py", Mode.RANKED, devices=("cuda",)),
    Row("inline CUDA", "vectoradd", "starter/with_inline_cuda.py", Mode.RANKED, devices=("cuda",)),
    Row("torch", "matmul", "starter/with_torch.py", Mode.RANKED),
)


@dataclass(frozen=True)
class Run:
    verdict: Verdict
    wall_s: float
    stages: dict[str, float]  # seconds from sending the job to the end of each stage


def judged(board: Board, row: Row, device: str, template: Template | None, cache: str) -> Run:
    """One run, seen as a launcher sees it."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        job = board.job(row.mode, device, "latency" if cache else "")
        staging.stage(directory, job, board.files(), board.code(row.example))
        events, told = os.pipe()
        began = time.monotonic()
        if template is not None:
            pid = template.fork(directory, told, 2, cache)
        else:
            line = staging.command(directory, events_fd=told, cache=cache)
            process = subprocess.Popen(line, pass_fds=[told], cwd=ROOT)
        os.close(told)
        stages: dict[str, float] = {}
        with os.fdopen(events) as lines:
            for line_ in lines:
                event = json.loads(line_)
                if event["kind"] == "stage":
                    stages[f"{event['stage']} {event['message']}"] = time.monotonic() - began
        if template is not None:
            template.ended(pid, ENDED_S)
        else:
            process.wait()
        return Run(staging.read_verdict(directory), time.monotonic() - began, stages)


def report(row: Row, how: str, run: Run) -> bool:
    """Print one line of the table; whether the verdict is the right one."""
    spent = run.verdict.spent
    measuring = run.stages.get("measure finished", 0.0) - run.stages.get("measure started", 0.0)
    overhead = (
        f"{run.wall_s - spent.build_s - measuring:8.2f}" if spent.build_s < 0.5 else "       -"
    )
    promised = row.cold_s if how == "cold" else row.warm_s
    marks = [run.stages.get(name, float("nan")) for name in (
        "build started", "build finished", "check finished", "measure finished")]  # fmt: skip
    at = " ".join(f"{mark:6.2f}" if mark == mark else "     -" for mark in marks)
    good = run.verdict.kind is row.expected
    aim = f"{promised:4.0f} {'ok' if run.wall_s <= promised else 'NO'}" if promised else "   -   "
    print(
        f"{row.board:9} {row.label:12} {row.mode.value:6} {how:5} {run.wall_s:6.2f} {aim:7} "
        f"{spent.device_s:6.2f} {overhead} "
        f"{spent.build_s:6.2f} {spent.check_s:6.2f} {spent.measure_s:7.2f} | {at} "
        f"{run.verdict.harness.isolation}"
        + (
            "" if good else f"  {run.verdict.kind.value}: {run.verdict.message} {run.verdict.fault}"
        ),
        flush=True,
    )
    return good


HEAD = (
    f"{'board':9} {'submission':12} {'mode':6} {'start':5} {'wall':>6} {'aim':7} {'GPU':>6} "
    f"{'overhead':>8} {'build':>6} {'check':>6} {'measure':>7} | seconds until begun, built, checked, measured"
)


class Onlooker(threading.Thread):
    """Looks at what this thread is doing until it is left: in seconds, by function, callers included."""

    EVERY_S = 0.002

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds: Counter[str] = Counter()
        self._watched = threading.get_ident()
        self._over = threading.Event()

    def __enter__(self) -> Onlooker:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        before = time.monotonic()
        while not self._over.wait(self.EVERY_S):
            frame = sys._current_frames().get(self._watched)
            now = time.monotonic()
            seen = set()
            while frame is not None:
                code = frame.f_code
                seen.add(f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_qualname}")
                frame = frame.f_back
            self.seconds.update(dict.fromkeys(seen, now - before))
            before = now


def where(board: Board, row: Row, device: str) -> None:
    """A ranked run in this process with somebody looking on, its own imports done."""
    import torch

    if device == "cuda":
        import triton  # noqa: F401  as a template has

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        staging.stage(
            directory, board.job(row.mode, device, ""), board.files(), board.code(row.example)
        )
        guard.harden_referee()
        nursery = warm.Nursery.started()
        nursery.prepare(device)
        time.sleep(8)  # until it has imported what it is to import
        began = time.monotonic()
        with Onlooker() as onlooker:
            verdict = referee.run(directory, referee.Events(None), nursery)
        wall_s = time.monotonic() - began
        nursery.close()
        print(
            f"\n{row.mode.value} {row.label}: {verdict.kind.value} in {wall_s:.2f} s, torch {torch.__version__}"
        )
        for name, seconds in onlooker.seconds.most_common(60):
            print(f"{seconds:7.3f} s  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=sorted(BOARDS))
    parser.add_argument("--only", default="", help="rows whose description contains this")
    parser.add_argument("--where", action="store_true", help="what the referee does, by function")
    options = parser.parse_args()
    boards = BOARDS[options.device]
    rows = [
        row
        for row in ROWS
        if options.device in row.devices and options.only in f"{row.board} {row.label} {row.mode}"
    ]
    if options.where:
        where(boards["vectoradd"], replace(ROWS[2]), options.device)
        return 0
    good = True
    print(HEAD)
    with Template(options.device) as template, tempfile.TemporaryDirectory() as caches:
        # The first run waits until the template has imported torch, and tells nothing.
        judged(boards["vectoradd"], ROWS[0], options.device, template, "")
        for row in rows:
            board = boards[row.board]
            good &= report(row, "warm", judged(board, row, options.device, template, caches))
            if row.mode is Mode.RANKED and row.label != "torch":
                # What a test of the same code has left is what a ranked run finds.
                judged(board, replace(row, mode=Mode.TEST), options.device, template, caches)
                good &= report(row, "again", judged(board, row, options.device, template, caches))
    for row in rows:
        if row.cold_s:
            good &= report(row, "cold", judged(boards[row.board], row, options.device, None, ""))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
