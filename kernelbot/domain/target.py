"""A GPU kind: what it is called, what it computes on, and how to tell that a device is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Target:
    name: str
    device: Literal["cpu", "cuda"]
    match: str  # regular expression for the device's own name; empty: any
    about: str = ""
    gpus: int = 1  # how many of one machine a run may have
