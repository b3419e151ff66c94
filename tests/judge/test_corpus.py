"""Every file of the corpus is judged in processes of its own and gets the verdict it announces.

An attack may be ``# expect: passed`` when it gains nothing: then ``# at least: N ms`` is the time
that it tries to hide, and its measurement must show it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge.protocol import Mode, VerdictKind
from tests.judge.bench import HERE, LIMITS, a_job, judge

ATTACKS = sorted((HERE / "attacks").glob("*.py"))
HONEST = sorted((HERE / "honest").glob("*.py"))


def header(text: str, name: str) -> str:
    found = re.search(rf"^# {name}: (.+)$", text, re.MULTILINE)
    return found.group(1) if found else ""


def parameters(paths: list[Path]) -> list[object]:
    return [
        pytest.param(
            path, id=path.stem, marks=[pytest.mark.slow] if "\n# slow\n" in path.read_text() else []
        )
        for path in paths
    ]


def judge_file(path: Path, directory: Path) -> None:
    text = path.read_text()
    expected = VerdictKind(header(text.splitlines()[0], "expect"))
    mode = Mode(header(text, "mode") or "benchmark")
    limits = replace(LIMITS, build_s=float(header(text, "build seconds") or LIMITS.build_s))
    found = judge(directory, text, a_job(mode, limits=limits))
    assert found.returncode == 0
    assert found.verdict.kind is expected, found.explanation
    if floor := header(text, "at least"):
        (measured,) = found.verdict.measurements
        assert measured.ns >= float(floor.removesuffix(" ms")) * 1e6


@pytest.mark.parametrize("path", parameters(ATTACKS))
def test_an_attack_gains_nothing(path: Path, tmp_path: Path) -> None:
    judge_file(path, tmp_path)


@pytest.mark.parametrize("path", parameters(HONEST))
def test_an_honest_submission_passes(path: Path, tmp_path: Path) -> None:
    judge_file(path, tmp_path)


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(ATTACKS) >= 40
    assert len(HONEST) >= 20
