"""Reading ``targets.yaml``: GPU kinds as data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput, did_you_mean
from kernelbot.judge.protocol import MOST_RANKS

KEYS = {"device", "match", "about", "gpus"}
DEVICES = ("cpu", "cuda")


def load_targets(path: Path) -> dict[str, Target]:
    """The targets by name, in file order. Raises InvalidInput naming file, entry and remedy."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}", code="bad_targets") from error
    if not isinstance(document, dict) or not document:
        raise _wrong(path, "", "must map GPU names to entries")
    targets = {str(name): _target(path, str(name), entry) for name, entry in document.items()}
    if len({name.lower() for name in targets}) < len(targets):
        raise _wrong(path, "", "has two names that differ only in case")
    return targets


def _target(path: Path, name: str, entry: Any) -> Target:
    if not isinstance(entry, dict):
        raise _wrong(path, name, "must be a map with device, match and about")
    for key in entry:
        if key not in KEYS:
            raise _wrong(path, name, f"has the unknown key {key!r}.{did_you_mean(str(key), KEYS)}")
    if entry.get("device") not in DEVICES:
        raise _wrong(path, name, f"device must be one of {', '.join(DEVICES)}")
    try:
        re.compile(str(entry.get("match", "")))
    except re.error as error:
        raise _wrong(path, name, f"match is not a regular expression: {error}") from error
    gpus = entry.get("gpus", 1)
    if type(gpus) is not int or not 1 <= gpus <= MOST_RANKS:
        raise _wrong(path, name, f"gpus must be a whole number from 1 to {MOST_RANKS}")
    return Target(
        name=name,
        device=entry["device"],
        match=str(entry.get("match", "")),
        about=str(entry.get("about", "")),
        gpus=gpus,
    )


def _wrong(path: Path, name: str, what: str) -> InvalidInput:
    return InvalidInput(f"{path}: {name + ' ' if name else ''}{what}.", code="bad_targets")


def on_this_machine(
    targets: Mapping[str, Target], devices: Iterable[str], cpu_slots: int, only: str = ""
) -> dict[str, int]:
    """Which targets a machine with these CUDA devices can serve, and how many runs of each at once.

    One run a device at a time: a neighbour would be in the measurement. A target of several GPUs needs as
    many for each run. ``only`` (comma separated)
    restricts the answer and is refused when it names something unknown or absent.
    """
    names = list(devices)
    slots: dict[str, int] = {}
    for target in targets.values():
        if target.device == "cpu":
            slots[target.name] = cpu_slots
        else:
            count = sum(bool(target.match and re.search(target.match, name)) for name in names)
            if count >= target.gpus:
                slots[target.name] = count // target.gpus
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    if not wanted:
        return slots
    spelled = {name.lower(): name for name in slots}
    for word in wanted:
        if word.lower() not in spelled:
            have = ", ".join(slots) or "none"
            raise InvalidInput(
                f"KERNELBOT_TARGETS names {word!r}, which this machine does not have. It has: {have}.",
                code="absent_target",
            )
    return {spelled[word.lower()]: slots[spelled[word.lower()]] for word in wanted}
