"""How often a problem's reference is asked, and what a check that falls over an output means."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.judge import cases
from kernelbot.judge.cases import REFUSED, FieldProblem, Problem

SQUARES = """
import torch
asked = []
def generate_input(*, seed, device, n):
    return (torch.rand(n, generator=torch.Generator(device).manual_seed(seed)),)
def reference(data):
    asked.append(len(data[0]))
    return data[0].sqrt()
"""
PROPERTY = """
def check(data, output):
    return "no root" if not (output**2 - data[0]).abs().max() < 1e-5 else None
"""
DISTANCE = """
def check(data, output, expected):
    return "far off" if not (output - expected).abs().max() < 1e-5 else None
"""


@pytest.mark.parametrize(
    ("check", "asked"), [(PROPERTY, [3, 5]), (DISTANCE, [3, 3, 5, 3]), ("", [3, 3, 5, 3])]
)
def test_the_reference_is_asked_once_for_a_form_of_data_where_the_check_does_without_it(
    check: str, asked: list[int], tmp_path: Path
) -> None:
    (tmp_path / "reference.py").write_text(SQUARES + check)
    problem = Problem(tmp_path, "cpu", ())

    cases = [problem.fresh({"n": n}) for n in (3, 3, 5, 3)]

    assert problem.said("asked") == asked
    assert [tuple(case.answers[0].shape) for case in cases] == [(3,), (3,), (5,), (3,)]
    if check:
        assert all(problem.verdict(case, [case.data[0].sqrt()]) == ("", "") for case in cases)
        assert all(problem.verdict(case, [case.data[0]])[0] for case in cases)


def test_a_decoy_is_another_input_of_the_same_form_that_nobody_solves(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(SQUARES)
    problem = Problem(tmp_path, "cpu", ())
    cases = problem.fresh_for_all({"n": 5})
    (decoy,) = problem.others_for_all(cases) or ()
    assert decoy[0].shape == cases[0].data[0].shape
    assert not decoy[0].equal(cases[0].data[0])
    assert problem.said("asked") == [5]


def test_a_draw_of_another_form_is_no_decoy(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(
        SQUARES.replace("torch.rand(n,", "torch.rand(seed % 9973 + 1,")
    )
    problem = Problem(tmp_path, "cpu", ())
    assert any(problem.others_for_all(problem.fresh_for_all({"n": 5})) is None for _ in range(3))


BROKEN = """
def {check}(data, output):
    raise RuntimeError("CUDA error: {error}")
def ref_kernel(data):
    return reference(data)
"""


@pytest.mark.parametrize(
    "error", ["device-side assert triggered", "an illegal memory access was encountered"]
)
@pytest.mark.parametrize(
    ("kind", "check"), [(Problem, "check"), (FieldProblem, "check_implementation")]
)
def test_an_output_that_ends_the_device_in_the_check_is_wrong_and_no_fault_of_the_judge(
    kind: type[Problem], check: str, error: str, tmp_path: Path
) -> None:
    """From then on every call on the device fails, the reference's own answer too."""
    (tmp_path / "reference.py").write_text(SQUARES + BROKEN.format(check=check, error=error))
    problem = kind(tmp_path, "cpu", ())
    case = problem.fresh({"n": 3})
    complaint, secret = problem.verdict(case, [case.data[0].sqrt()])
    assert error in complaint
    assert secret == REFUSED


def test_answers_that_show_their_form_are_kept_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cases, "SHOWN_BYTES", 4 * 7)  # room for three and four numbers
    (tmp_path / "reference.py").write_text(SQUARES + PROPERTY)
    problem = Problem(tmp_path, "cpu", ())
    for n in (3, 4, 3, 5, 3):
        problem.fresh({"n": n})
    assert problem.said("asked") == [3, 4, 5, 3]
