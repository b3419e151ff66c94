"""What a problem says about submissions in CUDA C++, HIP and C++, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelbot.domain import native
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.problem import Problem
from kernelbot.judge.native import DTYPES, VALUES
from kernelbot.judge.protocol import Job, Mode, Parameter, VerdictKind, dump, load
from kernelbot.services.catalog import load_problem

SPEC = """\
name: scale
title: Scale a vector
languages: [python, cuda, cpp]
tests: [{n: 16}]
benchmarks: [{n: 1024}]
native:
  x: const float32*
  scale: float64
  out: float32*
  n: x.shape[0]
  step: x.stride[0]
  all: out.numel
compile_flags:
  cuda: [-O2, -std=c++20]
"""
REFERENCE = """\
OUTPUTS = 1

def generate_input(*, seed, device, n): ...

def reference(data): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scale"
    (folder / "examples").mkdir(parents=True)
    (folder / "problem.yaml").write_text(SPEC)
    (folder / "reference.py").write_text(REFERENCE)
    (folder / "statement.md").write_text("# Scale\n")
    (folder / "examples" / "correct.cu").write_text("// expect: passed\n")
    (folder / "examples" / "wrong.cpp").write_text("//expect: wrong_answer\n")
    return folder


def problem(folder: Path) -> Problem:
    return load_problem(folder, shown="problems/scale")


def test_the_parameters_of_the_entry_point_are_read_in_order(folder: Path) -> None:
    assert problem(folder).native == (
        Parameter(name="x", what="input", type="float32", entry=0),
        Parameter(name="scale", what="value", type="float64", entry=1),
        Parameter(name="out", what="output", type="float32", entry=2),
        Parameter(name="n", what="shape", type="int64", entry=0, axis=0),
        Parameter(name="step", what="stride", type="int64", entry=0, axis=0),
        Parameter(name="all", what="numel", type="int64", entry=2),
    )


def test_a_job_has_the_entry_point_and_flags_of_its_language(folder: Path) -> None:
    def job(name: str) -> Job:
        return problem(folder).job(run_id="1", mode=Mode.TEST, device="cuda", submission_name=name)

    assert load(Job, dump(job("mine.cu"))) == job("mine.cu")
    assert job("mine.cu").native == problem(folder).native
    assert job("mine.cu").compile_flags == ("-O2", "-std=c++20")
    assert job("mine.cpp").compile_flags == ()
    assert job("mine.py").native == ()


@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("mine.cu", "mine.cu"),
        ("Mine-2.CU", "Mine-2.CU"),
        ("-o.cu", "submission.cu"),
        ("größe.cu", "submission.cu"),
        ("torch.py", "submission.py"),
    ],
)
def test_a_compiled_file_keeps_its_name_where_that_is_harmless(
    name: str, judged: str, folder: Path
) -> None:
    job = problem(folder).job(run_id="1", mode=Mode.TEST, device="cuda", submission_name=name)

    assert job.submission == judged


def test_the_entry_point_survives_storage_and_decides_the_digest(folder: Path) -> None:
    before = problem(folder)
    stored = json.dumps(before.to_document(), allow_nan=False)
    assert Problem.from_document(json.loads(stored), before.files) == before

    for old, new in (("-O2", "-O1"), ("all: out.numel", "all: x.numel")):
        (folder / "problem.yaml").write_text(SPEC.replace(old, new))
        assert problem(folder).digest != before.digest


def test_an_example_in_a_compiled_language_is_for_that_kind_of_device(folder: Path) -> None:
    found = {item.path: (item.expect, item.device) for item in problem(folder).examples}

    assert found == {
        "examples/correct.cu": (VerdictKind.PASSED, "cuda"),
        "examples/wrong.cpp": (VerdictKind.WRONG_ANSWER, "cpu"),
    }


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "reason", "remedy"),
    [
        ("x: const", "float: const", 7, "native.float", "cannot be the name", "C++"),
        ("x: const", "stream: const", 7, "native.stream", "cannot be the name", "C++"),
        ("const float32*", "const floaty*", 7, "native.x", "'const floaty*' is not", "const DTYPE*"),
        ("const float32*", "3", 7, "native.x", "the number 3 is not", "const DTYPE*"),
        ("x.shape[0]", "y.shape[0]", 10, "native.n", "'y.shape[0]' is not", "a.shape[0]"),
        ("x.shape[0]", "x.shape[8]", 10, "native.n", "'x.shape[8]' is not", "a.shape[0]"),
        ("x.shape[0]", "scale.shape[0]", 10, "native.n", "is not understood", "of a tensor"),
        ("out: float32*", "out: const float32*", 7, "native", "0 of the parameters", "buffer"),
        ("x: const float32*", "x: float32*", 7, "native", "2 of the parameters", "const"),
        ("-O2", "-o/etc/passwd", 14, "compile_flags.cuda[0]", "is no flag", "libraries"),
        ("-O2", "-Xcompiler=-fplugin=x", 14, "compile_flags.cuda[0]", "is no flag", "libraries"),
        ("-O2", "-I/root", 14, "compile_flags.cuda[0]", "is no flag", "libraries"),
        ("-O2", "-DX=$(id)", 14, "compile_flags.cuda[0]", "is no flag", "libraries"),
        ("cuda: [-O2", "hip: [-O2", 14, "compile_flags.hip", "not among the languages", "Add it"),
        ("cuda: [-O2", "cdua: [-O2", 14, "compile_flags", "'cdua'", "Did you mean 'cuda'"),
        ("[python, cuda, cpp]", "[python]", 7, "native", "not listed", "Add one of"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_key_reason_and_remedy(
    folder: Path, old: str, new: str, line: int, path: str, reason: str, remedy: str
) -> None:
    assert old in SPEC
    (folder / "problem.yaml").write_text(SPEC.replace(old, new, 1))

    with pytest.raises(DefinitionErrors) as raised:
        problem(folder)

    (found,) = [flaw for flaw in raised.value.flaws if reason in flaw.reason]
    assert (found.line, found.path) == (line, path)
    assert remedy in found.remedy


def test_compiled_languages_need_the_buffers_of_the_answer(folder: Path) -> None:
    (folder / "reference.py").write_text(REFERENCE.replace("OUTPUTS = 1", ""))

    with pytest.raises(DefinitionErrors, match=r"OUTPUTS in reference\.py is 0"):
        problem(folder)


def test_what_a_problem_may_declare_is_what_the_judge_has_types_for() -> None:
    assert set(native.DTYPES) == set(DTYPES)
    assert set(native.VALUES) == set(VALUES)
