"""What services hand to the channels: read models, one shape for API, Discord, web and CLI.

Times of kernels are seconds as float; points in time are aware datetimes in UTC. Text that came
from people (names, logs, file names) is as they wrote it: every channel escapes it for its own medium.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernelbot.domain.budget import Balance
from kernelbot.domain.competition_scoring import CompetitionScoring, Total
from kernelbot.domain.ranking import Standing
from kernelbot.domain.scoring import Score
from kernelbot.domain.submission import Decision, Rejudged, Status
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import CaseResult, Hint, Mode, Verdict, VerdictKind


@dataclass(frozen=True, kw_only=True)
class ArtefactView:
    """A file that a run left for its owner."""

    id: int
    run_id: int
    gpu: str
    name: str  # unique among the files of the submission
    bytes: int
    media_type: str
    sha256: str
    created_at: datetime
    expired_at: datetime | None = None  # it is gone


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run as its owner may see it. ``verdict`` holds cases, times, log, device and harness."""

    id: int
    gpu: str
    mode: Mode
    status: Status
    stage: str  # build | check | measure while running, else ""
    progress: str  # "check 3 of 5" while running, else ""
    kind: VerdictKind | None
    message: str  # one sentence: what happened
    ranking: str  # "Ranked 3rd ..." | "Not ranked: why"
    seconds: float | None  # the score of this run
    error: float | None  # its relative standard error
    attempt: int
    wait: Wait | None  # while queued
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    verdict: Verdict | None = None
    artefacts: tuple[ArtefactView, ...] = ()  # those that have expired too
    decision: Decision | None = None  # a person's, about a run that had been set aside
    note: str = ""  # why a passed ranked run does not count
    light: float | None = None  # the fraction of the speed of light that the score stands for
    bounds: tuple[float | None, ...] = ()  # seconds of the speed of light of each benchmark

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that it left and that are there."""
        return tuple(item.name for item in self.artefacts if item.expired_at is None)


@dataclass(frozen=True, kw_only=True)
class RunHints:
    """What a reviewer may want to look at in the code of one run."""

    run_id: int
    gpu: str
    hints: tuple[Hint, ...]


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A quarantined run as organizers see it."""

    run_id: int
    submission_id: int
    leaderboard: str
    gpu: str
    mode: Mode
    user_name: str
    finished_at: datetime
    rule: str
    evidence: str
    hints: tuple[Hint, ...]
    cases: tuple[CaseResult, ...]


@dataclass(frozen=True, kw_only=True)
class RejudgeView:
    """An entry that is judged again, as organizers see it."""

    submission_id: int  # the first of its code
    leaderboard: str
    gpu: str
    user_name: str
    state: Rejudged
    text: str  # what that means and what is to be done
    counted: Score | None  # what the runs before it make; None: none of them counts any more
    rejudge_id: int | None = None  # the submission that judges it again; None: only planned
    run_id: int | None = None
    score: Score | None = None  # of the new run
    apart: float | None = None  # joint standard errors between the two; positive: it is slower
    under_way: bool = False  # it had been asked for before
    same_worker: bool | None = None  # one that an earlier run was judged by; None: not begun
    device: str = ""
    earlier_devices: tuple[str, ...] = ()
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SubmissionView:
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
    created_at: datetime
    finished_at: datetime | None
    runs: tuple[RunView, ...]
    repeated: bool = False  # accepted before under the same idempotency key
    note: str = ""  # what whoever sends it should look at; in the answer to sending it alone
    repeats: int | None = None  # the submission that this one measures again

    @property
    def done(self) -> bool:
        return self.status.final


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A time to hold another against: one's own best, or the one in front."""

    submission_id: int
    seconds: float
    error: float
    rank: int | None = None  # whose place it is; None: it is one's own


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a passed run stands against its owner's other code and the place in front of theirs."""

    run_id: int
    seconds: float  # what is held against the place in front: of a ranked run its owner's standing
    best: Reached | None  # their best other code that counts; of an unranked run their best code
    ahead: Reached | None  # the place in front; None: nobody is faster


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changed from one's own submission to another of theirs."""

    before: int
    after: int
    text: str  # in the form of ``diff -u``; empty: the same code


