"""Job directories, verdict files, and the documents in them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.judge import referee, staging
from kernelbot.judge.protocol import (
    CaseResult,
    Event,
    Job,
    Measurement,
    Mode,
    ProtocolError,
    Stage,
    Verdict,
    VerdictKind,
    dump,
    load,
)
from tests.judge.bench import a_job

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(st.integers(), finite, st.booleans(), st.text())
cases = st.dictionaries(st.text(min_size=1), st.one_of(values, st.lists(values)), max_size=4)


@given(st.lists(cases, max_size=3), st.sampled_from(Mode), st.text())
def test_a_job_survives_its_document(tests: list[dict[str, Any]], mode: Mode, run_id: str) -> None:
    job = a_job(mode, tests=tuple(tests), run_id=run_id)
    assert load(Job, dump(job)) == job


@given(st.text(), st.text(), finite.filter(lambda x: x > 0))
def test_a_verdict_survives_its_document(message: str, log: str, ns: float) -> None:
    times = Measurement(
        ns=ns,
        low_ns=ns,
        high_ns=ns,
        stderr_ns=0.0,
        best_ns=ns,
        worst_ns=ns,
        samples=3,
        clock="host",
    )
    case = CaseResult(stage=Stage.MEASURE, index=0, spec="n: 1", ok=True, measurement=times)
    verdict = Verdict(kind=VerdictKind.PASSED, message=message, log=log, cases=(case,))
    assert load(Verdict, dump(verdict)) == verdict


@given(st.binary(max_size=300))
def test_any_bytes_are_a_verdict_or_a_protocol_error(content: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        load(Verdict, content)


@pytest.mark.parametrize(
    "text",
    ['{"kind": "passed", "extra": 1}', '{"kind": "won"}', "[]", "{}", '{"kind": "passed", "log": 3}',
     '{"kind": "passed", "protocol": 99}', '{"kind": "passed", "spent": {"wall_s": NaN}}'],
)  # fmt: skip
def test_a_verdict_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        load(Verdict, text)


def test_a_failed_verdict_cannot_carry_times() -> None:
    times = Measurement(
        ns=1, low_ns=1, high_ns=1, stderr_ns=0, best_ns=1, worst_ns=1, samples=1, clock="host"
    )
    case = CaseResult(stage=Stage.MEASURE, index=0, spec="", ok=True, measurement=times)
    with pytest.raises(ProtocolError, match="carries no times"):
        Verdict(kind=VerdictKind.CRASHED, cases=(case,))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.py", "a/../../x.py", "", "a\0b"])
def test_a_path_that_leaves_the_job_directory_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        staging.stage(tmp_path, a_job(), {name: b""}, b"")


def test_staging_writes_the_job_the_problem_and_the_submission(tmp_path: Path) -> None:
    staging.stage(tmp_path, a_job(), {"reference.py": b"x", "data/table.py": b"y"}, b"\xff")
    assert load(Job, (tmp_path / "job.json").read_bytes()) == a_job()
    assert (tmp_path / "problem/data/table.py").read_bytes() == b"y"
    assert (tmp_path / "submission/submission.py").read_bytes() == b"\xff"


def test_a_written_verdict_is_read_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    verdict = Verdict(kind=VerdictKind.PASSED, run_id="r", message="fine")
    referee.write_verdict(tmp_path, verdict)
    assert staging.read_verdict(tmp_path, "r") == verdict
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.json"]


@pytest.mark.parametrize("content", [None, "", "{", '{"kind": "passed", "run_id": "other"}'])
def test_no_readable_verdict_for_this_run_is_the_judges_fault(
    content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "verdict.json").write_text(content)
    verdict = staging.read_verdict(tmp_path, "mine")
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert verdict.run_id == "mine"
    assert verdict.fault


def test_events_that_nobody_reads_do_not_hold_the_judge() -> None:
    read, write = os.pipe()
    events = referee.Events(write)
    for _ in range(5000):
        events.emit(Event(kind="log", stage=Stage.BUILD, message="x" * 400))
    os.close(read)
    events.emit(Event(kind="log", stage=Stage.BUILD))
    os.close(write)


def test_what_was_judged_first_is_told_as_it_was_then(tmp_path: Path) -> None:
    first, own = tmp_path / "canary", tmp_path / "own"
    first.mkdir()
    own.mkdir()
    was = Verdict(kind=VerdictKind.WRONG_ANSWER, run_id="canary-of-7")
    forged = Verdict(kind=VerdictKind.PASSED, run_id="canary-of-7")
    referee.write_verdict(first, forged)

    # There is no job in it, so nobody is asked to judge anything.
    referee.run(own, referee.Events(None), None, first=referee.First(first, was))  # type: ignore[arg-type]

    assert staging.read_verdict(first) == was
    assert staging.read_verdict(own).kind is VerdictKind.JUDGE_FAILED
