"""Hints point a reviewer at lines; honest code raises few of them, and none changes a verdict."""

from __future__ import annotations

import time

import pytest

from kernelbot.judge.hints import LONGEST, find, find_in_time
from tests.judge.corpus import HONEST

FOR_INTEREST = {"library-only"}
"""Says something about every submission of a kind, cheats or not."""


def rules(source: str, name: str = "submission.py") -> list[tuple[int, str]]:
    return [
        (hint.line, hint.rule)
        for hint in find(source.encode(), name)
        if hint.rule not in FOR_INTEREST
    ]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import torch\ntorch.cuda.Event = Fake", "patches"),
        ("import time as t\nt.perf_counter = slow", "patches"),
        ("import torch\nsetattr(torch, 'allclose', yes)", "patches"),
        ("def f(): pass\nf.__code__ = g.__code__", "patches"),
        ("import gc\nfor thing in gc.get_objects(): pass", "walks"),
        ("import sys\nframe = sys._getframe(1)", "walks"),
        ("x = 1\nopen('/proc/self/maps')", "process-files"),
        ("import ctypes\ncuda = ctypes.CDLL('libcuda.so.1')", "driver"),
        ("bank = {}\nhit = bank[a.data_ptr()]", "pointer-cache"),
        ("bank = {}\nhit = (a.data_ptr(), b.data_ptr()) in bank", "pointer-cache"),
        ("import os\nwhere = os.path.dirname(__file__)", "neighbours"),
        ("import os\nos.environ['X']", "environment"),
        (
            "import threading\ndef custom_kernel(data): threading.Thread(target=f).start()",
            "helpers",
        ),
        ("import torch\nside = torch.cuda.Stream()", "stream-not-joined"),
        ("def custom_kernel(data):\n    return data[0].half()", "precision"),
        ("import torch\ndef custom_kernel(data): return data[0].to(torch.bfloat16)", "precision"),
        ("bank = {}\ndef custom_kernel(data): return bank[data[0].shape]", "answer-kept"),
        ("calls = 0\ndef custom_kernel(data):\n    global calls\n    calls += 1", "call-counter"),
        ("import base64\nexec(base64.b64decode(b''))", "dynamic-code"),
        ("import torch\nclass Later(torch.Tensor): pass", "lazy"),
        ("x = 1\nｙ = 2", "unusual-text"),
        ("x = 1\ny = '\u202e'", "unusual-text"),
        ("# -*- coding: utf-7 -*-\nx = 1", "unusual-text"),
    ],
)
def test_what_cheats_have_done_is_pointed_out_with_its_line(source: str, rule: str) -> None:
    found = rules(source)
    assert rule in {name for _, name in found}
    assert {line for line, name in found if name == rule} <= {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ('__asm__(".incbin \\"secret\\"");', "embeds"),
        ("__attribute__((constructor)) void early() {}", "constructor"),
        ("cudaStreamCreate(&side);", "stream-not-joined"),
        ("std::unordered_map<const float*, float*> bank;", "pointer-cache"),
        ("cudaEventRecord(start, stream);", "events"),
    ],
)
def test_native_code_is_read_too(source: str, rule: str) -> None:
    assert rules(f"// first\n{source}\n", "submission.cu") == [(2, rule)]


def test_native_code_inside_python_is_pointed_out_at_its_own_line() -> None:
    source = 'import torch\ncuda = r"""\n#include <x>\nvoid f() { getenv("A"); }\n"""\n'
    assert rules(source) == [(4, "environment")]


def test_words_in_comments_and_strings_raise_no_hint() -> None:
    source = "# gc.get_objects, torch.cuda.Stream, /proc/self\nnote = 'sys._getframe in a stream'\n"
    assert rules(source) == []
    assert rules("// cudaEventRecord\n/* getenv(1)\n dlopen( */\nint x;\n", "a.cu") == []


@pytest.mark.parametrize(
    "source",
    ["def broken(:", "x = " + "(" * 5000, "x" * 5_000_000, "\0", "a" + ".b" * 20_000, "\ud800x"],
    ids=["syntax", "nesting", "size", "nul", "chain", "surrogate"],
)
def test_no_file_upsets_the_reader(source: str) -> None:
    assert isinstance(find(source.encode("utf-8", "surrogatepass"), "submission.py"), tuple)


def test_comments_that_are_never_closed_are_read_once() -> None:
    assert find(b"/* " * 300_000, "submission.cu") == ()


def test_a_source_that_keeps_its_reader_busy_is_read_no_longer_than_it_may() -> None:
    """Each of these is looked through again from every level that it is in."""
    nested = ("x.to(" * 150 + ")" * 150 + "\n") * 1000
    began = time.monotonic()
    (hint,) = find_in_time(nested.encode(), "submission.py", limit_s=1)
    assert time.monotonic() - began < 60  # of minutes
    assert (hint.rule, hint.line) == ("unusual-text", 1)
    assert len(hint.text) <= LONGEST


def test_reading_aside_finds_the_same() -> None:
    source = b"import gc\ngc.get_objects()  # \xff\n"
    assert find_in_time(source, "submission.py", limit_s=60) == find(source, "submission.py") != ()


def test_a_hint_is_short_and_printable() -> None:
    (hint,) = find(b"import gc\ngc.get_objects()  # \x1b[31m" + b"x" * 500, "submission.py")
    assert len(hint.text) <= 160
    assert hint.text.isprintable()


def test_few_honest_submissions_raise_a_hint() -> None:
    hinted = [entry.name for entry in HONEST if rules(entry.text, entry.path.name)]
    # Many of these files are there because what they do is unusual.
    assert len(hinted) <= len(HONEST) // 6, hinted
