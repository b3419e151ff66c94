"""What the API says, as models: the reference for clients, read from the OpenAPI document.

Times of kernels are seconds; points in time are ISO 8601 in UTC. Lists that can grow come in parts:
``cursor`` asks for the next one and is null at the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kernelbot.domain.people import Scope
from kernelbot.domain.submission import Outcome, Rejudged, Status
from kernelbot.judge.protocol import Mode, Stage, VerdictKind

LARGEST_ID = 2**63 - 1


def _without_control(text: str) -> str:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError("contains a control character; remove it")
    return text


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_without_control)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_without_control)]
Days = Annotated[int, Field(ge=1, le=3650)]
TokenDays = Annotated[int, Field(ge=1, le=3650, description="Days until it expires; null: 180.")]


class Body(BaseModel):
    """What a client sends: an unknown key is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid")


# --- submissions -------------------------------------------------------------------------------


class WaitOut(BaseModel):
    """How long until a queued run starts and ends, as 90 % ranges; null: no worker is connected, or organizers
    hold what waits."""

    position: int = Field(description="1 is next.")
    ahead: int
    start_low_s: float | None
    start_high_s: float | None
    finish_low_s: float | None
    finish_high_s: float | None
    held: str = Field(
        description="Why nothing starts on this GPU until organizers let it; else empty."
    )
    starts_after: datetime | None
    starts_before: datetime | None
    ends_after: datetime | None
    ends_before: datetime | None
    text: str = Field(description="The same in words.")


class MeasurementOut(BaseModel):
    """The time of one case with its 95 % confidence interval, in nanoseconds."""

    ns: float
    low_ns: float
    high_ns: float
    stderr_ns: float
    best_ns: float
    worst_ns: float
    samples: int
    clock: str = Field(description="host or device: which clock decided.")
    warnings: list[str]
    processes: int = Field(description="Fresh processes that the samples come from.")
    calls: int = Field(description="Calls per interval.")
    sm_mhz: float = Field(description="Clock of the device meanwhile; 0: unknown.")
    watts: float = Field(description="Power of the device meanwhile; 0: unknown.")


SPEED_OF_LIGHT = (
    "Fraction of the speed of light that was reached: 1 is as fast as this GPU can be. Absent where the "
    "problem or the GPU has none."
)


class CaseOut(BaseModel):
    stage: Stage
    index: int
    spec: str
    ok: bool
    message: str
    measurement: MeasurementOut | None
    light: float | None = Field(default=None, description=SPEED_OF_LIGHT)


class DeviceOut(BaseModel):
    """The machine the run really had."""

    kind: str
    name: str
    count: int
    memory_bytes: int
    sm_count: int
    capability: str
    driver: str


class HarnessOut(BaseModel):
    """Which judge measured, and how the submission was fenced in."""

    judge_digest: str
    protocol: int
    python: str
    torch: str
    triton: str
    isolation: str
    evidence: str = Field(
        description="What the deciding clock rests on: outside-clock, device-events-bounded or self-evaluated."
    )
    fences: list[str] = Field(description="Everything that held the submission, by name.")


class SpentOut(BaseModel):
    """Wall seconds of the run by stage; of a ranked run the next powers of two, but for organizers."""

    build_s: float
    check_s: float
    measure_s: float
    wall_s: float
    device_s: float


class DecisionOut(BaseModel):
    """What an organizer decided about a run that the judge had set aside, or about code that counted."""

    outcome: Outcome
    reason: str
    at: datetime


class ExpiredOut(BaseModel):
    """A file that a run left and that is not kept any more."""

    name: str
    at: datetime


