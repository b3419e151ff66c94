"""Whether the machine is the one that a job was meant for."""

from __future__ import annotations

import pytest
import torch

from kernelbot.judge.device import Meter, Reading, WrongDevice, demand, slowed
from kernelbot.judge.protocol import Device

FIRST = Device(kind="cuda", name="NVIDIA H200", count=3)


def test_every_device_that_a_run_has_must_be_the_expected_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("NVIDIA H200", "NVIDIA H200", "NVIDIA A2")
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    demand(FIRST, "h200", 2)  # the third is nothing to this run
    with pytest.raises(WrongDevice, match="number 2 is 'NVIDIA A2'"):
        demand(FIRST, "h200", 3)
    demand(FIRST, "", 3)


def test_a_machine_with_another_device_or_too_few_is_refused() -> None:
    with pytest.raises(WrongDevice, match="this is 'NVIDIA H200'"):
        demand(FIRST, "A100")
    with pytest.raises(WrongDevice, match="needs 4 devices at once; this machine has 3"):
        demand(FIRST, "", 4)
    with pytest.raises(WrongDevice, match="no regular expression"):
        demand(FIRST, "(")


def test_ranks_share_a_processor() -> None:
    demand(Device(kind="cpu", name="Xeon", count=2), "xeon", 8)


def test_a_machine_without_a_device_has_no_clock_to_be_slow() -> None:
    meter = Meter("cpu")
    meter.learn()
    assert meter.read() == Reading()
    assert not slowed([meter.read()], meter.normal_mhz, 0.03)


def test_a_clock_below_the_normal_one_is_slow_and_says_what_holds_it_down() -> None:
    normal = [Reading(mhz=1950.0)] * 3
    assert not slowed(normal, 1980.0, 0.03)
    slow = [Reading(mhz=1410.0), Reading(mhz=1410.0, holds=0x04), Reading(mhz=1400.0, holds=0x04)]
    assert slowed(slow, 1980.0, 0.03) == (
        "at 1410 MHz, its normal clock is 1980, held down by its power limit"
    )
    assert slowed(slow[:1], 1980.0, 0.03) == "at 1410 MHz, its normal clock is 1980"


def test_heat_counts_also_where_the_normal_clock_was_learnt_in_it() -> None:
    hot = Reading(mhz=1410.0, holds=0x60)
    assert slowed([hot, hot, Reading(mhz=1410.0)], 1410.0, 0.03) == "at 1410 MHz, held down by heat"
    assert not slowed([hot, Reading(mhz=1410.0)], 1410.0, 0.03)


def test_a_kernel_that_reaches_the_power_limit_at_the_normal_clock_is_no_fault() -> None:
    assert not slowed([Reading(mhz=1980.0, holds=0x04)] * 3, 1980.0, 0.03)
    assert not slowed([Reading(mhz=1980.0, holds=0x01)] * 3, 1980.0, 0.03)  # idle between calls
