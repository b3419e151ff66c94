"""How far the canaries of a healthy device scatter, and what one takes.

    python -m benchmarks.canary [--target H200] [--times 20] [--root DIR]

The canary as a worker of this machine has it judged, so many times in a row on its first device of the target. Says
the median of each part, its spread as the band reckons it, the farthest from the median beside the width of the
band, the clocks, and the wall time of one: what `kernelbot.domain.canary` is to be held against.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

from kernelbot.app import targets_of
from kernelbot.config import Settings
from kernelbot.domain import canary
from kernelbot.domain.canary import Canary
from kernelbot.domain.target import Target
from kernelbot.launchers import devices, local
from kernelbot.launchers.base import Launcher, Site
from kernelbot.services import canaries


async def one(launcher: Launcher, target: Target, number: int) -> Canary:
    launch = await launcher.start(canaries.package(target, number))
    try:
        async for _ in launch.events():
            pass
        return canaries.shown(target.device, await launch.verdict())
    finally:
        await launch.close()


def told(good: list[Canary], took: list[float], target: Target) -> None:
    found = canary.bands(good[::-1], canaries.tolerance(target.device))
    for part in good[0].seconds:
        times = [item.seconds[part] for item in good]
        middle = statistics.median(times)
        spread = canary.PER_DEVIATION * statistics.median(
            abs(math.log(value / middle)) for value in times
        )
        farthest = max(abs(math.log(value / middle)) for value in times)
        band = found.get(part)
        width = f"{math.log(band.high / band.median):.2%}" if band else "not known yet"
        print(
            f"{part:8} median {middle * 1e6:10.2f} µs   spread {spread:.3%}   farthest {farthest:.3%}   "
            f"band ± {width}"
        )
    clocks = [item.sm_mhz for item in good if item.sm_mhz]
    if clocks:
        print(f"clock    {min(clocks):.0f} to {max(clocks):.0f} MHz")
    print(f"wall     {statistics.median(took):.2f} s for one, the first {took[0]:.2f} s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="CPU")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument(
        "--root", type=Path, help="For job directories, where submissions may read."
    )
    options = parser.parse_args()
    target = targets_of(Settings())[options.target]
    with tempfile.TemporaryDirectory(dir=options.root) as folder:
        os.chmod(folder, 0o755)
        names = [name for name, _ in devices.cuda_devices()]
        site = Site(folder=Path(folder), environment=os.environ, devices=names, cpu_slots=1)
        launchers = local.FACTORY.make(target, {}, site)
        if not launchers:
            raise SystemExit(f"this machine has no {options.target}")
        launcher, found, took = launchers[0], [], []
        launcher.open()
        for number in range(options.times):
            begun = time.perf_counter()
            found.append(await one(launcher, target, number + 1))
            took.append(time.perf_counter() - begun)
            if found[-1].failed:
                print(f"number {number + 1}: {found[-1].failed}")
        await launcher.close()
    good = [item for item in found if not item.failed]
    print(f"{len(good)} of {len(found)} canaries passed on {options.target}")
    if good:
        told(good, took, target)


if __name__ == "__main__":
    asyncio.run(main())
