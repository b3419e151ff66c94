"""Exit codes: a script knows what happened without reading a word. The table is in docs/cli.md."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    PASSED = 0
    REFUSED = 1  # by the server, by our own checks, or by the person asked
    USAGE = 2
    WRONG_ANSWER = 10
    BUILD_FAILED = 11
    CRASHED = 12
    TIMED_OUT = 13
    OUT_OF_MEMORY = 14
    DISQUALIFIED = 15
    CANCELLED = 16
    QUARANTINED = 17
    OUR_FAULT = 20
    UNREACHABLE = 21
    INTERRUPTED = 130


OF_VERDICT = {
    "passed": Exit.PASSED,
    "wrong_answer": Exit.WRONG_ANSWER,
    "build_failed": Exit.BUILD_FAILED,
    "crashed": Exit.CRASHED,
    "timed_out": Exit.TIMED_OUT,
    "out_of_memory": Exit.OUT_OF_MEMORY,
    "disqualified": Exit.DISQUALIFIED,
    "quarantined": Exit.QUARANTINED,
    "judge_failed": Exit.OUR_FAULT,
}


def of_run(run: Mapping[str, Any]) -> Exit:
    """Of a finished run as the API describes it."""
    if run["status"] == "cancelled":
        return Exit.CANCELLED
    return OF_VERDICT.get(run["verdict"], Exit.OUR_FAULT)


def of_submission(submission: Mapping[str, Any]) -> Exit:
    """Of the first run that did not pass; PASSED when all did."""
    codes = [of_run(run) for run in submission["runs"]]
    return next((code for code in codes if code is not Exit.PASSED), Exit.PASSED)
