"""Every problem in ``problems/`` is fit to be published: its check refuses every null solution, and
every example, starters among them, gets the verdict that it promises.

They are judged as ranked, which checks, measures and hides the most, by the real judge on the CPU, which
measures briefly here; torch is imported once for all of them. Of a problem whose files `problem check --record` judged
exactly as they are (checked.json), a wrong and a cheating example are judged, and the torch starter on its tests; the others
and its times only in turn: each version of the judge tries those of another quarter of the problems, and the null solutions
of another eighth. KERNELBOT_TEST_EXAMPLES=all judges everything.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from kernelbot.checking import findings, ledger
from kernelbot.checking.findings import Level
from kernelbot.cli import problem_check
from kernelbot.cli.warm_judge import WarmJudge
from kernelbot.domain import directives
from kernelbot.domain.problem import Example, Problem
from kernelbot.judge import timing
from kernelbot.judge.protocol import Limits, Mode, VerdictKind, judge_digest
from kernelbot.services import checks
from kernelbot.services.catalog import load_problem

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = {
    folder.parent.name: load_problem(folder.parent, shown=f"problems/{folder.parent.name}")
    for folder in sorted((ROOT / "problems").glob("*/problem.yaml"))
}
ALWAYS = ("vectoradd",)
SLOW_TO_AUDIT = (
    "all-to-all", "attention", "causal-conv1d", "cholesky", "cross-entropy", "gated-delta-h", "gated-delta-o",
    "gated-delta-wu",
)  # fmt: skip
"""Problems whose null solutions have no turn: half of the time that all 34 take."""
TURNS = 4
AUDIT_TURNS = 8
RECORDED = checks.known(ROOT / "problems")


def judged_whole(problem: Problem) -> bool:
    """Whether all of the problem is judged here, and not only by whoever changes it."""
    if problem.name in ALWAYS or os.environ.get("KERNELBOT_TEST_EXAMPLES") == "all":
        return True
    entry = ledger.holds(RECORDED, problem)
    return entry is None or "cpu" not in entry.devices


def in_turn(problem: Problem, turns: int = TURNS) -> bool:
    """Whether this version of the judge tries all quick examples of the problem."""
    return sha256(f"{judge_digest()} {problem.name}".encode()).digest()[0] % turns == 0


def audited_here(problem: Problem) -> bool:
    quick = problem.name not in SLOW_TO_AUDIT
    return judged_whole(problem) or (quick and in_turn(problem, AUDIT_TURNS))


def due(problem: Problem, example: Example) -> bool:
    quick = example.path.endswith(".py") and "triton" not in example.path
    return judged_whole(problem) or (
        quick and (in_turn(problem) or example.path in first_of_each_kind(problem))
    )


def first_of_each_kind(problem: Problem) -> set[str]:
    paths = [example.path for example in problem.examples_on("cpu")]
    bad = [
        next(path for path in paths if Path(path).name.startswith(kind))
        for kind in ("wrong", "cheat")
    ]
    return {problem.starters["torch"], *bad}


EXAMPLES = [
    pytest.param(problem, example, id=f"{problem.name}/{Path(example.path).name}")
    for problem in PROBLEMS.values()
    for example in problem.examples_on("cpu")
    if due(problem, example)
]


SOON = Limits(build_s=5, check_s=5, measure_s=5)
"""For what never ends: when it is ended makes no other verdict of it."""


@pytest.fixture(scope="module")
def judge() -> Iterator[WarmJudge]:
    with WarmJudge("cpu", ("tests.judge_examples.briefly",)) as started:
        yield started


def program(path: str, source: bytes) -> str:
    """What a file does, without its comments and its docstring."""
    if not path.endswith(".py"):
        lines = source.decode().splitlines()
        return "\n".join(line for line in lines if line and not line.startswith("//"))
    tree = ast.parse(source)
    if ast.get_docstring(tree):
        tree.body = tree.body[1:]
    return ast.unparse(tree)


@pytest.mark.parametrize(("problem", "example"), EXAMPLES)
def test_an_example_gets_the_verdict_it_promises(
    problem: Problem, example: Example, judge: WarmJudge
) -> None:
    limits = SOON if example.expect is VerdictKind.TIMED_OUT else None
    passes = example.expect is VerdictKind.PASSED
    timed = not passes or judged_whole(problem) or in_turn(problem)
    verdict = judge(problem, example.path, Mode.RANKED if timed else Mode.TEST, limits=limits)

    assert verdict.kind is example.expect, (verdict.message, verdict.fault, verdict.log)
    measured = len(problem.cpu_benchmarks) if passes and timed else 0
    assert len(verdict.measurements) == measured
    assert all(found.samples >= timing.CPU_PLAN.min_samples for found in verdict.measurements)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_starter_passes_and_knows_its_leaderboard(problem: Problem) -> None:
    expected = {example.path: example.expect for example in problem.examples}

    assert "torch" in problem.starters
    assert len(problem.starters) > 1
    for name, path in problem.starters.items():
        assert expected[path] is VerdictKind.PASSED, name
        assert directives.parse(problem.starter(name)).leaderboard == problem.name, name


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_ships_two_right_examples_a_wrong_one_and_a_cheat(problem: Problem) -> None:
    right = [item for item in problem.examples_on("cpu") if item.expect is VerdictKind.PASSED]
    kinds = {Path(example.path).stem.split("_")[0] for example in problem.examples}

    assert len(right) > 1
    assert {"wrong", "cheat"} <= kinds


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_no_two_examples_are_the_same_program(problem: Problem) -> None:
    programs: dict[str, str] = {}
    for example in problem.examples:
        if example.expect is VerdictKind.PASSED:
            does = program(example.path, problem.files[example.path])
            assert programs.setdefault(does, example.path) == example.path


def test_every_problem_that_has_no_turn_is_there() -> None:
    assert set(SLOW_TO_AUDIT) <= set(PROBLEMS)


def test_no_null_solution_is_accepted_by_problems_that_are_new_always_tried_or_in_turn() -> None:
    audits = problem_check.audited(list(filter(audited_here, PROBLEMS.values())), "cpu")

    for audit in audits:
        told = [item.text for item in findings.of_audit(audit) if item.level is not Level.NOTE]
        assert told == [], audit.problem
        assert all(len(case.probes) > 8 for case in audit.cases), audit.problem


def test_the_slow_vectoradd_is_measurably_slower_than_the_starter() -> None:
    problem = PROBLEMS["vectoradd"]
    best = {}
    with WarmJudge("cpu") as judge:
        for path in ("examples/correct_slow.py", "starter/with_torch.py"):
            verdict = judge(problem, path, Mode.BENCHMARK)
            # The best time of the largest case: what a busy machine disturbs least.
            best[path] = verdict.measurements[-1].best_ns

    assert best["examples/correct_slow.py"] > 2 * best["starter/with_torch.py"]
