"""What a worker demands of its machine before it takes work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from kernelbot.errors import InvalidInput
from kernelbot.judge import sandbox
from kernelbot.launchers import devices


def test_a_worker_without_the_demanded_fence_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap on it
    with pytest.raises(InvalidInput, match="KERNELBOT_ISOLATION=processes"):
        devices.demand_fence("bubblewrap")


def test_a_worker_whose_kernel_refuses_what_bubblewrap_promises_does_not_start_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = "No permissions to create new namespace"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:  # where the fence's own uid gets to
        os.chmod(place, 0o755)
        program = Path(place) / "bwrap"
        program.write_text(f"#!/bin/sh\necho 'bwrap: {refused}' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        with pytest.raises(InvalidInput) as raised:
            devices.demand_fence("bubblewrap")
    assert refused in raised.value.message
    assert "sysctl" in raised.value.message or "--security-opt" in raised.value.message
    assert "KERNELBOT_ISOLATION=processes" in raised.value.message


# An ordinary user without bubblewrap has no fence to show.
if sandbox.fences("fenced"):

    def test_a_worker_with_a_fence_that_stands_starts() -> None:
        devices.demand_fence("fenced")


def test_a_worker_that_nobody_demands_anything_of_starts_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    devices.demand_fence("")
    devices.demand_fence("processes")
    with pytest.raises(InvalidInput, match="strangers' code"):
        devices.demand_fence("fenced")
