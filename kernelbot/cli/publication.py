"""Nothing is published whose check was not put to the test: what ``kernelbot up`` asks before it loads.

``checked.json`` of the installation, beside its problems and in the data folder, answers for what was
checked before; what it does not know is audited here, on the processor, and kept in the data folder. A
machine without torch publishes what another one has checked. The note that comes with files from
elsewhere counts for nothing: they would vouch for themselves.

Tasks of the field are published also where they cannot be tried: they are made for GPUs, and nobody
here may change them. What was tried of them and refused nothing stops them like any other problem.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from kernelbot.checking import findings, ledger
from kernelbot.checking.findings import Finding, Level
from kernelbot.cli import problem_check
from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean, note
from kernelbot.config import Settings
from kernelbot.domain.problem import Problem
from kernelbot.errors import InvalidInput, did_you_mean
from kernelbot.services import checks
from kernelbot.services.catalog import Catalog

UNCHECKED = "not checked: published so on request"
MOST_TOLD = 3
"""Null solutions that a problem is known to take: one is enough to mend it."""


def tell_notes(catalog: Catalog, now: datetime | None = None) -> None:
    """What is right in the files and will surprise, on stderr."""
    for found in checks.surprises(catalog, now):
        note(f"Note: {clean(found)}")


def demand_checked(
    settings: Settings,
    catalog: Catalog,
    *,
    unchecked: bool,
    accepted: Collection[str] = (),
    without_hanging: bool = False,
) -> dict[str, str]:
    """How each problem that gets a leaderboard was checked, in words.

    Raises InvalidInput for one whose check is vacuous and that is not among the ``accepted``, that
    hangs, or that cannot be checked here, unless ``unchecked`` is asked for. ``without_hanging`` leaves
    those that hang out instead.
    """
    tell_notes(catalog)
    problems = checks.posed(catalog)
    _demand_known(accepted, [problem.name for problem in problems])
    recorded = checks.recorded(settings, problems)
    words, missing, wanted = {}, [], set(accepted)
    for problem in problems:
        entry = recorded.get(problem.name)
        if entry is not None and not _worth_another_try(entry):
            words[problem.name] = entry.words
            continue
        if entry is not None and entry.accepted:
            wanted.add(
                problem.name
            )  # for exactly these files, whatever more can be tried of them now
        if why := problem_check.untested(problem):
            words[problem.name] = _told(problem, f"not checked: {why}")
        elif unchecked:
            words[problem.name] = UNCHECKED
        else:
            missing.append(problem)
    return words | _checked_now(settings, missing, wanted, without_hanging)


def _demand_known(accepted: Collection[str], names: Collection[str]) -> None:
    for name in accepted:
        if name not in names:
            raise InvalidInput(
                f"--accept-vacuous {name}: no problem of this name gets a leaderboard."
                f"{did_you_mean(name, names)}",
                code="unknown_problem",
            )


def _worth_another_try(entry: ledger.Entry) -> bool:
    """Whether something was left for want of a GPU, and this machine seems to have one that torch can use: by its
    device nodes and torch's version, because asking torch would take seconds."""
    gpus = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return "a GPU" in entry.left and bool(gpus) and not _torch_knows_no_gpu()


def _torch_knows_no_gpu() -> bool:
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return True


def _told(problem: Problem, words: str) -> str:
    note(f"{clean(problem.name)}: {clean(words)}.")
    return words


def _checked_now(
    settings: Settings,
    problems: Sequence[Problem],
    accepted: Collection[str],
    without_hanging: bool,
) -> dict[str, str]:
    if not problems:
        return {}
    names = ", ".join(problem.name for problem in problems)
    note(
        "Checking, on the processor and with the cases for it, what is not known to refuse null "
        f"solutions: {clean(names)}."
    )
    try:
        budget_s = settings.check_patience_s
        audits = problem_check.audited(problems, "cpu", settings, budget_s)
    except Declined:
        own = ", ".join(problem.name for problem in problems if problem.task is None)
        if not own:
            without = "not checked: this machine has no torch"
            return {problem.name: _told(problem, without) for problem in problems}
        raise InvalidInput(
            f"{own}: nobody has checked this version, and this machine has no torch to do it. "
            "Run `kernelbot problem check DIR --record` on one that has, and put what it notes into "
            f"{settings.problems_dir / ledger.FILE}; or add --unchecked.",
            code="unchecked_problem",
        ) from None
    entries = checks.known(settings.data_dir)
    refusals = []
    words = {}
    for problem, audit in zip(problems, audits, strict=True):
        if audit.overdue and without_hanging:
            note(
                f"{clean(problem.name)} is left out, and its leaderboards are hidden until it can be "
                f"checked: {clean(audit.overdue)} Everything else starts."
            )
            continue
        refused = [item for item in findings.of_audit(audit) if item.level is Level.REFUSED]
        wanted = problem.name in accepted and all(item.vacuous for item in refused)
        if refused and not wanted:
            refusals += [f"{problem.name}: {text}" for text in _shortened(refused)]
            continue
        taken = [f"“{item.vacuous}”" for item in refused]
        entries = ledger.with_entry(
            entries, problem, "cpu", audit.trials, left=audit.gap,
            accepted=findings.some(taken, MOST_TOLD),
        )  # fmt: skip
        words[problem.name] = entries[problem.name].words
        if audit.gap or refused:
            _told(problem, words[problem.name])
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / ledger.FILE).write_text(ledger.written(entries))
    if refusals:
        lines = "\n".join(f"  {line}" for line in refusals)
        raise InvalidInput(
            f"Problems that must not be published:\n{lines}\n"
            "`kernelbot problem check DIR` says more. --accept-vacuous NAME publishes one all the same "
            "whose check is vacuous and nothing else, --unchecked all of them.",
            code="vacuous_problem",
        )
    return words


def _shortened(refused: Sequence[Finding]) -> list[str]:
    """Reasons to publish a problem not; of the null solutions that it takes the first few."""
    vacuous = [item.text for item in refused if item.vacuous]
    rest = [f"{len(vacuous) - MOST_TOLD} more null solutions are accepted."] * (
        len(vacuous) > MOST_TOLD
    )
    return [item.text for item in refused if not item.vacuous] + vacuous[:MOST_TOLD] + rest
