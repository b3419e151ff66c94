"""``kernelbot problem check``: audit, examples, findings; and ``checked.json``."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kernelbot.checking import findings, ledger
from kernelbot.checking.findings import Audit, CaseAudit, Finding, Level, Outcome
from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean
from kernelbot.cli.warm_judge import WarmJudge
from kernelbot.config import Settings
from kernelbot.domain import imports, roofline
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.peaks import Peaks, by_gpu, of_device
from kernelbot.domain.problem import DeviceKind, Example, Problem
from kernelbot.judge import staging
from kernelbot.judge.protocol import Mode, Verdict, VerdictKind
from kernelbot.services import checks
from kernelbot.services.catalog import BESIDE_PROBLEMS, load_problem, root_of
from kernelbot.services.devices import load_devices

DEFINITIONS = ("problem.yaml", "task.yml")
NO_GPU = "torch sees none here"
"""How the fault of every case ends on a machine without one."""


@dataclass(frozen=True)
class Light:
    """The speed of light of a problem's benchmarks, and the device at hand."""

    peaks: Peaks | None = None  # of the device; None: unknown, or a processor
    reference: tuple[str, ...] = ()  # where the reference stands, of each benchmark
    models: tuple[str, ...] = ()
    seconds: tuple[tuple[float | None, ...], ...] = ()  # by benchmark, then by model


@dataclass
class Checked:
    """A folder and everything that was found about it."""

    folder: Path
    problem: Problem | None = None
    errors: DefinitionErrors | None = None
    audit: Audit | None = None
    light: Light = Light()
    outcomes: list[Outcome] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def fit(self) -> bool:
        return self.errors is None and findings.publishable(self.findings)

    @property
    def devices(self) -> tuple[str, ...]:
        """Where this version was tested: here, and what was noted before."""
        if self.problem is None or self.audit is None or not self.audit.tried:
            return ()
        noted = ledger.holds(checks.known(root_of(self.folder)), self.problem)
        found = {self.audit.device, *(noted.devices if noted else ())}
        return tuple(name for name in ledger.DEVICES if name in found)

    @property
    def untested(self) -> str:
        """Why nobody can say whether the check of a fit problem takes what is not computed, at least on
        some of its cases."""
        return (self.audit.untested or self.audit.gap) if self.audit else ""


def check(folders: Sequence[Path], device: DeviceKind, *, examples: bool) -> list[Checked]:
    """What there is to find in each folder. Shows progress on stderr.

    ``problems/*`` may be said: what lies between the problems is left out. So may the file in a folder.
    """
    folders = [path.parent if path.name in DEFINITIONS else path for path in folders]
    checked = [_loaded(folder) for folder in folders if not _beside_problems(folder)]
    if not checked:
        raise Declined("None of these is a folder with a problem.", code="no_problem")
    loaded = [(item, item.problem) for item in checked if item.problem is not None]
    audits = audited([problem for _, problem in loaded], device)
    if any(case.fault.endswith(NO_GPU) for audit in audits for case in audit.cases):
        raise Declined(
            "`--device cuda` takes a GPU, and torch sees none on this machine. Nothing was checked.",
            code="no_gpu",
        )
    for (item, problem), audit in zip(loaded, audits, strict=True):
        item.audit = audit
        item.findings += [Finding(level=Level.NOTE, text=str(note)) for note in problem.notes]
        item.findings += _missing_packages(problem) + _foreign_imports(problem)
        item.findings += findings.of_audit(audit)
        item.light = light_of(problem, device, audit)
    if examples and loaded:
        with WarmJudge(device) as judge, _progress() as say:
            for item, problem in loaded:
                if problem.task is not None:  # the field ships none
                    continue
                for example in problem.examples_on(device):
                    say(f"{problem.name}: judging {example.path}")
                    verdict = judge(problem, example.path, Mode.RANKED, item.light.peaks)
                    item.outcomes.append(outcome_of(problem, example, verdict, item.light.peaks))
                item.findings += findings.of_examples(item.outcomes, problem.limits_on(device))
    order = list(Level)
    for item in checked:
        item.findings.sort(key=lambda finding: order.index(finding.level))
    return checked


