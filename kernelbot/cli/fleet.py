"""``kernelbot runners``, ``admin device`` and ``admin usage``: what judges, how it drifts, what it costs."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from kernelbot import report
from kernelbot.cli import banners
from kernelbot.cli.options import AsJson, Token, Url, connect, segment
from kernelbot.cli.screen import clean, document, note, result, table
from kernelbot.domain import canary

device_app = typer.Typer(
    help="Single devices: take one out, let one in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
DeviceId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="DEVICE")]
Reason = Annotated[str, typer.Argument(metavar="REASON", help="For the log.")]

WIDE = 150  # columns of a terminal
WIDTH = 41  # of a chart, an odd number: the median has a column


def runners(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|DEVICE",
            help="Instead: all about this machine; of a number, how this device drifted.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many of its canaries.")] = 30,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """What judges: agents, workers, what they reach at Modal, and how every device drifts."""
    device = which is not None and which.isascii() and which.isdigit()
    with connect(url, token) as server:
        if which is not None and device:
            found = server.get(f"/v1/admin/devices/{which}/canaries", limit=limit)
        elif which is not None:
            found = server.get(f"/v1/admin/fleet/{segment(which)}")
        else:
            found = server.get("/v1/admin/fleet")
        told = [] if as_json else banners.current(server)
    banners.tell(told)
    if as_json:
        document(found)
    elif device:
        _drift(found)
    elif which is not None:
        _story(found)
    else:
        _fleet(found)


def _fleet(found: Mapping[str, Any]) -> None:
    from kernelbot.cli.render import moment

    if not found["machines"]:
        note("Nothing judges here: start a worker, or let a machine in.")
    else:
        more = ("Fence", "Driver") if is_wide() else ()
        table(
            ("Runner", "Kind", "State", "Load", "Trusted", "Judge", "Last seen", *more),
            [
                (
                    item["name"],
                    item["kind"],
                    _state(item),
                    _load(item),
                    "yes" if item["trusted"] else "no",
                    _judge(item),
                    moment(item["seen_at"]),
                    *(item[name] or "–" for name in ("isolation", "driver")[: len(more)]),
                )
                for item in found["machines"]
            ],
        )
    _devices(found)


def is_wide() -> bool:
    """Whether there is room for what is good to know: on a wide terminal, and in a pipe."""
    return not sys.stdout.isatty() or shutil.get_terminal_size().columns >= WIDE


def _state(item: Mapping[str, Any]) -> str:
    return str(item["state"]) + (f": {item['trouble']}" if item["trouble"] else "")


def _devices(found: Mapping[str, Any]) -> None:
    from kernelbot.cli.render import moment

    if found["devices"]:
        result()
        table(
            (
                "Device",
                "Of",
                "What",
                "State",
                "Faults",
                "Clock",
                "Last canary",
                "Median",
                "Now",
                "Drift",
            ),
            [
                (
                    item["id"],
                    item["runner"] or item["host"],
                    f"{item['name']} {item['device']}" if item["kind"] != "cpu" else item["name"],
                    item["state"] + (f": {item['reason']}" if item["reason"] else ""),
                    _faults(item["outcomes"]),
                    f"{item['sm_mhz']:.0f} MHz" if item["sm_mhz"] else "–",
                    moment(item["canary_at"]),
                    _times(item, "median"),
                    _times(item, "now"),
                    report.spark(item["drift"], item["goods"]),
                )
                for item in found["devices"]
            ],
        )
        result(
            "Faults: of the last runs those that ended by our fault. Clock: in the last canary. "
            "Drift: the last canaries, half to twice the median; ! is outside the band."
        )


def _faults(outcomes: str) -> str:
    """``1 of 20``."""
    return f"{outcomes.count(canary.FAULT)} of {len(outcomes)}" if outcomes else "–"


def _story(found: Mapping[str, Any]) -> None:
    """All about one machine."""
    from kernelbot.cli.render import moment, queues

    for item in found["machines"]:
        told = {
            "Kind": f"{item['kind']}, {'trusted' if item['trusted'] else 'not trusted'}",
            "State": _state(item),
            "Load": _load(item),
            "Host": item["host"],
            "Fence": item["isolation"],
            "Driver": item["driver"],
            "PyTorch": item["torch"],
            "Judge": _judge(item),
            "Last seen": moment(item["seen_at"]),
        }
        result(clean(item["name"]))
        for name, value in told.items():
            result(f"  {name + ':':<10} {clean(value) or '–'}")
    _devices(found)
    result()
    if found["held"]:
        table(
            ("Judges", "Leaderboard", "GPU", "Mode", "Stage", "For"),
            [
                (
                    item["submission_id"],
                    item["leaderboard"],
                    item["gpu"],
                    item["mode"],
                    item["progress"] or "–",
                    report.duration_text(item["so_far_s"]),
                )
                for item in found["held"]
            ],
        )
    else:
        result("It judges nothing now.")
    if found["queues"]:
        result()
        queues(found["queues"])


def _load(item: Mapping[str, Any]) -> str:
    """``2 of H200 8, H200x2 4; elsewhere: B200``."""
    slots = {gpu: count for gpu, count in item["slots"].items() if gpu not in item["elsewhere"]}
    there = ", ".join(f"{gpu} {item['slots'].get(gpu, 0)}" for gpu in item["elsewhere"])
    here = ", ".join(f"{gpu} {count}" for gpu, count in slots.items())
    parts = [here] * bool(here) + [f"elsewhere (Modal, Slurm): {there}"] * bool(there)
    return f"{item['running']} of {'; '.join(parts) or 'nothing'}"


def _judge(item: Mapping[str, Any]) -> str:
    digest = item["judge_digest"][:8] or "–"
    return digest if item["current"] else f"{digest} (another)"


def _times(item: Mapping[str, Any], which: str) -> str:
    """``stream 101 µs, product 20.3 µs``."""
    shown = []
    for part, seconds in sorted(item["seconds"].items()):
        if which == "median":
            band = item["bands"].get(part)
            shown.append(f"{part} {report.format_time(band['median'])}" if band else f"{part} –")
        else:
            shown.append(f"{part} {report.format_time(seconds)}")
    return ", ".join(shown) or "–"


def _drift(found: Mapping[str, Any]) -> None:
    from kernelbot.cli.render import moment

    device = found["device"]
    result(f"Device {device['id']}: {clean(device['name'])} {clean(device['device'])}")
    result(f"State: {clean(device['state'])} {clean(device['reason'])}".rstrip())
    for part, band in sorted(device["bands"].items()):
        low, middle, high = (_told(part, band[key]) for key in ("low", "median", "high"))
        result(f"{clean(part)}: {middle}, inside {low} to {high}")
    timed = {part for item in found["items"] for part in item["seconds"]}
    for part in sorted(timed | set(device["bands"]) - {"clock"}):
        band = device["bands"].get(part)
        result()
        result(
            f"{clean(part)}, the newest first" + ("; | is the median, [ ] the band" if band else "")
        )
        for item in found["items"]:
            value = item["seconds"].get(part)
            told = "–" if value is None else report.format_time(value)
            line = f"  {chart(value, band)}" if band else ""
            mark = "" if item["good"] else f"  ! {clean(item['reason'])}"
            other = "" if item["compares"] else "  (another driver, torch or canary)"
            result(f"{moment(item['started_at'])}  {told:>12}{line}{mark}{other}")
    if not device["bands"]:
        note(f"There is no band yet: it takes {canary.LEAST} good canaries.")


def _told(part: str, value: float) -> str:
    return f"{value:.4g} MHz" if part == "clock" else report.format_time(value)


def chart(value: float | None, band: Mapping[str, float]) -> str:
    """Where a value lies: the median in the middle, the band a quarter of the width to each side."""
    signs = [" "] * WIDTH
    middle, quarter = WIDTH // 2, WIDTH // 4
    signs[middle - quarter], signs[middle], signs[middle + quarter] = "[", "|", "]"
    if value is not None and value > 0:
        width = math.log(band["high"] / band["median"]) or 1.0
        place = middle + round(math.log(value / band["median"]) / width * quarter)
        signs[min(WIDTH - 1, max(0, place))] = "●"
    return "".join(signs)


@device_app.command("quarantine")
def quarantine(device: DeviceId, reason: Reason, url: Url = None, token: Token = None) -> None:
    """Give a device no more runs, and have what it gave since its last good canary judged again."""
    with connect(url, token) as server:
        server.post(f"/v1/admin/devices/{device}/quarantine", {"reason": reason})
    result(f"Device {device} takes nothing more.")


@device_app.command("release")
def release(device: DeviceId, reason: Reason, url: Url = None, token: Token = None) -> None:
    """Let a device take runs again; its band begins anew."""
    with connect(url, token) as server:
        server.post(f"/v1/admin/devices/{device}/release", {"reason": reason})
    result(f"Device {device} takes runs again.")


def usage(
    by: Annotated[
        Literal["competition", "person", "target"], typer.Option(help="One line for each of these.")
    ] = "competition",
    days: Annotated[float, typer.Option(min=0.01, max=366, help="Of the last days.")] = 30.0,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """GPU-hours of the runs that ended, and what they cost by the prices of targets.yaml."""
    with connect(url, token) as server:
        found = server.get("/v1/admin/usage", by=by, days=days)
    if as_json:
        document(found)
        return
    table(
        (clean(found["by"]).capitalize(), "GPU", "Runs", "GPU-hours", "Cost"),
        [
            (item["name"], item["gpu"], item["runs"], f"{item['gpu_hours']:.2f}", _cost(item))
            for item in found["items"]
        ],
    )
    result(f"{found['gpu_hours']:.2f} GPU-hours; {found['cost']:.2f} for those with a price.")


def _cost(item: Mapping[str, Any]) -> str:
    return "–" if item["cost"] is None else f"{item['cost']:.2f}"
