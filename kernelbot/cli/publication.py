"""Nothing is published whose check was not put to the test: what ``kernelbot up`` asks before it loads.

``checked.json`` of the installation, beside its problems and in the data folder, answers for what was
checked before; what it does not know is audited here, on the processor, and kept in the data folder. A
machine without torch publishes what another one has checked. The note that comes with files from
elsewhere counts for nothing: they would vouch for themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernelbot.checking import findings, ledger
from kernelbot.checking.findings import Level
from kernelbot.cli import problem_check
from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean, note
from kernelbot.config import Settings
from kernelbot.domain.problem import Problem
from kernelbot.errors import InvalidInput
from kernelbot.services.catalog import Catalog

OWN_FORM = "not checked: written for another platform"
UNCHECKED = "not checked: published so on request"


def tell_notes(catalog: Catalog) -> None:
    """What is right in the files and will surprise, on stderr."""
    for found in catalog.notes:
        note(f"Note: {clean(str(found))}")


def demand_checked(
    settings: Settings,
    catalog: Catalog,
    *,
    unchecked: bool,
    without_hanging: bool = False,
) -> dict[str, str]:
    """How each problem that gets a leaderboard was checked, in words.

    Raises InvalidInput for one whose check is vacuous, that hangs, or that cannot be checked here,
    unless ``unchecked`` is asked for. ``without_hanging`` leaves those that hang out instead.
    """
    tell_notes(catalog)
    named = {
        board.problem
        for competition in catalog.competitions.values()
        for board in competition.leaderboards
    }
    problems = [problem for name, problem in catalog.problems.items() if name in named]
    ledgers = [problem_check.known(folder) for folder in (settings.problems_dir, settings.data_dir)]
    words, missing = {}, []
    for problem in problems:
        entry = next(filter(None, (ledger.holds(entries, problem) for entries in ledgers)), None)
        if entry is not None:
            words[problem.name] = f"checked {entry.words}"
        elif problem.task is not None:
            words[problem.name] = OWN_FORM
        elif unchecked:
            words[problem.name] = UNCHECKED
        else:
            missing.append(problem)
    return words | _checked_now(settings, missing, without_hanging)


def _checked_now(
    settings: Settings, problems: Sequence[Problem], without_hanging: bool
) -> dict[str, str]:
    if not problems:
        return {}
    names = ", ".join(problem.name for problem in problems)
    note(
        "Checking, on the processor and with the cases for it, what is not known to refuse null "
        f"solutions: {clean(names)}."
    )
    try:
        audits = problem_check.audited(problems, "cpu", settings)
    except Declined:
        raise InvalidInput(
            f"{names}: nobody has checked this version, and this machine has no torch to do it. "
            "Run `kernelbot problem check DIR --record` on one that has, and put what it notes into "
            f"{settings.problems_dir / ledger.FILE}; or add --unchecked.",
            code="unchecked_problem",
        ) from None
    entries = problem_check.known(settings.data_dir)
    refusals = []
    words = {}
    for problem, audit in zip(problems, audits, strict=True):
        if audit.overdue and without_hanging:
            note(
                f"{clean(problem.name)} is left out, and its leaderboards are hidden until it can be "
                f"checked: {clean(audit.overdue)} Everything else starts."
            )
            continue
        found = findings.of_audit(audit)
        refused = [item.text for item in found if item.level is Level.REFUSED]
        refusals += [f"{problem.name}: {text}" for text in refused]
        if not refused:
            entries = ledger.with_entry(entries, problem, "cpu", audit.trials)
            words[problem.name] = f"checked {entries[problem.name].words}"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / ledger.FILE).write_text(ledger.written(entries))
    if refusals:
        lines = "\n".join(f"  {line}" for line in refusals)
        raise InvalidInput(
            f"Problems that must not be published:\n{lines}\n"
            "`kernelbot problem check DIR` says more; --unchecked publishes them all the same.",
            code="vacuous_problem",
        )
    return words
