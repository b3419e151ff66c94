"""What was found out about a problem, and what follows from it. Pure: no torch, no files.

A *null solution* is an answer that somebody could give without doing the work: zeros, an input
handed back, half of the sum, the reference in too low a precision. A check that accepts one of them
is *vacuous*: it would pay the prize for nothing.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kernelbot.judge.protocol import Limits, from_json

AUDIT_FILE = "audit.json"
"""Where a process leaves what it found out about a problem."""
SO_FAR_FILE = "so_far.json"
"""The same of one that ended too early."""

VERSION = 1
"""Raised when what was found fit before may no longer be."""

NOISY = 0.1
"""Of the tolerance: two runs of the reference that are further apart deserve a word."""
TIGHT = 0.5
"""Of the tolerance: a reference further than this from its fp64 self leaves little room for others."""
ROOM = 2.0
"""A limit is at least this many times what the slowest right example took."""


class Level(enum.StrEnum):
    REFUSED = "refused"  # the problem must not be published like this
    WARNING = "warning"  # somebody should look at it
    NOTE = "note"  # worth knowing


class Weight(enum.StrEnum):
    """What it means when a null solution is accepted."""

    NULL = "null"  # the check is vacuous
    INPUT = "input"  # the check is vacuous, unless the answer really does not depend on that
    HINT = "hint"  # what competitors may get away with: for the author to know


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the problem's check said to one null solution on one case."""

    name: str
    weight: Weight
    accepted: bool
    equal: bool = False  # it is the reference's answer bit for bit, or as near as a second run
    distance: float | None = None  # largest error, in tolerances; None: without measure
    wrong: float | None = None  # share of wrong elements among those looked at

    @property
    def measured(self) -> bool:
        return self.distance is not None or self.wrong is not None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How near a second opinion is to the reference's answer."""

    accepted: bool
    equal: bool = False  # bit for bit
    distance: float | None = None  # in tolerances
    error: float | None = None  # the largest difference of an element, as a number


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How far apart answers to one input are that nobody could call wrong."""

    distance: float | None  # in tolerances; None: nothing is tolerated, or the check is its own
    error: float | None  # as a number


@dataclass(frozen=True, kw_only=True)
class CaseAudit:
    """What was found on one case."""

    where: tuple[str, ...]  # "tests[2]": the places that ask for it
    spec: str
    fault: str = ""  # the problem's code failed; nothing else is known then
    lacking: str = (
        ""  # what this machine has not got, if that is why: "a GPU", "the package 'aiter'"
    )
    generate_s: float = 0.0
    reference_s: float = 0.0
    memory_bytes: int = 0  # at the peak, of input, answer and reference together
    data_bytes: int = 0  # of the input's tensors
    answer_bytes: int = 0
    changes_input: bool = False
    same_input: bool = True  # twice from one seed
    rerun: Agreement | None = None  # the reference once more
    wide: Agreement | None = None  # the reference in fp64
    nudged: Agreement | None = None  # the reference on inputs that are off by an fp32's last bit
    probes: tuple[Probe, ...] = ()
    untried: int = 0  # null solutions there was no time for

    @property
    def timed(self) -> bool:
        return any(place.startswith("benchmarks") for place in self.where)

    @property
    def name(self) -> str:
        return (
            f"{' and '.join(self.where)} ({self.spec})" if self.spec else " and ".join(self.where)
        )

    @property
    def noise(self) -> Noise | None:
        """The noise floor: what right answers differ by that come from another run, another precision
        or another last bit. None where there is no second opinion.

        What the check refuses is none: where the reference rounds its input or compares, a last bit
        can make another answer."""
        opinions = (self.rerun, self.wide, self.nudged)
        found = [item for item in opinions if item is not None and item.accepted]
        if not found:
            return None
        distances = [item.distance for item in found]
        errors = [item.error for item in found]
        return Noise(
            distance=None if None in distances else max(filter(None, distances), default=0.0),
            error=None if None in errors else max(filter(None, errors), default=0.0),
        )

    @property
    def nearest(self) -> Probe | None:
        """The refused null solution that came nearest to passing."""
        refused = [
            probe
            for probe in self.probes
            if not probe.accepted and probe.weight is not Weight.HINT and probe.measured
        ]
        return min(refused, key=_farness, default=None)


def _farness(probe: Probe) -> tuple[float, float]:
    return (
        math.inf if probe.distance is None else probe.distance,
        1.0 if probe.wrong is None else probe.wrong,
    )


@dataclass(frozen=True, kw_only=True)
class Right:
    """A null solution that is a right answer to this problem, as its author says."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything that was found about one problem on one device."""

    problem: str
    device: str  # "cpu" | "cuda"
    device_name: str
    torch: str
    own_check: bool  # the problem compares in its own way
    seeded: bool  # inputs must be functions of the seed
    as_given: bool = False  # written for the field's platform, and not to be changed for this one
    untested: str = ""  # why no null solution could be tried at all
    left: tuple[str, ...] = ()  # cases that nothing is known of: "benchmarks[3]"
    left_for: str = "take longer than there was time"  # why
    overdue: str = ""  # where it hung, for how long
    right: tuple[Right, ...] = ()
    cases: tuple[CaseAudit, ...] = ()
    version: int = VERSION

    @property
    def trials(self) -> int:
        return sum(len(case.probes) for case in self.cases)

    @property
    def noise(self) -> Noise | None:
        """The noise floor of the case that has the highest; None where no case has one."""
        found = [case.noise for case in self.cases if case.noise is not None]
        return max(
            found, key=lambda noise: (noise.distance or 0.0, noise.error or 0.0), default=None
        )

    @property
    def margin(self) -> float | None:
        """How many tolerances the nearest refused null solution of all cases is away."""
        nearest = [case.nearest.distance for case in self.cases if case.nearest is not None]
        return min((far for far in nearest if far is not None), default=None)

    @property
    def tried(self) -> bool:
        """Whether the check was asked anything."""
        return any(not case.fault for case in self.cases)

    @property
    def gaps(self) -> dict[str, list[str]]:
        """Cases of a task of the field that were not tried here, by what they want: such tasks say
        nothing of processors, so that is no mistake of theirs."""
        found: dict[str, list[str]] = {}
        for case in self.cases if self.as_given else ():
            if case.fault and case.lacking:
                found.setdefault(f"take {case.lacking}", []).extend(case.where)
        if self.left:
            found[self.left_for] = list(self.left)
        return found

    @property
    def gap(self) -> str:
        """The same in words; empty: everything was tried."""
        total = sum(len(case.where) for case in self.cases) + len(self.left)
        return " and ".join(
            f"{len(places)} of {total} cases {wants}" for wants, places in self.gaps.items()
        )


