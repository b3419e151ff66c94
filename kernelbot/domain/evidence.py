"""What the time of a run rests on, and whether that is enough to be ranked. Pure."""

from __future__ import annotations

from dataclasses import replace

from kernelbot.judge.protocol import Mode, Verdict, VerdictKind

OUTSIDE = "outside-clock"
"""The judge's own clock, in another process than what is timed."""
EVENTS = "device-events-bounded"
OWN_PROGRAM = "self-evaluated"

RULE = "evidence"
"""Of runs that are set aside because their times rest on less than is demanded."""

WORDS = {
    OUTSIDE: "the judge's own clock",
    EVENTS: "the device's own events only",
    OWN_PROGRAM: "the problem's own program",
}
MESSAGE = "All answers are right, but their times rest on less than this server ranks: an organizer must look."


def is_weak(kind: str, evidence: str) -> bool:
    """Whether times on this kind of device rest on less than the judge's own clock."""
    return kind != "cpu" and evidence != OUTSIDE


def held(found: Verdict, mode: Mode, demanded: str) -> Verdict:
    """The verdict as it is recorded where ``demanded`` is the evidence that ranked runs must have ("": any will do): with
    less it is set aside. One that is set aside already keeps its rule, and says both."""
    if not demanded or mode is not Mode.RANKED or not found.measurements:
        return found
    if not is_weak(found.device.kind, found.harness.evidence):
        return found
    lacking = _lacking(found, demanded)
    if found.kind is VerdictKind.QUARANTINED:
        return replace(found, evidence=f"{found.evidence}; {lacking}")
    return replace(
        found, kind=VerdictKind.QUARANTINED, rule=RULE, evidence=lacking, message=MESSAGE
    )


def _lacking(found: Verdict, demanded: str) -> str:
    words = WORDS.get(found.harness.evidence, "nothing that this server knows")
    return (
        f"timed by {words} ({found.harness.evidence[:40]}) on {found.device.name[:80] or 'a GPU'}, where this server "
        f"ranks {demanded} (KERNELBOT_EVIDENCE): code that replaces the runtime could have said when it was done"
    )
