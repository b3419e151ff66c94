"""A submission and its runs: the words for where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernelbot.domain import evidence
from kernelbot.errors import InvalidInput, did_you_mean
from kernelbot.judge.protocol import Mode, VerdictKind


class Status(StrEnum):
    """Of a run, and of a submission (which is done when all its runs are)."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (Status.DONE, Status.CANCELLED)


class Rejudged(StrEnum):
    """What has come of judging an entry again."""

    PLANNED = "planned"  # nothing was asked for yet
    QUEUED = "queued"
    RUNNING = "running"
    AGREES = "agrees"  # and is pooled with the earlier runs
    DIFFERS = "differs"  # its time; waits for an organizer
    FAILED = "failed"  # where the earlier runs passed; waits for an organizer
    CONTRADICTS = "contradicts"  # the judge set it aside by itself; waits for an organizer
    RELEASED = "released"
    REFUSED = "refused"
    JUDGE_FAILED = "judge_failed"  # ours: it says nothing about the entry
    CANCELLED = "cancelled"
    OUTDATED = "outdated"  # the problem got another version meanwhile


class Outcome(StrEnum):
    """What a person decided about a run: that the judge had set aside, or that counted."""

    RELEASED = "released"
    REFUSED = "refused"
    VOIDED = "voided"  # its code is off the leaderboard
    RESTORED = "restored"  # and was put back


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decided about a run, for its owner to read."""

    outcome: Outcome
    reason: str
    at: datetime


PRIORITY = {Mode.TEST: 10, Mode.BENCHMARK: 20, Mode.PROFILE: 20, Mode.RANKED: 30}
"""Ranked before benchmark before test: of what is equal otherwise (``fairness``) the higher goes first."""

FIRST_PRIORITY = 1000
"""Of what an administrator has put before everything else."""

REPEAT_PRIORITY = 5
"""Of what is measured again without anybody waiting for it."""

REJUDGE = "rejudge"
"""The channel of what is judged again, on the same version of its problem, at an organizer's wish."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What somebody wants to submit, as it arrived: nothing in it has been checked."""

    code: bytes
    file_name: str
    leaderboard: str | None = None
    gpus: tuple[str, ...] = ()
    mode: str = Mode.TEST.value
    profile_case: int | None = None  # which benchmark to profile; None: as the file says
    idempotency_key: str | None = None


def parse_mode(word: str) -> Mode:
    """The mode a person meant; the field's ``leaderboard`` is our ``ranked``."""
    plain = word.strip().lower()
    if plain == "leaderboard":
        return Mode.RANKED
    try:
        return Mode(plain)
    except ValueError:
        choices = ", ".join(mode.value for mode in Mode)
        hint = did_you_mean(plain, [mode.value for mode in Mode])
        raise InvalidInput(
            f"There is no mode {word[:40]!r}. Choose one of: {choices}.{hint}",
            code="unknown_mode",
            detail={"choices": [mode.value for mode in Mode]},
        ) from None


def ranking_note(
    mode: Mode, status: Status, verdict: VerdictKind | None, note: str = "", rule: str = ""
) -> str:
    """The last line of every report: ranked or not ranked, and why.

    ``note`` is what the recording of the run had to add (a ban, a new version of the problem, that it was
    judged again), or why it was never begun; ``rule`` the one that a run was set aside by.
    """
    if status is Status.CANCELLED:
        return f"Not ranked: {note or 'it was cancelled.'}"
    if not status.final:
        return "Not decided yet."
    if note and verdict is not VerdictKind.PASSED:
        return f"Not ranked: {note}"
    if verdict is VerdictKind.JUDGE_FAILED:
        return "Not ranked: our machine failed, not your code. It does not count against you; send it again."
    if mode is not Mode.RANKED:
        return f"Not ranked: this was a {mode.value} run. Submit with mode 'ranked' to count."
    if verdict is VerdictKind.QUARANTINED and rule == evidence.RULE:
        return "Not ranked: its times rest on too little; an organizer will look and decide."
    if verdict is VerdictKind.QUARANTINED:
        return "Not ranked: its times contradict each other; an organizer will look and decide."
    if verdict is not VerdictKind.PASSED:
        kind = (verdict or VerdictKind.JUDGE_FAILED).value.replace("_", " ")
        return f"Not ranked: {kind}."
    return f"Not ranked: {note}" if note else "Ranked."