class RunOut(BaseModel):
    """One submission on one GPU kind."""

    id: int
    gpu: str
    mode: Mode
    status: Status
    stage: str = Field(description="build, check or measure while running, else empty.")
    progress: str
    verdict: VerdictKind | None
    headline: str = Field(description="The verdict in one line.")
    message: str
    ranking: str = Field(description="Ranked or not ranked, and why.")
    decision: DecisionOut | None = Field(
        description="An organizer's, about a quarantined run or its code."
    )
    seconds: float | None = Field(description="The score.")
    error: float | None = Field(description="Relative standard error of the score.")
    light: float | None = Field(default=None, description=SPEED_OF_LIGHT)
    attempt: int
    wait: WaitOut | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    judged_stage: Stage | None = Field(description="Where the judge ended.")
    cases: list[CaseOut]
    log: str = Field(description="Output of the compiler or the program; empty for secret runs.")
    rule: str
    evidence: str
    artefacts: list[str] = Field(description="Names of the files it left and that are there.")
    artefacts_expired: list[ExpiredOut] = Field(description="Files it left that are gone.")
    device: DeviceOut | None
    harness: HarnessOut | None
    spent: SpentOut | None


class SubmissionOut(BaseModel):
    id: int
    leaderboard: str
    problem: str
    title: str
    competition: str
    user_id: int
    user_name: str
    mode: Mode
    file_name: str
    language: str
    channel: str
    status: Status
    done: bool
    repeated: bool = Field(description="Accepted before under the same Idempotency-Key.")
    note: str = Field(
        default="",
        description="What you should look at, as a file that names another leaderboard than the request. "
        "Empty where there is nothing, and in every answer but the one to submitting.",
    )
    repeats: int | None = Field(
        default=None,
        description="The submission that this one measures again: on a newer version of its problem or, where "
        "`channel` is `rejudge`, on the same one at an organizer's wish.",
    )
    created_at: datetime
    finished_at: datetime | None
    url: str
    events_url: str
    runs: list[RunOut]


class ArtefactOut(BaseModel):
    """A file that a run left."""

    run_id: int
    gpu: str
    name: str = Field(description="Unique among the files of the submission.")
    bytes: int
    media_type: str
    sha256: str
    created_at: datetime
    url: str


class ArtefactsOut(BaseModel):
    items: list[ArtefactOut]
    expired: list[ExpiredOut]


class SubmissionsOut(BaseModel):
    items: list[SubmissionOut]
    cursor: str | None


class EventOut(BaseModel):
    """The data of one server-sent event."""

    kind: str
    run_id: int | None
    gpu: str
    at: datetime
    data: dict[str, Any]


# --- leaderboards ------------------------------------------------------------------------------


SELF_EVALUATED = (
    "Whether the results are what the problem's own program says, which runs beside the submission, "
    "and not this judge's."
)


class LeaderboardOut(BaseModel):
    name: str
    competition: str
    problem: str
    title: str
    summary: str
    languages: list[str]
    gpus: list[str]
    scoring: str
    opens_at: datetime | None
    closes_at: datetime | None
    is_open: bool
    ranked_per_hour: int | None = Field(description="Ranked submissions a person may send an hour.")
    other_per_hour: int | None
    people: int = Field(
        description="With a standing on any GPU; in a freeze those whose standing is shown."
    )
    self_evaluated: bool = Field(description=SELF_EVALUATED)
    frozen_from: datetime | None = Field(
        default=None,
        description="What others reach from then on is shown from `frozen_until` on.",
    )
    frozen_until: datetime | None = None
    code_opens_at: datetime | None = Field(
        default=None, description="From then on everybody who sees it may read ranked code."
    )
    measured_again: int = Field(
        default=0, description="Submissions still to be measured on a new version of the problem."
    )


class LeaderboardsOut(BaseModel):
    items: list[LeaderboardOut]


class StandingOut(BaseModel):
    """A place. Times closer than their joint error share a rank, the earlier first."""

    rank: int
    position: int
    tied: bool
    user_id: int
    user_name: str
    submission_id: int
    seconds: float
    error: float = Field(description="Relative standard error.")
    runs: int
    submitted_at: datetime
    earlier_version: bool = Field(
        default=False,
        description="Rank and time are of an earlier version of the problem, kept until the code has been "
        "measured again; such items are behind all others, and their times compare with nothing here.",
    )
    unconfirmed: bool = Field(
        default=False,
        description="Measured by a machine that nobody vouches for; a trusted one has not said the same yet.",
    )
    device_timed: bool = Field(
        default=False,
        description="On a GPU, and timed by the device's own events only: `harness.evidence` of a run that counts in it "
        "is not `outside-clock`.",
    )


