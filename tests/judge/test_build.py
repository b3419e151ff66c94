"""What is said of an exception that ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.judge.build import no_memory
from kernelbot.judge.protocol import VerdictKind
from kernelbot.report import HEADLINES
from tests.judge.bench import judge

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