def read(text: bytes) -> Audit:
    """An audit as it was written. Raises ValueError for anything else."""
    codec: Any = from_json
    found: Audit = codec(Audit, json.loads(text))
    return found


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the judge said to one of the problem's own submissions."""

    path: str
    expect: str  # verdict
    got: str
    message: str = ""
    seconds: float = 0.0  # of wall clock
    build_s: float = 0.0
    check_s: float = 0.0
    measure_s: float = 0.0
    times_ns: tuple[float, ...] = ()  # of the benchmarks
    light: tuple[str, ...] = ()  # where each stands: "71 % of speed of light (memory-bound)"

    @property
    def as_expected(self) -> bool:
        return self.got == self.expect


@dataclass(frozen=True, kw_only=True)
class Finding:
    level: Level
    text: str
    vacuous: str = ""  # the null solution that the check takes; somebody may want it like that


def publishable(found: Iterable[Finding]) -> bool:
    return all(item.level is not Level.REFUSED for item in found)


# --- what follows from an audit ----------------------------------------------------------------


def of_audit(audit: Audit) -> list[Finding]:
    """Everything to say about an audit, the worst first."""
    found = list(_of_cases(audit))
    if audit.untested:
        text = f"No null solution was tried: {audit.untested}."
        found.append(Finding(level=Level.WARNING, text=text))
    for wants, places in audit.gaps.items():
        why = next((case.fault for case in audit.cases if case.where[0] == places[0]), "")
        said = f" ({why})" if why else ""
        text = f"Not tried here: {some(places)}, which {wants}{said}."
        found.append(Finding(level=Level.WARNING, text=text))
    found += _of_nudged(audit)
    found += _of_nulls(audit)
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


