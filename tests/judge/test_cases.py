"""How often a problem's reference is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.judge.cases import Problem

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
    ("check", "asked"), [(PROPERTY, [3, 5]), (DISTANCE, [3, 3, 5]), ("", [3, 3, 5])]
)
def test_the_reference_is_asked_once_for_a_form_of_data_where_the_check_does_without_it(
    check: str, asked: list[int], tmp_path: Path
) -> None:
    (tmp_path / "reference.py").write_text(SQUARES + check)
    problem = Problem(tmp_path, "cpu", ())

    cases = [problem.fresh({"n": n}) for n in (3, 3, 5)]

    assert problem.said("asked") == asked
    assert [tuple(case.answers[0].shape) for case in cases] == [(3,), (3,), (5,)]
    if check:
        assert all(problem.verdict(case, [case.data[0].sqrt()]) == ("", "") for case in cases)
        assert all(problem.verdict(case, [case.data[0]])[0] for case in cases)
