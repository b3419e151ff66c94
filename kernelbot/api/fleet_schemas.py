"""What the machines are, how they are, and what they cost."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from kernelbot.api.schemas import QueueOut


class NoticeOut(BaseModel):
    """What everybody should know about the machines."""

    text: str
    gpus: list[str]
    since: datetime


class NoticesOut(BaseModel):
    items: list[NoticeOut]


class BandOut(BaseModel):
    """What is inside: seconds, or MHz for ``clock``."""

    median: float
    low: float
    high: float


class DeviceStateOut(BaseModel):
    """A device with its last canary and its band."""

    id: int
    runner: str | None = Field(description="The agent whose it is; null: a worker's own.")
    device: str = Field(description="Its UUID, or cpu.")
    kind: str
    name: str
    host: str
    gpus: list[str]
    state: str = Field(description="ready, quarantined or silent.")
    reason: str = Field(description="Why it is quarantined.")
    quarantined_at: datetime | None
    outcomes: str = Field(description="How its last runs ended: x by our fault.")
    seen_at: datetime
    last_run_at: datetime | None
    canary_at: datetime | None
    canary_good: bool | None
    canary_reason: str
    good_at: datetime | None = Field(description="Of the last good canary.")
    seconds: dict[str, float]
    sm_mhz: float
    bands: dict[str, BandOut]
    drift: list[float | None] = Field(
        default=[],
        description="Of the last canaries, the oldest first: the time as a share of the band's median.",
    )
    goods: list[bool] = Field(default=[], description="Whether each of those was good.")


class MachineOut(BaseModel):
    """An agent or a worker."""

    name: str
    kind: str
    state: str
    trouble: str
    trusted: bool
    slots: dict[str, int]
    elsewhere: list[str] = Field(description="GPU kinds that it reaches at Modal or in a cluster.")
    running: int
    judge_digest: str
    current: bool = Field(description="Whether that is the judge of this server.")
    seen_at: datetime | None
    host: str
    isolation: str = Field(description="The fence that stands there; empty where it was not said.")
    driver: str
    torch: str


class FleetOut(BaseModel):
    """Everything that judges."""

    machines: list[MachineOut]
    devices: list[DeviceStateOut]


class HeldOut(BaseModel):
    """A run that a machine has now."""

    submission_id: int
    leaderboard: str
    gpu: str
    mode: str
    progress: str
    so_far_s: float


class StoryOut(FleetOut):
    """All about one machine; several workers of one host are one."""

    held: list[HeldOut]
    queues: list[QueueOut] = Field(description="Of the GPU kinds that it serves.")


class CanaryOut(BaseModel):
    """One canary."""

    started_at: datetime
    good: bool | None
    reason: str
    verdict: str
    seconds: dict[str, float]
    errors: dict[str, float] = Field(description="Relative standard errors.")
    sm_mhz: float
    watts: float
    compares: bool = Field(description="With the newest: the same driver, torch and canary.")


class DriftOut(BaseModel):
    """A device and its canaries, the newest first."""

    device: DeviceStateOut
    items: list[CanaryOut]


class SpentOut(BaseModel):
    """GPU time of one competition, person or target on one GPU kind."""

    name: str
    gpu: str
    runs: int
    gpu_hours: float
    cost: float | None = Field(description="null: targets.yaml gives no price.")


class UsageOut(BaseModel):
    """What the machines were used for; the dearest first."""

    since: datetime
    until: datetime
    by: str
    items: list[SpentOut]
    gpu_hours: float
    cost: float
