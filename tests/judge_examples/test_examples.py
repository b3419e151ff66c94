"""Every example submission in ``problems/`` gets the verdict that its first line promises.

Each is judged as ranked, which checks, measures and hides the most, by the real judge on the CPU.
"""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from kernelbot.domain.problem import Example, Problem
from kernelbot.judge.protocol import Mode, Verdict, VerdictKind
from kernelbot.judge.staging import command, read_verdict, stage
from kernelbot.services.catalog import load_problem

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = {
    folder.parent.name: load_problem(folder.parent, shown=f"problems/{folder.parent.name}")
    for folder in sorted((ROOT / "problems").glob("*/problem.yaml"))
}
EXAMPLES = [
    pytest.param(problem, example, id=f"{problem.name}/{Path(example.path).name}")
    for problem in PROBLEMS.values()
    for example in problem.examples
    if example.device != "cuda"
]


def judge(problem: Problem, path: str, directory: Path, mode: Mode) -> Verdict:
    """The judge's verdict about one of the problem's files, on the CPU."""
    job = problem.job(run_id="example", mode=mode, device="cpu", submission_name=Path(path).name)
    stage(directory, job, problem.judge_files, problem.files[path])
    done = subprocess.run(
        command(directory),
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return read_verdict(directory, "example")


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
    problem: Problem, example: Example, tmp_path: Path
) -> None:
    verdict = judge(problem, example.path, tmp_path, Mode.RANKED)

    assert verdict.kind is example.expect, (verdict.message, verdict.fault, verdict.log)
    measured = len(problem.cpu_benchmarks) if verdict.kind is VerdictKind.PASSED else 0
    assert len(verdict.measurements) == measured


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_every_starter_is_one_of_the_correct_examples(problem: Problem) -> None:
    correct = {
        program(example.path, problem.files[example.path])
        for example in problem.examples
        if example.expect is VerdictKind.PASSED
    }

    assert set(problem.starters) == {"torch", "triton", "inline-cuda", "cuda", "cpp"}
    for name, path in problem.starters.items():
        assert program(path, problem.starter(name).encode()) in correct, name


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_ships_right_wrong_and_cheating_examples(problem: Problem) -> None:
    kinds = {Path(example.path).stem.split("_")[0] for example in problem.examples}

    assert {"correct", "wrong", "cheat"} <= kinds


def test_the_slow_vectoradd_is_measurably_slower_than_the_fast_one(tmp_path: Path) -> None:
    problem = PROBLEMS["vectoradd"]
    best = {}
    for name in ("correct_slow", "correct_fast"):
        (tmp_path / name).mkdir()
        verdict = judge(problem, f"examples/{name}.py", tmp_path / name, Mode.BENCHMARK)
        # The best time of the largest case: what a busy machine disturbs least.
        best[name] = verdict.measurements[-1].best_ns

    assert best["correct_slow"] > 2 * best["correct_fast"]
