"""The corpus: attacks and honest submissions, each a file that says what must become of it.

The first line says the verdict: ``# expect: wrong_answer`` (or ``//`` in C++). An attack may be
``expect: passed`` when it gains nothing: with ``at least: N ms``, the time that it tries to hide,
its measurement must show it; without, it would raise an error that begins with ``leak:``, which is
none where the part of a fence that it is up against (``behind: own-network``) is not to be had; nor need
an honest file pass without the part that it lives on. Other lines of the kind: ``mode`` (benchmark),
``problem`` (add), ``build seconds``, ``check seconds``, ``device: cuda`` for what needs a GPU, ``only: cpu`` for
what can run there alone, ``packages`` that it imports and without which it is left out, ``slow``. The class is the
first word of the name.

``python -m tests.judge.corpus [WORD ...]`` judges what has one of the words in its name, attacks
and honest ones, and prints the table of classes and verdicts; ``--device cuda`` does so on a GPU,
with the files that need one. It ends with 1 when an attack profits or an honest file is refused.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kernelbot.judge.protocol import Job, Mode, Parameter, Tolerance, Verdict, VerdictKind
from tests.judge.bench import HERE, LIMITS, SOON, Judged, a_job, judge, problem

SUFFIXES = (".py", ".cpp", ".cu")
LEAK = "leak:"
ADD = (
    Parameter(name="a", what="input", type="float32", entry=0),
    Parameter(name="b", what="input", type="float32", entry=1),
    Parameter(name="out", what="output", type="float32", entry=2),
    Parameter(name="n", what="numel", type="int64", entry=0),
)
IN_THE_FIELD: dict[str, Any] = {
    "style": "check",
    "tests": ({"size": 1000},),
    "benchmarks": ({"size": 20000},),
}
PROBLEMS: dict[str, dict[str, Any]] = {
    "add": {"native": ADD},
    "hidden": {"problem": "add", "hidden_tests": ({"n": 3001}, {"n": 3500})},
    "allreduce": {"world_size": 2, "tests": ({"n": 1000}, {"n": 1000}, {"n": 7})},
    "pair": {},
    "sorting": IN_THE_FIELD,
    "records": IN_THE_FIELD,
    "matmul": {
        "tests": ({"n": 64}, {"n": 256}),
        "benchmarks": ({"n": 256},),
        "tolerances": (Tolerance(rtol=1e-4, atol=1e-3),),
    },
    "large": {"problem": "add", "benchmarks": ({"n": 1 << 26},)},  # on a GPU
    "huge": {"problem": "add", "benchmarks": ({"n": 360_000_000},)},  # the same; more than 4 GiB
    "attention": {
        "tests": tuple({"heads": 2, "length": n, "width": 64} for n in (128, 256)),
        "benchmarks": ({"heads": 16, "length": 1024, "width": 64},),
        "tolerances": (Tolerance(rtol=2e-2, atol=2e-2),),
    },
    "product": {
        "problem": "matmul",
        "tests": ({"n": 64}, {"n": 256}),
        "benchmarks": ({"n": 3072},),
        "tolerances": (Tolerance(rtol=1e-3, atol=1e-2),),
    },
}


@dataclass(frozen=True)
class Entry:
    """One file of the corpus."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.name if self.path.suffix != ".py" else self.path.stem

    @property
    def kind(self) -> str:
        """The class of an attack."""
        return self.path.stem.partition("_")[0]

    @property
    def expected(self) -> tuple[VerdictKind, ...]:
        found = re.match(r"(?:#|//) expect: (.+)", self.text)
        assert found, f"{self.path} does not say what to expect"
        return tuple(VerdictKind(word) for word in found.group(1).split(" or "))

    @property
    def device(self) -> str:
        return self.header("device") or "cpu"

    @property
    def problem(self) -> str:
        return self.header("problem") or "add"

    @property
    def ranks(self) -> int:
        """How many devices it needs at once."""
        return int(PROBLEMS[self.problem].get("world_size", 1))

    @property
    def slow(self) -> bool:
        return bool(re.search(r"^(?:#|//) slow$", self.text, re.MULTILINE))

    @property
    def lacking(self) -> list[str]:
        """Packages that it imports and this machine has not got."""
        return [name for name in self.header("packages").split() if find_spec(name) is None]

    @property
    def floor_ns(self) -> float:
        return float(self.header("at least").removesuffix(" ms") or 0) * 1e6

    def header(self, name: str) -> str:
        found = re.search(rf"^(?:#|//) {name}: (.+)$", self.text, re.MULTILINE)
        return found.group(1) if found else ""

    def job(self, device: str) -> Job:
        limits = SOON if VerdictKind.TIMED_OUT in self.expected else LIMITS
        limits = replace(
            limits,
            build_s=float(self.header("build seconds") or limits.build_s),
            check_s=float(self.header("check seconds") or limits.check_s),
        )
        if device == "cuda":  # a CUDA context alone takes more, and starts slowly
            limits = replace(
                limits, memory_bytes=16 << 30, processes=4096, check_s=max(20.0, limits.check_s)
            )
        return a_job(
            Mode(self.header("mode") or "benchmark"),
            submission=f"submission{self.path.suffix}",
            limits=limits,
            device=device,
            **{"problem": self.problem, **PROBLEMS[self.problem]},
        )