class StandingsOut(BaseModel):
    leaderboard: str
    gpu: str
    revision: int = Field(
        description="Another number with every change of these standings. It rises, but falls where a freeze "
        "begins, as changes that a freeze hides are not counted in one."
    )
    total: int
    items: list[StandingOut]
    mine: StandingOut | None
    cursor: str | None
    self_evaluated: bool = Field(description=SELF_EVALUATED)
    light_seconds: float | None = Field(
        default=None,
        description="The score of a run that takes every case at the speed of light; it divided by an "
        "entry's seconds is the fraction that the entry reached.",
    )
    frozen_until: datetime | None = Field(
        default=None,
        description="Until then results of others since the freeze began are left out.",
    )
    seen_through: bool = Field(
        default=False, description="They are not left out for you: you organize."
    )


class BestOut(BaseModel):
    """A personal best at the time it was set."""

    user_name: str
    submission_id: int
    seconds: float
    error: float
    at: datetime


class BestsOut(BaseModel):
    items: list[BestOut]
    cursor: str | None


class PauseOut(BaseModel):
    """A GPU kind takes no submissions; what runs ends."""

    gpu: str | None = Field(description="null: all of them.")
    reason: str
    holds: bool = Field(description="What waits is not begun either; else it is judged as ever.")
    since: datetime


class QueueOut(BaseModel):
    gpu: str
    queued: int
    running: int
    slots: int = Field(description="Runs at once over all connected workers; 0: none is connected.")
    oldest_s: float | None
    paused: PauseOut | None = Field(description="Not null: it takes no submissions now.")
    out_of_service: int = Field(description="Devices that are quarantined.")


class QueuesOut(BaseModel):
    items: list[QueueOut]


# --- problems and competitions -----------------------------------------------------------------


class ProblemSummaryOut(BaseModel):
    name: str
    title: str
    summary: str
    digest: str
    languages: list[str]
    scoring: str
    leaderboards: list[str]
    self_evaluated: bool = Field(description=SELF_EVALUATED)


class LightOut(BaseModel):
    """How fast one benchmark can be at best on one GPU kind."""

    gpu: str
    case: str
    seconds: float
    limiter: str = Field(description="memory, compute or link.")


class DtypeToleranceOut(BaseModel):
    rtol: float
    atol: float


class ToleranceOut(BaseModel):
    """What is right of an output: |got - expected| <= atol + rtol * |expected|, element by element."""

    rtol: float | None = Field(None, description="Null: every dtype it may have is named.")
    atol: float | None = None
    dtypes: dict[str, DtypeToleranceOut] = Field(
        default_factory=dict, description="Where the output is of this dtype, instead of the above."
    )


class ProblemOut(ProblemSummaryOut):
    statement: str = Field(description="Markdown.")
    tests: list[str]
    benchmarks: list[str]
    tolerances: list[ToleranceOut] = Field(description="One for all outputs, or one per output.")
    packages: list[str] = Field(description="What a submission may import beside torch and triton.")
    starters: dict[str, str] = Field(description="Style to source.")
    speed_of_light: list[LightOut] = Field(
        description="Of every benchmark on every GPU kind that has peaks; the fastest model of it."
    )


class ProblemsOut(BaseModel):
    items: list[ProblemSummaryOut]


class CompetitionOut(BaseModel):
    name: str
    title: str
    joined: bool = Field(description="Whether you came in with a code.")
    source: str = Field(
        description="The repository its files come from; empty: of this installation. A path on "
        "the server is shown to organizers only."
    )
    pinned: str = Field(description="The commit, if it comes from a repository.")
    definition: dict[str, Any] = Field(
        description="As its file says it, with what leaderboards inherit filled in."
    )


class CompetitionsOut(BaseModel):
    items: list[CompetitionOut]


