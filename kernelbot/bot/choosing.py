"""What is offered to somebody who types: which choices fit, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kernelbot.bot.limits import CHOICE, CHOICES
from kernelbot.bot.text import clean, cut


@dataclass(frozen=True)
class Choice:
    name: str
    value: str
    words: str = field(default="", compare=False)  # also searched


def matching_last(choices: Iterable[Choice], typed: str) -> list[Choice]:
    """The same where several may stand apart by commas: the last one is completed, and none is offered
    twice."""
    *before, last = typed.split(",")
    chosen = [word.strip() for word in before if word.strip()]
    known = {word.lower() for word in chosen}
    left = [item for item in choices if item.value.lower() not in known]
    start = "".join(f"{word}, " for word in chosen)
    found = [Choice(start + item.name, start + item.value) for item in matching(left, last)]
    return [item for item in found if len(item.value) <= CHOICE and len(item.name) <= CHOICE]


def matching(choices: Iterable[Choice], typed: str) -> list[Choice]:
    """At most 25: those that begin with what was typed, then those that contain it."""
    wanted = typed.strip().lower()
    usable = [item for item in choices if len(item.value) <= CHOICE]
    found = [item for item in usable if wanted in f"{item.value} {item.name} {item.words}".lower()]
    found.sort(key=lambda item: (not item.value.lower().startswith(wanted), item.value.lower()))
    return [
        Choice(cut(clean(item.name), CHOICE) or item.value, item.value) for item in found[:CHOICES]
    ]
