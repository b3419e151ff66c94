"""What is known of problems before they are published: that their checks were put to the test, and what will
surprise. Nothing of a problem runs here; ``kernelbot problem check`` does that, in processes of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from kernelbot.checking import ledger
from kernelbot.config import Settings
from kernelbot.domain.problem import Problem
from kernelbot.services.catalog import Catalog


def known(root: Path) -> dict[str, ledger.Entry]:
    """What the ``checked.json`` of a folder of problems says."""
    try:
        return ledger.read((root / ledger.FILE).read_text())
    except (OSError, UnicodeDecodeError):
        return {}


def recorded(settings: Settings, problems: Collection[Problem]) -> dict[str, ledger.Entry]:
    """Of those that were checked just as they are, by their names, what this installation noted: beside its
    problems, or in its data folder. The note that comes with files from elsewhere counts for nothing."""
    ledgers = [known(folder) for folder in (settings.problems_dir, settings.data_dir)]
    found = {}
    for problem in problems:
        entry = next(filter(None, (ledger.holds(entries, problem) for entries in ledgers)), None)
        if entry is not None:
            found[problem.name] = entry
    return found


def posed(catalog: Catalog) -> list[Problem]:
    """The problems that get a leaderboard."""
    named = {
        board.problem
        for competition in catalog.competitions.values()
        for board in competition.leaderboards
    }
    return [problem for name, problem in catalog.problems.items() if name in named]


def surprises(catalog: Catalog, now: datetime | None = None) -> Iterator[str]:
    """What is right in the files and will surprise."""
    yield from map(str, catalog.notes)
    now = now or datetime.now(UTC)
    for name, competition in catalog.competitions.items():
        ends = [board.closes for board in competition.leaderboards]
        over = [end for end in ends if end is not None and end <= now]
        if ends and len(over) == len(ends):
            yield f"{name} was over at {max(over).isoformat()}: nobody can submit to it."