class JoinIn(Body):
    code: str = Field(min_length=1, max_length=100)


class InviteIn(Body):
    most: int | None = Field(
        default=None, ge=1, le=1_000_000, description="How many people; absent: any number."
    )
    days: int | None = Field(default=None, ge=1, le=3650, description="Absent: without end.")


class InviteOut(BaseModel):
    id: int
    competition: str
    hint: str = Field(description="The first characters of the code.")
    most: int | None
    joined: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewInviteOut(InviteOut):
    code: str = Field(description="Shown this once.")


class InvitesOut(BaseModel):
    items: list[InviteOut]


class EventStandingsOut(BaseModel):
    """One problem on one GPU kind."""

    leaderboard: str
    gpu: str
    worth: float = Field(description="Points or weight of the problem.")
    counts: bool = Field(description="False where its speed of light is not known.")


class PartOut(BaseModel):
    """What somebody has in one event; without a rank the baseline stands in, or nothing does."""

    leaderboard: str
    gpu: str
    share: float
    rank: int | None
    seconds: float | None
    submission_id: int | None
    earlier_version: bool = Field(
        default=False,
        description="Of an earlier version of the problem, until it has been measured again.",
    )


class TotalOut(BaseModel):
    rank: int
    position: int
    tied: bool
    user_id: int
    user_name: str
    score: float = Field(description="Higher is better.")
    error: float = Field(description="Standard error of the score.")
    reached_at: datetime
    parts: list[PartOut]


class CompetitionStandingsOut(BaseModel):
    competition: str
    phase: str = Field(description="Empty where there are none.")
    scoring: dict[str, Any] = Field(description="As the competition's file says it.")
    events: list[EventStandingsOut]
    total: int
    items: list[TotalOut]
    mine: TotalOut | None
    cursor: str | None
    frozen_until: datetime | None
    seen_through: bool


# --- people ------------------------------------------------------------------------------------


class MeOut(BaseModel):
    user_id: int
    name: str
    role: str
    scopes: list[str]
    identities: list[dict[str, str]]
    banned_until: datetime | None
    ban_reason: str
    token_expires_at: datetime | None = Field(description="Null: this token has no end.")


class BalanceOut(BaseModel):
    """GPU-seconds within 24 hours, of the whole competition that the leaderboard belongs to."""

    gpu: str
    limit_s: float
    used_s: float
    reserved_s: float = Field(description="What waits or runs is expected to take.")
    left_s: float
    more_at: datetime | None = Field(
        description="When something is free again; null while something is left."
    )
    refills_at: datetime | None = Field(
        description="When the oldest of what was used is free again; null: nothing was used."
    )


class AllowanceOut(BaseModel):
    """What is left of the hourly allowance; null is without limit."""

    leaderboard: str
    competition: str
    ranked_left: int | None
    ranked_limit: int | None
    other_left: int | None
    other_limit: int | None
    gpu_seconds: list[BalanceOut] = Field(
        description="What is left of GPU-seconds, on the GPUs that have a limit."
    )


class AllowancesOut(BaseModel):
    items: list[AllowanceOut]


