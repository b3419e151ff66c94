"""Every file of the corpus that needs no GPU is judged for real and gets the verdict it announces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.judge.corpus import ATTACKS, HONEST, Entry, chosen, run

CLASSES = {
    "async", "cache", "compile", "doorbell", "dos", "evasion", "forge", "l2clock", "lazy", "leak",
    "mutate", "numerics", "patch", "phase", "precision", "precompute", "ranks", "sandbox", "shape",
    "timer",
}  # fmt: skip


def parameters(entries: list[Entry]) -> list[object]:
    return [
        pytest.param(
            entry,
            id=entry.name,
            marks=[pytest.mark.slow, pytest.mark.timeout(900)] if entry.slow else [],
        )
        for entry in chosen(entries, [], "cpu")
    ]


@pytest.mark.parametrize("entry", parameters(ATTACKS))
def test_an_attack_gains_nothing(entry: Entry, tmp_path: Path) -> None:
    outcome = run(entry, tmp_path)
    assert outcome.as_told, outcome.judged.explanation


@pytest.mark.parametrize("entry", parameters(HONEST))
def test_an_honest_submission_passes(entry: Entry, tmp_path: Path) -> None:
    outcome = run(entry, tmp_path)
    assert not outcome.refused, outcome.judged.explanation


def test_every_class_of_attack_has_at_least_five_files() -> None:
    counts = Counter(entry.kind for entry in ATTACKS)
    assert set(counts) == CLASSES
    assert min(counts.values()) >= 5, counts


def test_the_honest_files_are_enough_to_mean_something() -> None:
    assert len(HONEST) >= 40
