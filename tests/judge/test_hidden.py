"""What ``hidden`` and ``deterministic`` of a problem demand of a submission, and what is told of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge import staging
from kernelbot.judge.protocol import Mode, Spent, Stage, VerdictKind, in_steps
from kernelbot.judge.referee import FAILED_HIDDEN, HIDDEN_STEP_S
from kernelbot.services.catalog import load_problem
from tests.judge.bench import LIMITS, Judged, a_job, judge
from tests.judge.bench import problem as judge_files
from tests.judge.test_run import wait_until

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


def judged(
    place: Path, body: str, mode: Mode, more: str = "", check_s: float = LIMITS.check_s
) -> Judged:
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
    limits = replace(LIMITS, check_s=check_s)
    return judge(directory, source, replace(job, limits=limits), posed.judge_files)


@pytest.mark.parametrize(
    ("at_hidden", "really"),
    [
        ("out[7] += 1", "wrong_answer"),
        ("return out[:5]", "wrong_answer"),
        ("raise ZeroDivisionError(n)", "crashed"),
        ("__import__('os')._exit(n % 100)", "crashed"),
        ("bytearray(64 << 30)", "out_of_memory"),
        ("__import__('time').sleep(600)", "timed_out"),
    ],
    ids=["wrong", "misshapen", "raise", "exit", "memory", "endless"],
)
def test_a_kernel_made_for_the_public_shapes_fails_in_a_hidden_case_in_one_way_only(
    tmp_path: Path, at_hidden: str, really: str
) -> None:
    body = f"a, b, out = data\nn = len(a)\nout.copy_(a + b)\nif 3000 < n < 4000: {at_hidden}\nreturn out"

    found = judged(
        tmp_path, body, Mode.RANKED, check_s=5 if really == "timed_out" else LIMITS.check_s
    )

    verdict = found.verdict
    assert (verdict.kind, verdict.message) == (VerdictKind.WRONG_ANSWER, FAILED_HIDDEN)
    assert [(case.spec, case.ok) for case in verdict.cases] == [
        ("n: 1000", True), ("hidden cases", False)
    ]  # fmt: skip
    assert verdict.cases[1].message == FAILED_HIDDEN
    assert verdict.log == ""
    assert [event["total"] for event in found.events if event["stage"] == "check"] == [0, 1, 0]
    # The operator is told what it was.
    assert really in verdict.fault, found.explanation
    assert re.search(r"n: 3\d\d\d", verdict.fault)


def test_interfering_with_the_judge_in_a_hidden_case_is_told_without_saying_how(
    tmp_path: Path,
) -> None:
    body = (
        "a, b, out = data\nout.copy_(a + b)\nif len(a) not in (1000, 20000): "
        "__import__('os').write(3, b'rubbish')\nreturn out"
    )
    verdict = judged(tmp_path, body, Mode.RANKED).verdict
    assert (verdict.kind, verdict.message) == (VerdictKind.DISQUALIFIED, FAILED_HIDDEN)
    assert (verdict.rule, verdict.evidence) == ("doorbell", "seen in a hidden case")


def test_hidden_cases_come_when_all_times_are_taken(tmp_path: Path) -> None:
    """Else a submission could tell what it met in them by the times of its next process."""
    body = (
        "import os, time\na, b, out = data\nif len(a) not in (1000, 20000): open('home/note', 'w').close()\n"
        "elif os.path.exists('home/note'): time.sleep(3)\nreturn out.copy_(a + b)"
    )
    found = judged(tmp_path, body, Mode.RANKED)
    assert found.verdict.passed, found.explanation
    assert found.verdict.stage is Stage.MEASURE
    assert found.verdict.measurements[0].ns < 1e9
    assert ("hidden cases", True) in [(case.spec, case.ok) for case in found.verdict.cases]


ADDING = "def custom_kernel(data):\n    return data[2].copy_(data[0] + data[1])\n"


STEPPING = """
import sys
from kernelbot.judge import __main__ as judge, referee
referee.HIDDEN_STEP_S = float(sys.argv.pop(1))
judge.end_with(judge.main)
"""


@contextlib.contextmanager
def at_hidden(
    directory: Path, source: str, step_s: float = HIDDEN_STEP_S, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A judge that has told its last event: only hidden cases are left to be checked."""
    job = a_job(Mode.RANKED, hidden_tests=({"n": 3500},), limits=replace(LIMITS, check_s=60))
    staging.stage(directory, job, judge_files("add"), source.encode())
    line = [sys.executable, "-c", STEPPING, str(step_s), "run", str(directory)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as judging:
        try:
            assert judging.stdout is not None
            for event in map(json.loads, judging.stdout):
                if (event["stage"], event["message"]) == ("measure", "finished"):
                    break
            yield judging
            assert judging.stdout.read() == ""
        finally:
            judging.kill()


def test_how_long_hidden_cases_and_what_they_left_take_shows_in_few_steps(tmp_path: Path) -> None:
    """Whoever watches a run sees when it ends: taking longer is a way to speak."""
    removing = tmp_path / "slow" / "rm"
    removing.parent.mkdir()
    removing.write_text(f'#!/bin/sh\nsleep 2.2\nexec {shutil.which("rm")} "$@"\n')
    removing.chmod(0o755)
    (tmp_path / "job").mkdir()
    path = f"{removing.parent}:{os.environ['PATH']}"
    with at_hidden(tmp_path / "job", ADDING, PATH=path) as judging:
        began = time.monotonic()
        judging.wait(60)
        took = time.monotonic() - began
    verdict = staging.read_verdict(tmp_path / "job")
    assert verdict.passed, verdict
    assert took > 3  # four seconds, of which a busy machine may have passed some before it is read
    assert verdict.spent.check_s < 2  # what it really took


def test_a_judge_that_is_cancelled_in_a_hidden_case_leaves_at_once(tmp_path: Path) -> None:
    source = ADDING.replace("(data):", "(data):\n    if len(data[0]) == 3500: while_waiting()")
    source += "def while_waiting():\n    import time\n    open('waiting', 'w').close()\n    time.sleep(600)\n"
    scratch, job = tmp_path / "scratch", tmp_path / "job"
    job.mkdir()
    scratch.mkdir()
    scratch.chmod(0o777)
    with at_hidden(job, source, step_s=3600, TMPDIR=str(scratch)) as judging:
        assert wait_until(lambda: any(scratch.glob("*/work/waiting")))
        judging.terminate()
        assert judging.wait(60) == 128 + signal.SIGTERM  # the next step is an hour


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, 0.0),
        (1e-9, 0.25),
        (0.2, 0.25),
        (0.25, 0.25),
        (0.26, 0.5),
        (0.9, 1.0),
        (1.01, 2.0),
        (60.0, 64.0),
        (32.0, 32.0),
        (32.00000000000001, 64.0),
    ],
)
def test_steps_are_powers_of_two(seconds: float, told: float) -> None:
    assert in_steps(seconds, 0.25) == told


def test_what_is_told_of_a_secret_runs_time_is_told_in_steps() -> None:
    exact = Spent(build_s=0.3, check_s=2.1, measure_s=0.0, wall_s=4.0, device_s=3.0)
    assert exact.in_steps() == Spent(
        build_s=1.0, check_s=4.0, measure_s=0.0, wall_s=4.0, device_s=4.0
    )


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
