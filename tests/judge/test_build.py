"""What is said of an exception that ends a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge import referee
from kernelbot.judge.build import no_memory, summary
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.report import HEADLINES
from tests.judge.bench import LIMITS, a_job, judge

WHERE = 'Traceback (most recent call last):\n  File "submission.py", line 3, in custom_kernel\n'


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total "
            "capacity of 139.80 GiB of which 1.50 GiB is free.",
            "the 20 GiB that it asked for",
        ),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 40000000000 bytes. Error code 12 (Cannot allocate memory)",
            "the 37.3 GiB that it asked for",
        ),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 PiB for an array with shape "
            "(1, 2) and data type float64",
            "the 8 PiB that it asked for",
        ),
        ("MemoryError", "what it asked for"),
        ("MemoryError: cudaErrorMemoryAllocation: out of memory", "what it asked for"),
        ("RuntimeError: CUDA error: out of memory", "what it asked for"),
        (f"MemoryError: tried to allocate {'9' * 400} bytes", "what it asked for"),
    ],
)
def test_a_lack_of_memory_is_one_sentence_that_says_how_much_and_where(
    said: str, told: str
) -> None:
    assert no_memory(WHERE + said) == f"No memory was left for {told} (submission.py, line 3)."
    assert no_memory(said) == f"No memory was left for {told}."


@pytest.mark.parametrize(
    "line",
    ["import torch; torch.ones(1 << 40)", "import numpy; numpy.ones(1 << 40)", "b'x' * (1 << 42)"],
)
def test_a_message_about_memory_does_not_repeat_its_headline(tmp_path: Path, line: str) -> None:
    verdict = judge(tmp_path, f"def custom_kernel(data):\n    {line}\n").verdict

    assert verdict.kind is VerdictKind.OUT_OF_MEMORY
    assert verdict.message.startswith("Test 0 (n: 1000): No memory was left for ")
    assert verdict.message.endswith(" it asked for (submission.py, line 2).")
    assert HEADLINES[verdict.kind].lower() not in verdict.message.lower()


def test_a_message_that_begins_on_a_line_of_its_own_is_told() -> None:
    traceback = """Traceback (most recent call last):
  File "submission.py", line 2, in <module>
RuntimeError:\x20
undefined value y:
  File "submission.py", line 4
"""
    assert summary("RuntimeError", traceback) == (
        "RuntimeError: undefined value y: (submission.py, line 4)"
    )


def test_a_group_of_exceptions_is_told_by_its_name() -> None:
    traceback = """  + Exception Group Traceback (most recent call last):
  |   File "submission.py", line 2, in custom_kernel
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +------------------------------------
"""
    assert summary("ExceptionGroup", traceback) == (
        "ExceptionGroup: several (2 sub-exceptions) (submission.py, line 2)"
    )


def test_an_exception_without_a_line_is_told_by_its_name() -> None:
    assert summary("KeyError", "") == "KeyError"


WHAT_TO_DO = [
    ("a, b, out = data; out.copy_(a + b)", "; what is written into a buffer has to be returned"),
    ("import os; os.abort()", " It aborted itself, "),
    ("a, b, out = data; out[1:] = a[1:] + b[1:]; return out", "; 1 element is as before the call"),
]


@pytest.mark.parametrize(("line", "advice"), WHAT_TO_DO)
def test_a_message_says_what_was_forgotten(tmp_path: Path, line: str, advice: str) -> None:
    verdict = judge(tmp_path, f"def custom_kernel(data):\n    {line}\n").verdict

    assert not verdict.passed
    assert advice in verdict.message


def test_a_measured_process_has_as_long_to_build_as_the_checked_one(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(8)\ndef custom_kernel(data):\n    return data[0] + data[1]\n"
    job = a_job(Mode.RANKED, limits=replace(LIMITS, build_s=15.5))
    verdict = judge(tmp_path, slow, job).verdict

    assert verdict.passed, verdict.message
    assert verdict.spent.build_s > 16  # of both
    # There is no time for a second one.
    assert {found.processes for found in verdict.measurements} == {1}
    assert all(referee.FEWER in found.warnings for found in verdict.measurements)
