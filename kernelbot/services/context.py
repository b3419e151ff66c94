"""What every service needs: made once by the composition root, passed as the first argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernelbot.config import Settings
from kernelbot.domain.peaks import Peaks
from kernelbot.domain.target import Target
from kernelbot.storage.changes import Changes
from kernelbot.storage.database import Database


@dataclass(frozen=True)
class Context:
    settings: Settings
    database: Database
    events: Changes
    targets: Mapping[str, Target]
    # Ranked boards and problems that were read once: keyed by revision or content, so never stale;
    # and the numbers of people in the list of leaderboards, which keep for seconds.
    cache: dict[str, Any] = field(default_factory=dict)
    devices: tuple[Peaks, ...] = ()  # what GPUs can do at most

    @property
    def alive_s(self) -> float:
        """A worker that was silent for longer does not count as capacity."""
        return self.settings.lease_s
