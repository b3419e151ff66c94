"""Modes as people write them, and the last line of every report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.submission import PRIORITY, Status, parse_mode, ranking_note
from kernelbot.errors import InvalidInput
from kernelbot.judge.protocol import Mode, VerdictKind


@pytest.mark.parametrize(
    ("word", "mode"),
    [("test", Mode.TEST), (" Ranked ", Mode.RANKED), ("LEADERBOARD", Mode.RANKED)],
)
def test_a_mode_is_read_as_people_write_it(word: str, mode: Mode) -> None:
    assert parse_mode(word) is mode


def test_an_unknown_mode_is_answered_with_the_choices_and_the_nearest() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_mode("benchmrk")

    assert refusal.value.detail["choices"] == ["test", "benchmark", "profile", "ranked"]
    assert "Did you mean 'benchmark'?" in refusal.value.message


@given(st.text())
def test_no_word_makes_the_mode_fail_with_anything_but_a_refusal(word: str) -> None:
    said = ""
    try:
        parse_mode(word)
    except InvalidInput as refusal:
        said = refusal.message
    assert len(said) < 400


def test_what_counts_waits_least() -> None:
    assert PRIORITY[Mode.RANKED] == max(PRIORITY.values())
    assert set(PRIORITY) == set(Mode)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verdict", [None, *VerdictKind])
def test_the_last_line_says_ranked_or_not_and_why(
    mode: Mode, status: Status, verdict: VerdictKind | None
) -> None:
    line = ranking_note(mode, status, verdict)

    if not status.final:
        assert line == "Not decided yet."
    else:
        counts = (mode, status, verdict) == (Mode.RANKED, Status.DONE, VerdictKind.PASSED)
        assert line.startswith("Ranked") == counts
        assert line.startswith("Not ranked: ") != counts
    assert line.endswith(".")


def test_our_own_failure_is_never_told_as_the_persons() -> None:
    line = ranking_note(Mode.RANKED, Status.DONE, VerdictKind.JUDGE_FAILED)

    assert "our machine failed" in line
    assert "not count against you" in line


def test_a_note_is_the_reason() -> None:
    line = ranking_note(Mode.RANKED, Status.DONE, VerdictKind.PASSED, "the account is suspended.")

    assert line == "Not ranked: the account is suspended."


@pytest.mark.parametrize("verdict", [VerdictKind.JUDGE_FAILED, VerdictKind.QUARANTINED])
def test_what_was_judged_again_is_said_instead_of_what_the_verdict_alone_would_mean(
    verdict: VerdictKind,
) -> None:
    line = ranking_note(Mode.RANKED, Status.DONE, verdict, "the place stays.")

    assert line == "Not ranked: the place stays."


def test_a_run_that_rests_on_too_little_is_not_said_to_contradict_itself() -> None:
    told = [
        ranking_note(Mode.RANKED, Status.DONE, VerdictKind.QUARANTINED, rule=rule)
        for rule in ("evidence", "clock")
    ]

    assert "rest on too little" in told[0]
    assert "contradict each other" in told[1]