class TokenOut(BaseModel):
    id: int
    name: str
    hint: str = Field(description="First characters, to tell tokens apart.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewTokenOut(TokenOut):
    secret: str = Field(description="The token itself: shown this once.")


class TokensOut(BaseModel):
    items: list[TokenOut]


class TokenIn(Body):
    name: Name
    scopes: list[Scope] = Field(
        default=[Scope.READ, Scope.SUBMIT, Scope.TOKENS], min_length=1, max_length=len(Scope)
    )
    days: TokenDays | None = None


class RenewIn(Body):
    days: TokenDays | None = None


class LoginIn(Body):
    client: Name = Field(description="What asks to be let in, for its owner to recognize.")


class LoginOut(BaseModel):
    secret: str = Field(description="To ask for the token with; for nobody's eyes.")
    code: str = Field(description="To be typed where its owner is known: `/link` in Discord.")
    expires_at: datetime
    interval_s: int = Field(description="Seconds between two questions for the token.")


class CollectIn(Body):
    secret: str = Field(min_length=1, max_length=100, pattern="^[A-Za-z0-9_-]+$")


# --- administration ----------------------------------------------------------------------------


class UserIn(Body):
    """A person and a token for them."""

    name: Name
    token_name: Name = Field(default="first token")
    scopes: list[Scope] = Field(
        default=[Scope.READ, Scope.SUBMIT, Scope.TOKENS], min_length=1, max_length=len(Scope)
    )
    days: TokenDays | None = None


class BanIn(Body):
    reason: Reason
    days: Days | None = Field(default=None, description="Null: until it is lifted.")
    void: bool = Field(default=False, description="Take all of theirs out of the standings too.")


class ReasonIn(Body):
    reason: Reason


class PauseIn(ReasonIn):
    gpu: str | None = Field(
        default=None, min_length=1, max_length=100, description="A GPU kind; null: all of them."
    )
    hold: bool = Field(default=False, description="Begin nothing of what waits either.")


class ResumeIn(Body):
    gpu: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="null: the pause of all of them; those of single kinds stay.",
    )


class PausedOut(PauseOut):
    paused_by: str


class IntakeOut(BaseModel):
    items: list[PausedOut]


class HintOut(BaseModel):
    """What a reviewer may want to look at in the code; decides nothing."""

    rule: str
    line: int
    text: str


class RunHintsOut(BaseModel):
    run_id: int
    gpu: str
    hints: list[HintOut]


class HintsOut(BaseModel):
    items: list[RunHintsOut]


class SetAsideOut(BaseModel):
    """A quarantined run."""

    run_id: int
    submission_id: int
    leaderboard: str
    gpu: str
    mode: Mode
    user_name: str
    finished_at: datetime
    rule: str
    evidence: str
    hints: list[HintOut]
    cases: list[CaseOut]


class QuarantineOut(BaseModel):
    items: list[SetAsideOut]
    cursor: str | None


class RejudgeIn(Body):
    """What to judge again: submissions, or the first rows of a leaderboard."""

    submissions: list[Annotated[int, Field(ge=1, le=LARGEST_ID)]] = Field(
        default=[], max_length=100
    )
    leaderboard: Name | None = None
    gpu: Name | None = Field(default=None, description="Null: every GPU.")
    top: int = Field(default=3, ge=1, le=100, description="Of a leaderboard, on each GPU.")
    dry_run: bool = Field(default=False, description="Queue nothing; only say what would be.")


class ScoreOut(BaseModel):
    seconds: float
    error: float = Field(description="Relative standard error.")
    runs: int


class RejudgeOut(BaseModel):
    """An entry that is judged again."""

    submission_id: int = Field(description="The first of its code.")
    leaderboard: str
    gpu: str
    user_name: str
    state: Rejudged
    text: str = Field(description="What that means, and what is to be done.")
    counted: ScoreOut | None = Field(description="What counted before this run.")
    rejudge_id: int | None = Field(description="The submission that judges it again.")
    run_id: int | None
    score: ScoreOut | None = Field(description="Of the new run.")
    apart: float | None = Field(
        description="Joint standard errors between the two; positive: it is slower."
    )
    under_way: bool = Field(description="It had been asked for before and is not queued twice.")
    same_worker: bool | None = Field(
        description="Whether an earlier run was judged by the same worker; null: it has not begun."
    )
    device: str
    earlier_devices: list[str]
    created_at: datetime | None
    finished_at: datetime | None


class RejudgesOut(BaseModel):
    items: list[RejudgeOut]
    cursor: str | None


class AuditOut(BaseModel):
    items: list[dict[str, Any]]
    cursor: str | None


class DoneOut(BaseModel):
    """It is done."""

    done: bool = True


# --- operations --------------------------------------------------------------------------------


class HealthOut(BaseModel):
    status: str
    version: str


class ReadyOut(BaseModel):
    model_config = ConfigDict(extra="allow")

    status: str