def _missing_packages(problem: Problem) -> list[Finding]:
    """What the problem promises to submissions and this machine, judging it, would not keep."""
    return [
        Finding(
            level=Level.WARNING,
            text=f"Submissions may rely on the package {name!r}, and it cannot be imported here. "
            "Install it wherever the problem is judged, or take it out of 'packages'.",
        )
        for name in problem.packages
        if importlib.util.find_spec(name) is None
    ]


def _foreign_imports(problem: Problem) -> list[Finding]:
    """Examples that must pass and would not be taken, for what they import."""
    offered = (*problem.packages, *imports.modules(problem.contestant_files))
    return [
        Finding(
            level=Level.WARNING,
            text=f"{example.path}, line {line}: imports {name!r}, which is not among 'packages', so such a file "
            "is not taken where the problem is published.",
        )
        for example in problem.examples
        if problem.packages
        and example.path.endswith(".py")
        and example.expect is VerdictKind.PASSED
        for line, name in imports.foreign(problem.files[example.path].decode(), offered)
    ]


def _beside_problems(path: Path) -> bool:
    return path.is_file() or (path.name in BESIDE_PROBLEMS and path.is_dir())


def _loaded(folder: Path) -> Checked:
    try:
        return Checked(folder, problem=load_problem(folder))
    except DefinitionErrors as errors:
        return Checked(folder, errors=errors)


# --- the audit ---------------------------------------------------------------------------------


def audited(
    problems: Sequence[Problem],
    device: DeviceKind,
    settings: Settings | None = None,
    budget_s: float = math.inf,
) -> list[Audit]:
    """The audit of each problem, in processes of their own. Raises Declined without torch.

    ``budget_s`` is for all cases of a task of the field together: they are made for GPUs alone.
    """
    patience_s = (settings or Settings()).check_patience_s
    auditable = [problem for problem in problems if not untested(problem)]
    found = iter(_audited(auditable, device, patience_s, budget_s) if auditable else ())
    return [
        _unaudited(problem, device, why) if (why := untested(problem)) else next(found)
        for problem in problems
    ]


def untested(problem: Problem) -> str:
    """Why the check of a problem cannot be asked here apart from a run; empty if it can."""
    if problem.task is None:
        return ""
    if problem.task.self_evaluated:
        return "the folder's own program decides, and only about whole submissions"
    missing = [name for name in problem.task.needs if importlib.util.find_spec(name) is None]
    if missing:
        return (
            f"its files import {' and '.join(map(repr, missing))}, which this machine has not got"
        )
    return ""


def _unaudited(problem: Problem, device: DeviceKind, why: str) -> Audit:
    return Audit(
        problem=problem.name, device=device, device_name="", torch="", own_check=True,
        seeded=False, untested=why,
    )  # fmt: skip


def _audited(
    problems: Sequence[Problem], device: DeviceKind, patience_s: float, budget_s: float
) -> list[Audit]:
    with tempfile.TemporaryDirectory(prefix="kernelbot-check-") as place:
        folders = []
        for at, problem in enumerate(problems):
            folder = Path(place, str(at))
            folder.mkdir()
            job = problem.job_to_try(device)
            staging.stage(folder, job, problem.judge_files, b"")
            folders.append(folder)
        errors = _run(folders, patience_s, budget_s)
        return [
            read_audit(folder, problem, device, errors)
            for folder, problem in zip(folders, problems, strict=True)
        ]


def _run(folders: Sequence[Path], *seconds: float) -> str:
    """What the auditing processes wrote to stderr."""
    with tempfile.TemporaryFile("w+b") as errors, _process(folders, errors, *seconds) as process:
        assert process.stdout is not None
        with _progress() as say:
            for line in process.stdout:
                say(_words(line))
        process.wait()
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if process.returncode and "No module named 'torch'" in text:
        raise Declined("Checking a problem takes torch, which is not installed.", code="no_torch")
    return text


