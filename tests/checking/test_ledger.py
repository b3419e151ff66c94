"""``checked.json``: an entry holds for exactly the files it was made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.checking import ledger
from kernelbot.domain.problem import PROBLEM_FILE, Problem
from kernelbot.services.catalog import load_problem

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "problems").glob(f"*/{PROBLEM_FILE}"))


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem(ROOT / "problems" / "vectoradd")


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("reference.py", False),
        ("problem.yaml", False),
        ("statement.md", True),
        ("examples/correct_slow.py", True),
    ],
)
def test_what_the_check_depends_on_ends_an_entry(problem: Problem, path: str, holds: bool) -> None:
    entries = ledger.with_entry({}, problem, "cpu", 100)

    changed = replace(problem, files={**problem.files, path: problem.files[path] + b"\n# more"})

    assert (ledger.holds(entries, changed) is not None) is holds


def test_devices_add_up_and_go_with_the_version(problem: Problem) -> None:
    once = ledger.with_entry({}, problem, "cpu", 100)
    both = ledger.with_entry(once, problem, "cuda", 90)
    changed = replace(problem, files={**problem.files, "reference.py": b"new"})

    assert both["vectoradd"].words == "on cpu and cuda, 100 null solutions refused"
    assert ledger.with_entry(both, changed, "cuda", 80)["vectoradd"].devices == ("cuda",)


def test_what_is_written_is_read_back(problem: Problem) -> None:
    entries = ledger.with_entry({}, problem, "cpu", 100)

    assert ledger.read(ledger.written(entries)) == entries


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checked": 3}', '{"checked": {"a": {}}}'])
def test_a_file_that_is_none_says_nothing(text: str) -> None:
    assert ledger.read(text) == {}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_every_shipped_problem_was_checked_as_it_is(path: Path) -> None:
    entries = ledger.read((ROOT / "problems" / ledger.FILE).read_text())

    found = ledger.holds(entries, load_problem(path.parent))

    assert found, "run: kernelbot problem check problems/* --no-examples --record"
