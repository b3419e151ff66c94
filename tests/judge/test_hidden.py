"""What ``hidden`` and ``deterministic`` of a problem demand of a submission, and what is told of it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services.catalog import load_problem
from tests.judge.bench import LIMITS, Judged, judge
from tests.judge.bench import problem as judge_files

DEFINITION = """\
name: add
title: Add
languages: [python]
tests: [{n: 1000}]
benchmarks: [{n: 20000}]
hidden:
  - {n: {from: 3001, to: 3999}, count: 2}
tolerance: {rtol: 1e-5, atol: 1e-6}
contestant_files: [task.py]
"""


def judged(place: Path, body: str, mode: Mode, more: str = "") -> Judged:
    """Judge a kernel that does ``body`` and adds, by the problem as it is loaded from its folder."""
    folder = place / "add"
    folder.mkdir()
    for name, content in judge_files("add").items():
        (folder / name).write_bytes(content)
    (folder / "problem.yaml").write_text(DEFINITION + more)
    (folder / "statement.md").write_text("Add.\n")
    posed = load_problem(folder)
    job = posed.job(run_id="run-1", mode=mode, device="cpu")
    source = f"calls = 0\ndef custom_kernel(data):\n{textwrap.indent(body, '    ')}\n"
    directory = place / "job"
    directory.mkdir()
    return judge(directory, source, replace(job, limits=LIMITS), posed.judge_files)


@pytest.mark.parametrize(
    ("at_hidden", "kind"),
    [
        ("out[7] += 1", VerdictKind.WRONG_ANSWER),
        ("return out[:5]", VerdictKind.WRONG_ANSWER),
        ("raise ZeroDivisionError(n)", VerdictKind.CRASHED),
    ],
    ids=["wrong", "misshapen", "crash"],
)
def test_a_kernel_made_for_the_public_shapes_fails_in_a_hidden_case_that_nobody_is_told(
    tmp_path: Path, at_hidden: str, kind: VerdictKind
) -> None:
    body = f"a, b, out = data\nn = len(a)\nout.copy_(a + b)\nif 3000 < n < 4000: {at_hidden}\nreturn out"

    found = judged(tmp_path, body, Mode.RANKED)

    said = "the output is wrong." if kind is VerdictKind.WRONG_ANSWER else "the program failed."
    assert found.verdict.kind is kind, found.explanation
    assert found.verdict.message == f"Test 1 (a hidden case): {said}"
    assert [case.spec for case in found.verdict.cases] == ["n: 1000", "a hidden case"]
    assert found.verdict.cases[1].message == said
    assert found.verdict.log == ""


def test_outside_ranked_runs_hidden_cases_are_not_there(tmp_path: Path) -> None:
    body = "a, b, out = data\nassert len(a) == 1000\nreturn out.copy_(a + b)"

    found = judged(tmp_path, body, Mode.TEST)

    assert found.verdict.passed, found.explanation
    assert [case.spec for case in found.verdict.cases] == ["n: 1000"]


def test_an_answer_within_the_tolerance_that_changes_from_call_to_call_is_wrong_if_bits_must_agree(
    tmp_path: Path,
) -> None:
    body = (
        "global calls\ncalls += 1\na, b, out = data\nreturn out.copy_((a + b) * (1 + 1e-6 * calls))"
    )
    for name, more, kind in (
        ("tolerant", "", VerdictKind.PASSED),
        ("strict", "deterministic: true\n", VerdictKind.WRONG_ANSWER),
    ):
        place = tmp_path / name
        place.mkdir()
        found = judged(place, body, Mode.TEST, more)
        assert found.verdict.kind is kind, found.explanation
    assert "differs between two calls on the same input, bit for bit" in found.verdict.message