@dataclass(frozen=True, kw_only=True)
class CodeView:
    """What somebody handed in, and under which licence it may be read by others."""

    file_name: str
    content: bytes
    licence: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list. ``cursor`` asks for the next part; None: there is no more."""

    items: tuple[Any, ...]
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class EventView:
    """A step of a submission. ``id`` rises; ``state`` events repeat the whole and have id 0."""

    id: int
    # started | stage | case | retry | finished | cancelled | decided | rejudge | done | wait
    kind: str
    run_id: int | None
    gpu: str
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class LeaderboardView:
    name: str
    competition: str
    problem: str
    title: str
    summary: str
    languages: tuple[str, ...]
    gpus: tuple[str, ...]
    scoring: str
    opens_at: datetime | None
    closes_at: datetime | None
    is_open: bool
    ranked_per_hour: int | None
    other_per_hour: int | None
    people: int  # with a standing, over all GPUs; in a freeze with one that is shown
    self_evaluated: bool = False  # times are what the problem's own program said
    frozen_from: datetime | None = None  # what others reach between the two is shown after
    frozen_until: datetime | None = None
    code_opens_at: datetime | None = None  # from then on ranked code can be read; None: never
    measured_again: int = 0  # submissions that are still to be, after a new version of the problem


@dataclass(frozen=True, kw_only=True)
class CompetitionView:
    """A competition as its organizer wrote it, and the reader's part in it."""

    document: dict[str, Any]  # domain.competition.Competition reads it
    joined: bool
    source: str  # where its files came from; empty: the installation's own
    pinned: str  # the commit, of a repository


@dataclass(frozen=True, kw_only=True)
class EventStandings:
    """One problem on one GPU, as a column of the standings of a competition."""

    leaderboard: str
    gpu: str
    worth: float  # points or weight of the problem
    counts: bool  # False: its speed of light is not known, so nobody has a share of it


@dataclass(frozen=True, kw_only=True)
class TotalsPage:
    """Standings across the problems of a competition, or of one of its phases."""

    competition: str
    phase: str
    scoring: CompetitionScoring
    events: tuple[EventStandings, ...]  # each item's parts are those of the ones that count
    total: int
    items: tuple[Total, ...]
    mine: Total | None
    cursor: str | None
    frozen_until: datetime | None = None
    seen_through: bool = False


@dataclass(frozen=True, kw_only=True)
class InviteView:
    """A code that lets people into a competition."""

    id: int
    competition: str
    hint: str  # first characters, to tell codes apart
    most: int | None  # how many people; None: any number
    joined: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    code: str | None = None  # only in the answer that made it


@dataclass(frozen=True, kw_only=True)
class StandingsPage:
    """One leaderboard on one GPU, in ranking order. ``mine`` is always there for who is on it."""

    leaderboard: str
    gpu: str
    revision: int
    total: int
    items: tuple[Standing, ...]
    mine: Standing | None
    cursor: str | None
    self_evaluated: bool = False
    light_seconds: float | None = None  # the score of somebody as fast as can be
    frozen_until: datetime | None = None  # till then others' newer results are not shown
    seen_through: bool = False  # but to this reader


@dataclass(frozen=True, kw_only=True)
class OwnPlace:
    """Where the reader stands on one leaderboard and GPU."""

    leaderboard: str
    gpu: str
    standing: Standing
    total: int


@dataclass(frozen=True, kw_only=True)
class BestView:
    """A personal best at the time it was set."""

    user_name: str
    submission_id: int
    seconds: float
    error: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class RecordView:
    """A time that was faster than all before it."""

    user_id: int
    seconds: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class BoardStory:
    """A leaderboard on one GPU as everybody who sees it is shown it, to be drawn: who leads, and how the
    record fell. Nothing in it is the reader's alone; in a freeze it ends where that began, for organizers too."""

    leaderboard: str
    title: str
    gpu: str
    total: int
    first: tuple[Standing, ...]  # the first few rows
    records: tuple[RecordView, ...]  # the oldest first
    light_seconds: float | None
    until: datetime  # where its time ends: now, or when it closed or froze
    frozen_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class LightView:
    """How fast one benchmark can be at best on one GPU kind, and what limits it."""

    gpu: str
    case: str
    seconds: float
    limiter: str  # memory | compute | link