def _of_cases(audit: Audit) -> Iterable[Finding]:
    """What there is to say of single cases; of several together where it is the same."""
    places: dict[Finding, list[CaseAudit]] = {}
    for case in audit.cases:
        for found in _of_case(case, audit):
            places.setdefault(found, []).append(case)
    for found, cases in places.items():
        yield replace(found, text=f"{_listed(cases)}: {found.text}")


def _of_case(case: CaseAudit, audit: Audit) -> Iterable[Finding]:
    if case.fault:
        if not (audit.as_given and case.lacking):
            yield Finding(level=Level.REFUSED, text=case.fault)
        return
    if case.rerun is not None and case.rerun.equal and not case.rerun.accepted:
        text = "the check refuses the reference's own answer. Nobody could pass."
        yield Finding(level=Level.REFUSED, text=text)
        return
    if case.changes_input:
        text = "the reference changes its input. Work on a copy."
        yield Finding(level=Level.REFUSED, text=text)
    if not case.same_input:
        yield Finding(
            level=Level.REFUSED if audit.seeded else Level.WARNING,
            text="one seed gave two different inputs. "
            "Draw all numbers from a torch.Generator made of the seed.",
        )
    yield from _of_agreement(
        case.rerun, NOISY, level=Level.REFUSED,
        refused="the reference gave two answers to one input, and its check refuses the second. "
        "A right submission would pass by luck.",
        apart="two runs of the reference are apart by",
    )  # fmt: skip
    yield from _of_agreement(
        case.wide, TIGHT, level=Level.WARNING,
        refused="the reference on the same input in fp64 is refused. The reference rounds more than "
        "the tolerance allows others.",
        apart="others have little room left; the reference differs from itself in fp64 by",
    )  # fmt: skip
    if case.untried:
        yield Finding(
            level=Level.NOTE,
            text=f"{case.untried} null solutions were not tried; the reference is slow. "
            "KERNELBOT_CHECK_PATIENCE_S gives it longer.",
        )


def _of_agreement(
    found: Agreement | None, most: float, *, level: Level, refused: str, apart: str
) -> Iterable[Finding]:
    """What a second opinion leads to where it is refused, or more than ``most`` tolerances away."""
    if found is None:
        return
    if not found.accepted:
        yield Finding(level=level, text=refused)
    elif found.distance is not None and found.distance > most:
        text = f"{apart} {in_tolerances(found.distance)}."
        yield Finding(level=Level.WARNING, text=text)


def _of_nudged(audit: Audit) -> Iterable[Finding]:
    far = {
        case: case.nudged.distance
        for case in audit.cases
        if case.nudged is not None and case.nudged.distance and not case.nudged.accepted
    }
    if far:
        yield Finding(
            level=Level.NOTE,
            text="Inputs that are off by the last bit of an fp32 have answers up to "
            f"{in_tolerances(max(far.values()))} away, on {_listed(list(far))}. If the reference does "
            "not round or compare on its way, the tolerance is narrower than the arithmetic that most "
            "submissions use.",
        )


def _of_nulls(audit: Audit) -> Iterable[Finding]:
    """One finding for each null solution that was accepted anywhere; those that are right for one
    reason together."""
    right = {item.name: item.reason for item in audit.right}
    excused: dict[str, dict[str, list[CaseAudit]]] = {}
    names = dict.fromkeys(probe.name for case in audit.cases for probe in case.probes)
    for name in names:
        tried = [
            (case, probe) for case in audit.cases for probe in case.probes if probe.name == name
        ]
        passed = [(case, probe) for case, probe in tried if probe.accepted]
        if not passed:
            continue
        if name in right:
            excused.setdefault(right[name], {})[name] = [case for case, _ in passed]
        else:
            yield from _of_accepted(name, passed, everywhere=len(passed) == len(tried))
    for reason, places in excused.items():
        who = some([f"“{name}”" for name in places])
        where = _listed(list(dict.fromkeys(case for found in places.values() for case in found)))
        verb = "is" if len(places) == 1 else "are"
        yield Finding(level=Level.NOTE, text=f"{who} {verb} right on {where}: {reason}")
    for name in sorted(set(right) - set(names)):
        yield Finding(
            level=Level.WARNING,
            text=f"RIGHT_ANSWERS names “{name}”, which is no null solution tried here.",
        )


