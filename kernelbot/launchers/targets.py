"""Reading ``targets.yaml``: GPU kinds as data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput, did_you_mean
from kernelbot.judge.protocol import MOST_RANKS
from kernelbot.launchers.registry import FACTORIES

KEYS = {"device", "match", "about", "gpus", "aliases", "price", "launchers", *FACTORIES}
DEVICES = ("cpu", "cuda")
T = TypeVar("T")


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
    taken = {name.lower(): name for name in targets}
    for target in targets.values():
        for alias in target.aliases:
            if (owner := taken.setdefault(alias.lower(), target.name)) != target.name or (
                alias.lower() == target.name.lower()
            ):
                raise _wrong(
                    path, target.name, f"has the alias {alias!r}, which is {owner} already"
                )
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
    price = entry.get("price")
    if price is not None and (type(price) not in (int, float) or not 0 <= price < math.inf):
        raise _wrong(path, name, "price must be a number, of one GPU for an hour")
    ways = _launchers(path, name, entry)
    target = Target(
        name=name,
        device=entry["device"],
        match=str(entry.get("match", "")),
        about=str(entry.get("about", "")),
        gpus=gpus,
        aliases=_aliases(path, name, entry.get("aliases", [])),
        price=None if price is None else float(price),
        launchers=tuple(ways),
        settings={way: entry[way] or {} for way in ways if way in entry},
    )
    for way in ways:
        _check(path, target, way)
    return target


def _aliases(path: Path, name: str, said: Any) -> tuple[str, ...]:
    """Other names of a target; words that a request can hold."""
    if not isinstance(said, list) or not all(
        isinstance(alias, str) and re.fullmatch(r"[\w.+-]{1,60}", alias) for alias in said
    ):
        words = "aliases must be a list of names of at most 60 letters, digits, _, ., + and -"
        raise _wrong(path, name, words)
    return tuple(said)


def _launchers(path: Path, name: str, entry: Mapping[str, Any]) -> list[str]:
    ways = entry.get("launchers", ["local"])
    known = ", ".join(FACTORIES)
    if not isinstance(ways, list) or not ways or len({str(way) for way in ways}) < len(ways):
        raise _wrong(
            path,
            name,
            f"launchers must be a list of different ones, the best first, out of {known}",
        )
    for way in ways:
        if str(way) not in FACTORIES:
            hint = did_you_mean(str(way), FACTORIES)
            raise _wrong(path, name, f"launchers names {way!r}, which is none of {known}.{hint}")
    for way in FACTORIES:
        if way in entry and way not in ways:
            raise _wrong(
                path, name, f"{way} has settings, but launchers does not name it; add it there"
            )
    return ways


def _check(path: Path, target: Target, way: str) -> None:
    """What a target's entry says of one of its launchers."""
    factory, settings = FACTORIES[way], target.settings.get(way, {})
    if not isinstance(settings, dict):
        raise _wrong(path, target.name, f"{way} must be a map of settings")
    for key in settings:
        if key not in factory.keys:
            hint = did_you_mean(str(key), factory.keys)
            raise _wrong(path, target.name, f"{way} has the unknown key {key!r}.{hint}")
    try:
        factory.check(target, settings)
    except ValueError as error:
        raise _wrong(path, target.name, f"{way}.{error}") from error


def _wrong(path: Path, name: str, what: str) -> InvalidInput:
    return InvalidInput(f"{path}: {name + ' ' if name else ''}{what}.", code="bad_targets")


def restricted(
    reachable: Mapping[str, T], only: str, names: Mapping[str, str] | None = None
) -> dict[str, T]:
    """Those of the reachable targets that ``only`` (comma separated) names; empty: all of them. ``names``: what
    else they are called, in lower case.

    Raises InvalidInput when it names one that is unknown or out of reach.
    """
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    if not wanted:
        return dict(reachable)
    others = {other: name for other, name in (names or {}).items() if name in reachable}
    spelled = others | {name.lower(): name for name in reachable}
    for word in wanted:
        if word.lower() not in spelled:
            have = ", ".join(reachable) or "none"
            raise InvalidInput(
                f"KERNELBOT_TARGETS names {word!r}, which this machine neither has nor reaches. It has: "
                f"{have}.",
                code="absent_target",
            )
    return {spelled[word.lower()]: reachable[spelled[word.lower()]] for word in wanted}
