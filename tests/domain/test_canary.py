"""When a device leaves the band of its canaries, and when it is back."""

from __future__ import annotations

import random

import pytest

from kernelbot.domain import canary
from kernelbot.domain.canary import GPU, PROCESSOR, Canary, Fate, Past


def made(stream: float = 1e-4, product: float = 2e-4, mhz: float = 1980.0) -> Canary:
    return Canary(
        seconds={"stream": stream, "product": product},
        errors={"stream": 0.001, "product": 0.001},
        sm_mhz=mhz,
    )


def history(count: int = 20, spread: float = 0.004) -> list[Canary]:
    source = random.Random(5)
    return [
        made(1e-4 * (1 + source.gauss(0, spread)), 2e-4 * (1 + source.gauss(0, spread)))
        for _ in range(count)
    ]


def test_without_enough_good_canaries_there_is_no_band() -> None:
    assert canary.bands(history(canary.LEAST - 1), GPU) == {}
    assert canary.outside(made(1.0), {}) == ""


def test_what_scatters_as_before_is_inside() -> None:
    band = canary.bands(history(), GPU)
    assert [canary.outside(item, band) for item in history(50)] == [""] * 50


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (made(stream=1.08e-4), "stream takes 108.0 µs, +8"),
        (made(product=1.8e-4), "product takes 180.0 µs, -9.9%"),
        (made(mhz=1700.0), "clock is 1700 MHz, -14.1%"),
    ],
    ids=["slower memory", "faster product", "lower clock"],
)
def test_what_is_slower_faster_or_clocked_otherwise_is_outside(changed: Canary, word: str) -> None:
    assert word in canary.outside(changed, canary.bands(history(), GPU))


def test_one_bad_time_among_the_good_ones_moves_no_band() -> None:
    clean, dirty = history(), [made(5e-4), *history(19)]
    one, other = canary.bands(clean, GPU)["stream"], canary.bands(dirty, GPU)["stream"]
    assert other.median == pytest.approx(one.median, rel=0.005)
    assert other.high == pytest.approx(one.high, rel=0.02)


def test_the_band_of_a_noisy_device_is_as_wide_as_its_noise() -> None:
    quiet, noisy = canary.bands(history(), GPU), canary.bands(history(spread=0.05), GPU)
    assert noisy["stream"].high > 1.15 * quiet["stream"].high


def test_a_processor_whose_neighbours_are_busy_is_inside() -> None:
    band = canary.bands(history(), PROCESSOR)
    assert canary.outside(made(stream=8e-4), band) == ""
    assert canary.outside(made(stream=12e-4), band)


def test_an_unknown_clock_is_no_clock_that_changed() -> None:
    assert canary.outside(made(mhz=0.0), canary.bands(history(), GPU)) == ""


def test_one_canary_outside_is_repeated_and_two_take_the_device_out() -> None:
    assert canary.fate([False, True, True], out=False) is Fate.STAYS
    assert canary.fate([False, False, True], out=False) is Fate.OUT


def test_who_computes_something_else_is_out_at_once() -> None:
    assert canary.fate([False, True], out=False, wrong=True) is Fate.OUT


def test_who_is_out_is_back_after_good_canaries_in_a_row() -> None:
    assert canary.fate([True, True, False], out=True) is Fate.STAYS
    assert canary.fate([True, True], out=True) is Fate.STAYS
    assert canary.fate([True, True, True, False], out=True) is Fate.BACK


def test_runs_that_fail_by_our_fault_take_a_device_out_when_they_are_many_and_a_large_share() -> (
    None
):
    assert canary.failing("....xxxx", 4) == ""
    assert canary.failing("xxxxx" + "." * 15, 5) == ""
    assert canary.failing("xxxxx.....", 2) == ""
    assert canary.failing("xxxxx.....", 3) == "5 of its last 10 runs ended by our fault"


def past(**changes: object) -> Past:
    values: dict[str, object] = {
        "canary_s": 100.0, "busy_s": 50.0, "good": True, "out": False, "ranked_waits": False
    }  # fmt: skip
    return Past(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (past(), False),
        (past(canary_s=None), True),
        (past(canary_s=3600.0), True),
        (past(good=False), True),
        (past(ranked_waits=True), False),
        (past(ranked_waits=True, busy_s=900.0), True),
        (past(busy_s=900.0), False),
        (past(out=True, good=False), False),
        (past(out=True, canary_s=300.0), True),
    ],
)
def test_a_canary_is_due_on_schedule_after_a_bad_one_and_before_ranked_work_after_idle_time(
    state: Past, due: bool
) -> None:
    assert canary.is_due(state, every_s=3600.0, idle_s=600.0) is due


def test_no_canary_is_due_where_there_are_to_be_none() -> None:
    assert not canary.is_due(past(canary_s=None), every_s=0.0, idle_s=600.0)
