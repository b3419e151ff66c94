"""What machines that judge say and hear, and what administrators see of them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kernelbot.api.schemas import LARGEST_ID, Body, Name

Word = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
GpuName = Annotated[str, Field(min_length=1, max_length=100)]
Slots = Annotated[dict[GpuName, Annotated[int, Field(ge=0, le=64)]], Field(max_length=64)]
Lease = Annotated[uuid.UUID, Field(strict=False)]
RunId = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class _Said(BaseModel):
    """What a machine says: numbers are numbers."""

    model_config = ConfigDict(extra="forbid", strict=True)


# --- machines ----------------------------------------------------------------------------------


class UnitIn(_Said):
    """One device."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    kind: Annotated[str, Field(pattern="^(cpu|cuda|hip)$")]
    name: Word
    memory_bytes: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    sm_count: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    capability: Word = ""


class AnnounceIn(_Said):
    """What a machine's self-test proved."""

    host: Word
    tree: Digest
    judge_digest: Digest
    isolation: Word
    slots: Slots
    units: Annotated[list[UnitIn], Field(max_length=64)]
    python: Word = ""
    torch: Word = ""
    triton: Word = ""
    driver: Word = ""


class LeaseIn(_Said):
    """A machine asks for work: for the first of the offers for which there is any."""

    poll: Annotated[int, Field(ge=1, le=LARGEST_ID)]
    offers: Annotated[list[Slots], Field(max_length=16)]
    free: Annotated[list[Word], Field(max_length=64)] = []  # devices with nothing to do
    # Leases of the runs that it has; absent: it does not say.
    holds: Annotated[list[Lease], Field(max_length=256)] | None = None
    wait_s: Annotated[float, Field(ge=0, le=60)]


class SignIn(BaseModel):
    """A run that a machine has."""

    model_config = ConfigDict(extra="forbid")

    run_id: RunId
    lease: uuid.UUID
    devices: Annotated[list[Word], Field(max_length=64)] = []


class HeartbeatIn(BaseModel):
    """A machine's sign of life."""

    model_config = ConfigDict(extra="forbid")

    slots: Slots
    runs: Annotated[list[SignIn], Field(max_length=256)]
    trouble: Annotated[str, Field(max_length=500)] = ""


class EventsIn(BaseModel):
    """Steps of a run."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[dict[str, Any]], Field(max_length=100)]


# --- administrators ----------------------------------------------------------------------------


class RunnerIn(Body):
    """A machine to let in."""

    name: Name
    targets: Annotated[list[GpuName], Field(min_length=1, max_length=64)]
    trusted: bool = Field(
        default=False, description="Whether its results count without another machine's word."
    )


class NewRunnerOut(BaseModel):
    """A machine that was let in. The secret is shown this once."""

    name: str
    targets: list[str]
    trusted: bool
    secret: str
    command: str = Field(description="What to paste on the machine.")


class DrainIn(Body):
    """Take nothing more, or take work again."""

    drained: bool


class TrustIn(Body):
    """Vouch for a machine, or no more."""

    trusted: bool


class DeviceOut(BaseModel):
    """A device as the machine's self-test found it."""

    id: str
    kind: str
    name: str
    memory_bytes: int
    sm_count: int
    capability: str


class RunnerOut(BaseModel):
    """A machine that judges."""

    id: int
    name: str
    targets: list[str]
    trusted: bool
    state: str = Field(description="new, ready, drained, troubled, silent or revoked.")
    trouble: str = Field(description="Why it takes nothing just now.")
    running: int
    judged: int = Field(description="Runs that it has ended.")
    slots: dict[str, int] = Field(description="Runs at once, by target.")
    host: str
    isolation: str = Field(description="The fence that stands there.")
    judge_digest: str
    torch: str
    driver: str
    devices: list[DeviceOut]
    created_at: datetime
    announced_at: datetime | None
    last_seen_at: datetime | None
    revoked_at: datetime | None
    hint: str = Field(description="How its token begins.")


class RunnersOut(BaseModel):
    """Machines that judge."""

    items: list[RunnerOut]