def _of_accepted(
    name: str, passed: Sequence[tuple[CaseAudit, Probe]], *, everywhere: bool
) -> Iterable[Finding]:
    weight = passed[0][1].weight
    loose = [case for case, probe in passed if not probe.equal]
    exact = [case for case, probe in passed if probe.equal]
    if weight is Weight.HINT:
        yield Finding(
            level=Level.NOTE, text=f"“{name}” is accepted on {_listed([*loose, *exact])}."
        )
        return
    if loose:
        yield Finding(
            level=Level.REFUSED,
            text=f"The check is vacuous: “{name}” is accepted on {_listed(loose)}. "
            "Narrow the tolerance, or change the data so that every term of the answer counts.",
            vacuous=name,
        )
    if not exact:
        return
    if weight is Weight.INPUT:
        yield Finding(
            level=Level.WARNING,
            text=f"“{name}” does not change the answer on {_listed(exact)}: nobody needs to read "
            "all of that input.",
        )
    elif everywhere or any(case.timed for case in exact):
        yield Finding(
            level=Level.REFUSED,
            text=f"The data is degenerate: “{name}” is exactly the right answer on "
            f"{_listed(exact)}. Change the case or the data.",
            vacuous=name,
        )
    else:
        yield Finding(
            level=Level.NOTE,
            text=f"“{name}” is exactly the right answer on {_listed(exact)}; other cases refuse it.",
        )


def _listed(cases: Sequence[CaseAudit]) -> str:
    return some([case.name for case in cases])


def some(names: Sequence[str], most: int = 4) -> str:
    """The first of them, and how many there are beside."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def in_tolerances(distance: float) -> str:
    """An error measured by what is allowed: ``0.031 tolerances``, ``250 tolerances``."""
    number = f"{distance:.0f}" if 99.5 <= distance < 1e6 else f"{distance:.2g}"
    return f"{number} tolerances"


# --- what follows from the examples ------------------------------------------------------------


def of_examples(outcomes: Sequence[Outcome], limits: Limits) -> list[Finding]:
    found = []
    for item in outcomes:
        if item.as_expected:
            continue
        said = f": {item.message}" if item.message else ""
        text = f"{item.path} must get {_words(item.expect)}, it got {_words(item.got)}{said}"
        found.append(Finding(level=Level.REFUSED, text=text))
    for wanted, kinds in (("a right", ["passed"]), ("a wrong", ["wrong_answer", "disqualified"])):
        if not any(item.expect in kinds for item in outcomes):
            text = f"No example shows {wanted} submission on this device. Add one to examples/."
            found.append(Finding(level=Level.WARNING, text=text))
    return found + list(_of_limits(outcomes, limits))


def _of_limits(outcomes: Sequence[Outcome], limits: Limits) -> Iterable[Finding]:
    passed = [item for item in outcomes if item.got == "passed"]
    for stage in ("build", "check", "measure"):
        slowest = max((_spent(item, stage) for item in passed), default=0.0)
        limit = getattr(limits, f"{stage}_s")
        if slowest * ROOM > limit:
            yield Finding(
                level=Level.WARNING,
                text=f"limits.{stage} is {limit:g} s, a right example took {slowest:.1f} s: "
                f"{suggested(slowest):g} s would leave room.",
            )


def _spent(item: Outcome, stage: str) -> float:
    return float(getattr(item, f"{stage}_s"))


def suggestions(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Limits in seconds that leave room over the slowest right submission."""
    passed = [item for item in outcomes if item.got == "passed"]
    if not passed:
        return {}
    return {
        stage: suggested(max(_spent(item, stage) for item in passed))
        for stage in ("build", "check", "measure")
    }


def suggested(slowest_s: float) -> float:
    """Four times the slowest, rounded up to 10 s; half a minute for whoever is still trying."""
    return max(30.0, math.ceil(slowest_s * 4 / 10) * 10.0)


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")
