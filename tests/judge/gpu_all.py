"""Everything that is shown on GPUs, in one go, on as many GPUs as there are.

    python -m tests.judge.gpu_problems stage DIR --mode benchmark     where the command line is installed
    python -m tests.judge.gpu_all LOGS [--problems DIR] [--seconds 540] [--only WORDS]    on the GPUs

Figures are taken with nothing else on the machine; then pieces run beside each other, one a GPU, those that need
several first. What each printed is in LOGS, what it came to on stdout. Needs torch and this tree.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kernelbot.judge.protocol import JOB_FILE
from tests.judge import corpus

ROOT = Path(__file__).resolve().parents[2]
CHECK = ("tests/judge/gpu_check.py",)
FILES_A_PIECE = 15
"""Of the corpus: enough that the start of its judge does not matter."""
ALONE = 99


@dataclass(frozen=True)
class Piece:
    """A command line of this Python's, and how many GPUs it needs. ALONE: one, and all others idle."""

    name: str
    gpus: int
    arguments: tuple[str, ...]
    limit_s: float = 300.0


@dataclass(frozen=True)
class Running:
    piece: Piece
    process: subprocess.Popen[bytes]
    gpus: tuple[str, ...]
    began: float


def pieces(problems: Path | None) -> list[Piece]:
    """In the order of what would be missed most."""
    found = [
        Piece("timing", ALONE, ("-m", "benchmarks.timing")),
        Piece("latency", ALONE, ("-m", "benchmarks.verdict_latency")),
        Piece("where", ALONE, ("-m", "benchmarks.verdict_latency", "--where")),
        Piece("ranks of 8", 8, (*CHECK, "--only", "multi 8"), 480.0),
        Piece("ranks of 4", 4, (*CHECK, "--only", "multi 4")),
        Piece("ranks of 2", 2, (*CHECK, "--only", "multi 2")),
        Piece("corpus of ranks", 2, (*CHECK, "--corpus", "--workers", "1", "--only", "ranks_")),
    ]
    for folder in sorted(problems.glob("*/audit")) if problems else ():
        several = json.loads((folder / JOB_FILE).read_text()).get("world_size", 1)
        command = ("-m", "tests.judge.gpu_problems", "run", str(problems), folder.parent.name)
        found.append(Piece(f"problem {folder.parent.name}", several, command))
    entries = [
        entry
        for entry in corpus.chosen(corpus.ATTACKS + corpus.HONEST, [], "cuda")
        if entry.ranks == 1
    ]
    entries.sort(key=lambda entry: (entry.device != "cuda", entry.kind == "dos"))
    for at in range(0, len(entries), FILES_A_PIECE):
        words = " ".join(entry.name for entry in entries[at : at + FILES_A_PIECE])
        judged = (*CHECK, "--corpus", "--workers", "1", "--only", words)
        found.append(Piece(f"corpus {at // FILES_A_PIECE}", 1, judged))
    found.append(Piece("check, compiled", 1, (*CHECK, "--only", ".cu")))
    found.append(Piece("check, interpreted", 1, (*CHECK, "--without", ".cu")))
    found.append(Piece("field", 1, ("-m", "tests.judge.gpu_field")))
    return found


class Machine:
    """Pieces under way, and the GPUs that are free for others."""

    def __init__(self, gpus: int, logs: Path) -> None:
        self.gpus = gpus
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        self._free = visible.split(",") if visible else [str(at) for at in range(gpus)]
        self._logs = logs
        self._running: list[Running] = []

    def takes(self, piece: Piece) -> bool:
        return self._needs(piece) <= len(self._free)

    def _needs(self, piece: Piece) -> int:
        return self.gpus if piece.gpus == ALONE else piece.gpus

    def start(self, piece: Piece) -> None:
        need = self._needs(piece)
        held, self._free = self._free[:need], self._free[need:]
        visible = ",".join(held[:1] if piece.gpus == ALONE else held)
        environment = {"CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": str(ROOT)}
        with (self._logs / f"{piece.name.replace(' ', '-')}.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *piece.arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=ROOT,
                start_new_session=True,
            )
        self._running.append(Running(piece, process, tuple(held), time.monotonic()))

    def ended(self, deadline: float) -> list[Running]:
        """Those that have ended, of themselves or because their time was up."""
        found = []
        for item in self._running:
            late = time.monotonic() > min(deadline, item.began + item.piece.limit_s)
            if late and item.process.poll() is None:
                os.killpg(item.process.pid, signal.SIGKILL)
                item.process.wait()
            if item.process.poll() is not None:
                found.append(item)
                self._free = sorted([*self._free, *item.gpus])
        self._running = [item for item in self._running if item not in found]
        return found

    @property
    def busy(self) -> bool:
        return bool(self._running)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--problems", type=Path)
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument(
        "--only", default="", help="pieces whose name contains this or, after a comma, that"
    )
    options = parser.parse_args()
    import torch

    options.logs.mkdir(parents=True, exist_ok=True)
    machine = Machine(torch.cuda.device_count(), options.logs)
    words = options.only.split(",")
    wanted = [
        piece for piece in pieces(options.problems) if any(word in piece.name for word in words)
    ]
    waiting = [piece for piece in wanted if piece.gpus == ALONE or piece.gpus <= machine.gpus]
    more = len(wanted) - len(waiting)
    print(f"{len(waiting)} pieces on {machine.gpus} GPUs, {more} need more", flush=True)
    bad = more if options.only else 0
    began = time.monotonic()
    deadline = began + options.seconds
    while machine.busy or (waiting and time.monotonic() < deadline):
        for item in machine.ended(deadline):
            bad += item.process.returncode != 0
            print(f"{time.monotonic() - began:6.1f} s  {item.piece.name}: {item.process.returncode} "
                  f"after {time.monotonic() - item.began:.1f} s", flush=True)  # fmt: skip
        # Nobody overtakes a piece that needs several.
        while waiting and machine.takes(waiting[0]) and time.monotonic() < deadline:
            machine.start(waiting.pop(0))
        time.sleep(0.05)
    if waiting:
        print("never begun: " + ", ".join(piece.name for piece in waiting), flush=True)
    return 1 if bad or waiting else 0


if __name__ == "__main__":
    sys.exit(main())