@dataclass(frozen=True, kw_only=True)
class ProblemView:
    name: str
    title: str
    summary: str
    statement: str
    digest: str
    languages: tuple[str, ...]
    scoring: str
    tests: tuple[str, ...]
    benchmarks: tuple[str, ...]
    tolerances: tuple[dict[str, Any], ...]  # rtol, atol; dtypes: the same by dtype
    starters: dict[str, str]  # language or style -> source
    starter_suffixes: dict[str, str]  # language or style -> ".py"
    leaderboards: tuple[str, ...]
    speed_of_light: tuple[LightView, ...] = ()
    self_evaluated: bool = False
    packages: tuple[str, ...] = ()  # what a submission may import beside torch and triton


@dataclass(frozen=True, kw_only=True)
class TokenView:
    id: int
    name: str
    hint: str  # first characters, to tell tokens apart
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    secret: str | None = None  # only in the answer that made it


@dataclass(frozen=True, kw_only=True)
class MeView:
    user_id: int
    name: str
    role: str
    scopes: tuple[str, ...]
    identities: tuple[dict[str, str], ...]
    banned_until: datetime | None
    ban_reason: str
    token_expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AllowanceView:
    """What is left of the hourly allowance on one leaderboard; None is without limit."""

    leaderboard: str
    competition: str
    ranked_left: int | None
    ranked_limit: int | None
    other_left: int | None
    other_limit: int | None
    gpu_seconds: tuple[
        Balance, ...
    ] = ()  # in its whole competition, by GPU; what is not there has no limit


@dataclass(frozen=True, kw_only=True)
class PauseView:
    """A GPU kind takes no submissions."""

    gpu: str | None  # None: all of them
    reason: str
    holds: bool  # what waits is not begun either
    since: datetime
    paused_by: str = ""  # for organizers


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """The state of one GPU's queue."""

    gpu: str
    queued: int
    running: int
    slots: int  # 0: no worker is connected
    oldest_s: float | None  # how long the longest waiting run has waited
    paused: PauseView | None = None  # it takes no submissions now
    out_of_service: int = 0  # devices that are quarantined


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """Something to tell a channel, claimed from the outbox: acknowledge it with its id."""

    id: int
    key: str
    topic: str  # "podium" | "reveal" | "finished" | "decided"
    payload: dict[str, Any]
    attempt: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Card:
    """The Discord message that shows a submission while it runs."""

    submission_id: int
    channel_id: int
    message_id: int | None
    user_subject: str
    shown: str
    closed: bool
    locale: str  # of its owner


@dataclass(frozen=True, kw_only=True)
class Podium:
    """A change among the first three, ready to be worded."""

    leaderboard: str
    title: str
    gpu: str
    channel: str
    user_name: str
    rank: int
    tied: bool
    seconds: float
    error: float
    previous_seconds: float | None
    displaced_name: str | None
    displaced_seconds: float | None
    submission_id: int
    light_seconds: float | None = None  # of somebody as fast as can be, where that is known

    @property
    def is_record(self) -> bool:
        """Faster, beyond doubt, than whoever was fastest before."""
        return self.rank == 1 and not self.tied and self.margin is not None

    @property
    def margin(self) -> float | None:
        """The change against the time that held this place before; None: nobody did, or the two cannot be
        told apart."""
        before = self.displaced_seconds or self.previous_seconds
        return None if self.tied or not before else self.seconds / before - 1


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somebody among the first three."""

    rank: int
    tied: bool
    user_name: str
    seconds: float
    error: float


@dataclass(frozen=True, kw_only=True)
class RevealedPodium:
    gpu: str
    places: tuple[Place, ...]
    more: int  # who share a place with them and are left out


@dataclass(frozen=True, kw_only=True)
class Reveal:
    """What stands on a leaderboard when its freeze has ended, ready to be worded."""

    leaderboard: str
    title: str
    channel: str
    podiums: tuple[RevealedPodium, ...]
    unjudged: int  # ranked runs that had not ended then


@dataclass(frozen=True, kw_only=True)
class GuildView:
    """What was chosen for a server of Discord."""

    guild_id: int
    announcements_channel: int | None = None  # None: the channel of the name that is set for all
    competitions_category: int | None = None  # None: it shows no competitions as forums
    changed_by: int | None = None
    changed_at: datetime | None = None
