"""What a time rests on decides whether it may be ranked where somebody has said what is needed."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbot.domain import evidence
from kernelbot.judge.protocol import Device, Mode, Verdict, VerdictKind
from tests.factories import make_verdict


def timed(said: str, kind: str = "cuda", verdict: VerdictKind = VerdictKind.PASSED) -> Verdict:
    found = make_verdict(verdict)
    return dataclasses.replace(
        found,
        device=Device(kind=kind, name="NVIDIA H200"),
        harness=dataclasses.replace(found.harness, evidence=said),
    )


@pytest.mark.parametrize("said", [evidence.EVENTS, evidence.OWN_PROGRAM, "host-clock", "new-words"])
def test_a_ranked_time_of_a_gpu_that_rests_on_less_is_set_aside_with_what_it_lacks(
    said: str,
) -> None:
    held = evidence.held(timed(said), Mode.RANKED, evidence.OUTSIDE)

    assert (held.kind, held.rule) == (VerdictKind.QUARANTINED, "evidence")
    assert said in held.evidence
    assert "NVIDIA H200" in held.evidence
    assert "KERNELBOT_EVIDENCE" in held.evidence
    assert "an organizer must look" in held.message
    assert held.measurements == timed(said).measurements


@pytest.mark.parametrize(
    ("found", "mode", "demanded"),
    [
        (timed(evidence.OUTSIDE), Mode.RANKED, evidence.OUTSIDE),
        (timed("host-clock", kind="cpu"), Mode.RANKED, evidence.OUTSIDE),
        (timed(evidence.EVENTS), Mode.RANKED, ""),
        (timed(evidence.EVENTS), Mode.BENCHMARK, evidence.OUTSIDE),
        (timed(evidence.EVENTS, verdict=VerdictKind.CRASHED), Mode.RANKED, evidence.OUTSIDE),
    ],
    ids=["by the outside clock", "on a CPU", "not demanded", "not ranked", "without times"],
)
def test_everything_else_is_recorded_as_it_came(found: Verdict, mode: Mode, demanded: str) -> None:
    assert evidence.held(found, mode, demanded) is found


def test_what_is_set_aside_already_keeps_its_rule_and_says_both() -> None:
    doubted = dataclasses.replace(
        timed(evidence.EVENTS, verdict=VerdictKind.QUARANTINED),
        rule="floor",
        evidence="faster than light",
        message="Look at it.",
    )

    held = evidence.held(doubted, Mode.RANKED, evidence.OUTSIDE)

    assert (held.rule, held.message) == ("floor", "Look at it.")
    assert held.evidence.startswith("faster than light; timed by the device's own events only")