@dataclass(frozen=True)
class Outcome:
    """What became of an entry."""

    entry: Entry
    judged: Judged
    device: str

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict

    @property
    def as_told(self) -> bool:
        # A leak that is no profit is one that nothing was promised against.
        return not self.profits and (self._leaked or self.verdict.kind in self.entry.expected)

    @property
    def profits(self) -> bool:
        """Whether a cheat got what it wanted: a pass, a time below its cost, a secret, a retry."""
        if self.verdict.kind is VerdictKind.JUDGE_FAILED or (self._leaked and self._promised):
            return True
        if not self.verdict.passed:
            return False
        return VerdictKind.PASSED not in self.entry.expected or self._too_fast

    @property
    def refused(self) -> bool:
        """Whether an honest file did not get what it was promised."""
        return not self.verdict.passed and self._promised

    @property
    def _promised(self) -> bool:
        """Whether the part of the fence is there that the attack tries to get past, or the honest file needs."""
        return self.entry.header("behind") in ("", *self.verdict.harness.fences)

    @property
    def _leaked(self) -> bool:
        return LEAK in self.verdict.message or LEAK in self.verdict.log

    @property
    def _too_fast(self) -> bool:
        # What the host does before a CUDA call is enqueued is no part of the call's time.
        if self.device != self.entry.device:
            return False
        return any(found.ns < self.entry.floor_ns for found in self.verdict.measurements)


def load(folder: str) -> list[Entry]:
    paths = sorted(path for path in (HERE / folder).iterdir() if path.suffix in SUFFIXES)
    return [Entry(path, path.read_text()) for path in paths]


ATTACKS = load("attacks")
HONEST = load("honest")


def run(entry: Entry, directory: Path, device: str = "cpu") -> Outcome:
    job = entry.job(device)
    return Outcome(entry, judge(directory, entry.text, job, problem(job.problem), 600), device)


def run_all(entries: Iterable[Entry], device: str, workers: int) -> Iterable[Outcome]:
    """In processes, each with a judge of its own that serves one job at a time."""
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(_in_passing, entry, device) for entry in entries]
        for done in concurrent.futures.as_completed(waiting):
            yield done.result()


def _in_passing(entry: Entry, device: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run(entry, Path(folder), device)


def table(outcomes: Iterable[Outcome]) -> str:
    """Classes of attacks, how many, what was decided, how many profited; then the honest ones."""
    kinds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        honest = outcome.entry.path.parent.name == "honest"
        kinds.setdefault("honest" if honest else outcome.entry.kind, []).append(outcome)
    rows = ["| class | files | verdicts | profit |", "|---|---|---|---|"]
    for kind in sorted(kinds, key=lambda name: (name == "honest", name)):
        found = kinds[kind]
        counts = Counter(outcome.verdict.kind.value for outcome in found)
        verdicts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        bad = sum(o.refused if kind == "honest" else o.profits for o in found)
        rows.append(
            f"| {kind} | {len(found)} | {verdicts} | {bad} {'refused' * (kind == 'honest')} |"
        )
    return "\n".join(rows)


def chosen(entries: list[Entry], words: list[str], device: str, devices: int = 1) -> list[Entry]:
    fit = [entry for entry in entries if entry.device in ("cpu", device)]
    fit = [entry for entry in fit if device == "cpu" or entry.ranks <= devices]
    fit = [entry for entry in fit if entry.header("only") in ("", device)]
    fit = [entry for entry in fit if not entry.lacking]
    fit = [entry for entry in fit if entry.path.suffix != {"cpu": ".cu", "cuda": ".cpp"}[device]]
    return [entry for entry in fit if not words or any(word in entry.name for word in words)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.judge.corpus", description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    import torch

    outcomes, bad = [], 0
    devices = 1 if options.device == "cpu" else torch.cuda.device_count()
    picked = chosen(ATTACKS + HONEST, options.words, options.device, devices)
    for outcome in run_all(picked, options.device, options.workers):
        outcomes.append(outcome)
        attack = outcome.entry.path.parent.name == "attacks"
        wrong = outcome.profits if attack else outcome.refused
        bad += wrong
        mark = "BAD " if wrong else "ok  " if outcome.as_told else "else"
        times = ", ".join(f"{found.ns / 1e3:.1f} us" for found in outcome.verdict.measurements)
        print(f"{mark} {outcome.entry.name:34} {outcome.verdict.kind.value:13} {times}", flush=True)
        if wrong or not outcome.as_told:
            print("     " + outcome.judged.explanation[:1500].replace("\n", "\n     "), flush=True)
    print(table(outcomes))
    for entry in ATTACKS + HONEST:
        if options.device == entry.device and entry.lacking:
            print(f"left out: {entry.name}, for want of {', '.join(entry.lacking)}")
    print(f"{bad} attacks profit or honest submissions are refused")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
