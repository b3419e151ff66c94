"""People as administrators see them: who they are, what they may, and more of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from kernelbot.api.schemas import BalanceOut, Body, Days, Name, Reason
from kernelbot.domain.people import Role
from kernelbot.services.grants import MOST_S


class RoleIn(Body):
    role: Role
    sure: bool = Field(default=False, description="Needed to make yourself a member.")


class RoleOut(BaseModel):
    user_id: int
    name: str
    role: Role
    changed: bool = Field(description="False: they had it already.")


class IdentityOut(BaseModel):
    provider: str
    subject: str = Field(description="Who they are there: at Discord the id of the account.")
    name: str


class SentOut(BaseModel):
    id: int
    leaderboard: str
    mode: str
    status: str
    verdicts: list[str]
    created_at: datetime


class PersonOut(BaseModel):
    """Who somebody is and what they did, without any of their code."""

    user_id: int
    name: str
    role: Role
    created_at: datetime
    banned_until: datetime | None = Field(description="Also when that is over.")
    ban_reason: str
    identities: list[IdentityOut]
    live_tokens: int
    submissions: dict[str, int] = Field(description="By mode.")
    open_runs: int = Field(description="That wait or run.")
    places: int = Field(description="Leaderboards and GPUs they have a place on.")
    void: int = Field(description="Entries that were taken off the boards.")
    latest: list[SentOut] = Field(description="The newest first.")


class GrantIn(Body):
    competition: Name
    gpu: Annotated[str, Field(min_length=1, max_length=100)]
    gpu_seconds: Annotated[float, Field(gt=0, le=MOST_S, allow_inf_nan=False)] = Field(
        description="How many more within 24 hours."
    )
    days: Days = Field(default=1, description="How long it holds.")
    reason: Reason


class GrantOut(BaseModel):
    id: int
    user_id: int
    user_name: str
    competition: str
    gpu: str
    gpu_s: float
    reason: str
    created_at: datetime
    ends_at: datetime


class HourlyOut(BaseModel):
    """Submissions of this hour; a limit of null is none."""

    leaderboard: str
    ranked_used: int
    ranked_limit: int | None
    other_used: int
    other_limit: int | None


class CompetitionUseOut(BaseModel):
    competition: str
    gpu_seconds: list[BalanceOut] = Field(description="Where there is a limit, grants in it.")
    hourly: list[HourlyOut] = Field(description="Where there is a limit.")


class PersonUseOut(BaseModel):
    user_id: int
    name: str
    competitions: list[CompetitionUseOut] = Field(description="Those that limit anything.")
    grants: list[GrantOut] = Field(description="In force, the newest first.")