@contextmanager
def _process(
    folders: Sequence[Path], errors: Any, *seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelbot.checking", *map(str, seconds), *map(str, folders)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=staging.environment(os.environ),
        cwd="/",
        start_new_session=True,  # so that all of it can be ended
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says what is being done, on a line that is gone afterwards; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda words: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("starting") as status:
        yield lambda words: status.update(Text(clean(words)))


def _words(line: bytes) -> str:
    try:
        said = json.loads(line)
        return f"{said['problem']}: {said['where']}, {said['done'] + 1} of {said['total']}"
    except (ValueError, KeyError, TypeError):
        return "auditing"


def read_audit(folder: Path, problem: Problem, device: DeviceKind, errors: str) -> Audit:
    """The audit that a process left; ``errors`` is what it wrote, should it have left none."""
    if (audit := _written(folder / findings.AUDIT_FILE)) is not None:
        return audit
    before = _written(folder / findings.SO_FAR_FILE)
    if before is not None and before.as_given:  # too large for this machine, as far as one can tell
        return replace(before, left_for="ended the process that tried them")
    last = errors.strip().splitlines()[-1:] or ["it was killed"]
    case = CaseAudit(
        where=("reference.py",), spec="",
        fault=f"the process that ran it ended without a word: {last[0][:300]}",
    )  # fmt: skip
    return Audit(
        problem=problem.name, device=device, device_name="", torch="", own_check=False,
        seeded=True, cases=(case,),
    )  # fmt: skip


def _written(file: Path) -> Audit | None:
    try:
        return findings.read(file.read_bytes())
    except (OSError, ValueError):
        return None


# --- the speed of light ------------------------------------------------------------------------


def light_of(problem: Problem, device: DeviceKind, audit: Audit) -> Light:
    known = load_devices(Settings().devices_file)
    peaks = None if device == "cpu" else of_device(known, audit.device_name)
    models = (peaks,) if peaks else by_gpu(known)
    bounds = [problem.bounds("cuda", model) for model in models]
    seconds = [
        tuple(None if bound is None else bound.seconds for bound in row)
        for row in zip(*bounds, strict=True)
    ]
    by_case = {place: case for case in audit.cases for place in case.where if not case.fault}
    timed = [by_case.get(f"benchmarks[{at}]") for at in range(len(problem.cases(device)[1]))]
    times = [case.reference_s if case else 0.0 for case in timed]
    return Light(
        peaks=peaks,
        reference=_positions(problem, peaks, times),
        models=tuple(model.name for model in models),
        seconds=tuple(seconds),
    )


def _positions(problem: Problem, peaks: Peaks | None, times_s: Sequence[float]) -> tuple[str, ...]:
    """Where times of the benchmarks stand under the roof of a GPU, in words; none without one."""
    work = problem.work("cuda")
    if peaks is None or not len(times_s) == len(problem.benchmarks) == len(work):
        return ()
    found = [
        roofline.position(least, peaks, seconds)
        for least, seconds in zip(work, times_s, strict=True)
    ]
    return tuple("" if item is None else item.text for item in found)


# --- the examples ------------------------------------------------------------------------------


def outcome_of(
    problem: Problem, example: Example, verdict: Verdict, peaks: Peaks | None
) -> Outcome:
    """What a verdict says about one of the problem's own submissions."""
    times_ns = tuple(item.ns for item in verdict.measurements)
    return Outcome(
        path=example.path,
        expect=example.expect.value,
        got=verdict.kind.value,
        message=verdict.fault.strip().splitlines()[-1][:300] if verdict.fault else verdict.message,
        seconds=verdict.spent.wall_s,
        build_s=verdict.spent.build_s,
        check_s=verdict.spent.check_s,
        measure_s=verdict.spent.measure_s,
        times_ns=times_ns,
        light=_positions(problem, peaks, [ns * 1e-9 for ns in times_ns]),
    )


# --- checked.json ------------------------------------------------------------------------------


def demand_whole(*, examples: bool) -> None:
    """Before anything is checked: what is noted is taken for a problem whose examples were judged too."""
    if not examples:
        raise Declined(
            "`--record` notes that a problem was checked whole, and `--no-examples` leaves out whether its "
            "examples get their verdicts. Leave one of the two out. Nothing was checked.",
            code="not_whole",
        )


def record(checked: Sequence[Checked], device: DeviceKind) -> list[Path]:
    """Note what was tested and is fit in the ``checked.json`` of each tree of problems; the files
    written."""
    by_root: dict[Path, list[Checked]] = {}
    for item in checked:
        if item.fit and not item.untested:
            by_root.setdefault(root_of(item.folder), []).append(item)
    for root, items in by_root.items():
        entries: Mapping[str, ledger.Entry] = checks.known(root)
        for item in items:
            assert item.problem is not None
            assert item.audit is not None
            entries = ledger.with_entry(entries, item.problem, device, item.audit.trials)
        (root / ledger.FILE).write_text(ledger.written(entries))
    return [root / ledger.FILE for root in by_root]
