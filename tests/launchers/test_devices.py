"""What a worker demands of its machine before it takes work."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kernelbot.errors import InvalidInput
from kernelbot.judge import probe, sandbox, staging
from kernelbot.launchers import devices
from kernelbot.launchers.devices import Pool


def test_a_worker_without_the_demanded_fence_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap on it
    with pytest.raises(InvalidInput, match="KERNELBOT_ISOLATION=processes"):
        devices.demand_fence("bubblewrap")


def told_by(bubblewrap_says: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a worker says that cannot start because bubblewrap does not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:  # where the fence's own uid gets to
        os.chmod(place, 0o777)
        program, tried = Path(place) / "bwrap", Path(place) / "tried"
        program.write_text(
            f"#!/bin/sh\n[ $1 = --help ] || echo >> {tried}\n"
            f"echo 'bwrap: {bubblewrap_says}' >&2\nexit 1\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        with pytest.raises(InvalidInput) as raised:
            devices.demand_fence("bubblewrap")
        assert tried.read_text() == "\n"  # once
    assert bubblewrap_says in raised.value.message
    assert "KERNELBOT_ISOLATION=processes" in raised.value.message
    return raised.value.message


def test_a_worker_whose_kernel_refuses_what_bubblewrap_promises_does_not_start_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = told_by("No permissions to create new namespace", monkeypatch)
    assert "sysctl" in told or "--security-opt" in told


def test_what_to_switch_on_is_told_only_where_something_is_forbidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "REMEDIES", ())
    assert probe.remedies(["user: it said nothing"]) == []
    assert "--security-opt" in probe.remedies(["user: [Errno 1] Operation not permitted"])[0]


def test_all_fences_can_be_tried_while_somebody_waits_for_the_answer() -> None:
    everything = [*probe.candidates("fenced"), sandbox.Fence("bubblewrap")]
    assert len(everything) * probe.PROBE_S < staging.FENCE_S


# An ordinary user without bubblewrap has no fence to show.
if sandbox.fences("fenced"):

    def test_a_worker_with_a_fence_that_stands_starts() -> None:
        devices.demand_fence("fenced")


# Only root can show what a judge without the right to make networks can do.
if os.getuid() == 0:

    def test_a_fence_without_a_network_of_its_own_does_not_stand_for_several_ranks() -> None:
        def said(ranks: int) -> str:
            line = [sys.executable, "-m", "kernelbot.judge", "fence", "--isolation", "user"]
            told = subprocess.run(
                ["setpriv", "--bounding-set=-sys_admin", *line, "--ranks", str(ranks)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            return told.stdout

        why = "several ranks need a network of their own"
        assert why in said(2)
        assert why not in said(1)


def test_a_worker_that_nobody_demands_anything_of_starts_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    devices.demand_fence("")
    devices.demand_fence("processes")
    with pytest.raises(InvalidInput, match="strangers' code"):
        devices.demand_fence("fenced")


def test_devices_are_told_apart_also_where_a_driver_calls_them_the_same() -> None:
    assert devices.told_apart(["a", "b"]) == ["GPU-a", "GPU-b"]
    assert devices.told_apart(["a", "", "b", "a"], "@here") == [
        "GPU-number-0@here", "GPU-number-1@here", "GPU-b", "GPU-number-3@here",
    ]  # fmt: skip


async def test_a_run_on_several_devices_waits_until_all_of_them_are_free() -> None:
    pool = Pool([0, 2, 5])
    own, held = await pool.take(2, 1)
    assert own == [2]
    both = asyncio.create_task(pool.take(5, 2))
    await asyncio.sleep(0.01)
    assert not both.done()
    held.close()
    wanted, together = await both
    assert wanted == [0, 2]  # always the same, wherever the run was claimed
    alone = asyncio.create_task(pool.take(0, 1))
    await asyncio.sleep(0.01)
    assert not alone.done()
    together.close()
    assert (await alone)[0] == [0]


async def test_a_device_that_two_targets_offer_is_in_one_run_at_a_time() -> None:
    machine: dict[int, asyncio.Lock] = {}
    alone, pair = Pool([1], machine), Pool([0, 1], machine)
    _, held = await alone.take(1, 1)
    both = asyncio.create_task(pair.take(0, 2))
    await asyncio.sleep(0.01)
    assert not both.done()
    held.close()
    assert (await both)[0] == [0, 1]


async def test_who_is_cancelled_while_waiting_holds_no_device() -> None:
    pool = Pool([0, 1])
    _, held = await pool.take(1, 1)
    both = asyncio.create_task(pool.take(0, 2))
    await asyncio.sleep(0.01)
    both.cancel()
    await asyncio.gather(both, return_exceptions=True)
    assert (await pool.take(0, 1))[0] == [0]
    held.close()


async def test_a_run_on_more_devices_than_there_are_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="needs 4 devices at once, and this machine has one"):
        await Pool([3]).take(3, 4)
    with pytest.raises(ValueError, match="needs 4 devices at once, and this machine has 2"):
        await Pool([0, 1]).take(1, 4)
