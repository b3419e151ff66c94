"""A GPU kind: what it is called, what it computes on, and how to tell that a device is one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

AMD = re.compile(r"\bAMD\b|Instinct|Radeon|MI\d{3}")
SLICE = "MIG"
"""In what torch calls a slice of a GPU: ``NVIDIA H100 80GB HBM3 MIG 1g.10gb``."""


@dataclass(frozen=True, kw_only=True)
class Target:
    name: str
    device: Literal["cpu", "cuda"]
    match: str  # regular expression for the device's own name; empty: any
    about: str = ""
    gpus: int = 1  # how many of one machine a run may have
    launchers: tuple[str, ...] = ("local",)  # ways to reach it, the best first
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """What its entry says of each of those, by the launcher's name."""
    aliases: tuple[str, ...] = ()  # what it is called elsewhere
    price: float | None = None  # of one GPU for an hour; None: unknown

    @property
    def amd(self) -> bool:
        """Whether it is AMD's: what is pasted on such a machine fetches another build of torch."""
        return self.device != "cpu" and AMD.search(f"{self.about} {self.match}") is not None

    def fits(self, device_name: str) -> bool:
        """Whether a device that calls itself this is one; of a processor every one is, and a slice of a GPU only where
        the pattern names slices."""
        if self.device == "cpu" and not self.match:
            return True
        if SLICE in device_name.split() and SLICE not in self.match:
            return False
        return bool(self.match) and re.search(self.match, device_name) is not None


def spellings(gpus: Collection[str]) -> dict[str, str]:
    """The name that results use by everything a GPU may be called, in lower case.

    ``gpus`` are names; of a mapping to targets their aliases count too.
    """
    targets = gpus.values() if isinstance(gpus, Mapping) else ()
    others = {
        alias.lower(): target.name
        for target in targets
        if isinstance(target, Target)
        for alias in target.aliases
    }
    return others | {name.lower(): name for name in gpus}
