"""What a worker demands of its machine before it takes work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelbot.errors import InvalidInput
from kernelbot.launchers import devices


def test_a_worker_without_the_demanded_fence_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap on it
    with pytest.raises(InvalidInput, match="KERNELBOT_ISOLATION=processes"):
        devices.demand_fence("bubblewrap")


def test_a_worker_that_nobody_demands_anything_of_starts_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    devices.demand_fence("")
    devices.demand_fence("processes")
    with pytest.raises(InvalidInput, match="strangers' code"):
        devices.demand_fence("fenced")
