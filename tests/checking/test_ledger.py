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


TASK = {
    "task.yml": """\
lang: py
description: Leave it as it is.
files: [{name: submission.py, source: "@SUBMISSION@"}, {name: reference.py, source: reference.py},
        {name: eval.py, source: eval.py}]
config: {main: eval.py}
tests: [{size: 64, seed: 1}]
benchmarks: [{size: 128, seed: 2}]
""",
    "reference.py": """\
def generate_input(size, seed): ...
def ref_kernel(data): ...
def check_implementation(data, output): ...
""",
    "eval.py": "from submission import custom_kernel\n",
}


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


def test_a_task_of_the_field_is_sealed_with_what_its_own_file_says(tmp_path: Path) -> None:
    for name, content in TASK.items():
        (tmp_path / name).write_text(content)
    problem = load_problem(tmp_path)
    entries = ledger.with_entry({}, problem, "cpu", 100)
    (tmp_path / "task.yml").write_text(TASK["task.yml"].replace("size: 64", "size: 32"))

    assert ledger.holds(entries, problem) is not None
    assert ledger.holds(entries, load_problem(tmp_path)) is None


def test_devices_add_up_and_go_with_the_version(problem: Problem) -> None:
    once = ledger.with_entry({}, problem, "cpu", 100)
    both = ledger.with_entry(once, problem, "cuda", 90)
    changed = replace(problem, files={**problem.files, "reference.py": b"new"})

    refused = "100 null solutions refused"
    assert once["vectoradd"].words == f"checked on cpu, {refused}; not checked on a GPU"
    assert both["vectoradd"].words == f"checked on cpu and cuda, {refused}"
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

    assert found, "run: kernelbot problem check problems/* --record"
