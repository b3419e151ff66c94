"""Whether the machine is the one that a job was meant for."""

from __future__ import annotations

import pytest
import torch

from kernelbot.judge.device import WrongDevice, demand
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
