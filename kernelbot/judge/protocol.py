"""What goes into the judge and what comes out: Job, Event, Verdict.

Frozen values, standard library only, one codec. Everything that reaches a GPU box or comes back
from one is one of these three, so this module is the only thing both sides must agree on.
A job directory holds::

    job.json        one Job
    problem/        the problem's files (reference.py and whatever it needs)
    submission/     the submitted file, under ``job.submission``
    verdict.json    one Verdict, written once and atomically by the referee
    artefacts/      files that the verdict lists: profiler reports, traces

Events leave the referee as one JSON object a line.

Units: every duration in a measurement is in nanoseconds (``*_ns``), every limit and every wall time
is in seconds (``*_s``), every size in bytes.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

PROTOCOL = 1
"""Raised when a reader of the old form could misunderstand the new one."""

JOB_FILE = "job.json"
VERDICT_FILE = "verdict.json"
PROBLEM_DIR = "problem"
SUBMISSION_DIR = "submission"
ARTEFACTS_DIR = "artefacts"

MAX_JOB_BYTES = 4 << 20
MAX_VERDICT_BYTES = 8 << 20
MAX_EVENT_BYTES = 64 << 10

MOST_RANKS = 8
"""Processes that may run a submission together."""

VALUES_KEY = "values"
"""Beside the arguments of ``generate_input``, unless that takes one of this name: how the judge changes
the floating-point inputs that it made."""
VALUES = (
    "uniform", "positive", "heavy", "outliers", "large", "small", "sparse", "ties", "sorted", "equal",
    "zeros",
)  # fmt: skip
AS_MADE = "as_made"
"""Stands for an entry of the data that keeps its values."""

CaseArgs = Mapping[str, Any]
"""Arguments of one case: names to int, float, bool, str or a flat list of those."""


class ProtocolError(ValueError):
    """A document is not what this version of the protocol says it must be."""


class Mode(enum.StrEnum):
    """What a submission asks for."""

    TEST = "test"  # correctness on the public cases
    BENCHMARK = "benchmark"  # plus times
    PROFILE = "profile"  # where the time goes
    RANKED = "ranked"  # counts; inputs are secret


class Stage(enum.StrEnum):
    """What the judge is doing; each has a time budget of its own."""

    BUILD = "build"
    CHECK = "check"
    MEASURE = "measure"


class VerdictKind(enum.StrEnum):
    """What the referee decided. Only ``passed`` and ``quarantined`` carry times."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    BUILD_FAILED = "build_failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    DISQUALIFIED = "disqualified"
    QUARANTINED = "quarantined"  # passed, but the evidence for its time contradicts itself
    JUDGE_FAILED = "judge_failed"  # ours: retried, never shown as the contestant's fault


@dataclass(frozen=True, kw_only=True)
class DtypeTolerance:
    """What is tolerated where an output is of one dtype."""

    dtype: str  # as torch calls it: "bfloat16"
    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """|got - expected| <= atol + rtol * |expected|, element by element; 0 and 0 is bit-exact.

    ``dtypes`` says it of outputs of these dtypes, ``rtol`` and ``atol`` of all others, unless there
    must be none.
    """

    rtol: float = 0.0
    atol: float = 0.0
    dtypes: tuple[DtypeTolerance, ...] = ()
    others: bool = True

    def of(self, dtype: str) -> Tolerance:
        """What holds for an output of one dtype. Raises ValueError if nothing was said about it."""
        for item in self.dtypes:
            if item.dtype == dtype:
                return Tolerance(rtol=item.rtol, atol=item.atol)
        if not self.others:
            named = ", ".join(item.dtype for item in self.dtypes)
            raise ValueError(f"an output is {dtype}, and there are tolerances for {named} only")
        return Tolerance(rtol=self.rtol, atol=self.atol) if self.dtypes else self


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Budgets of one run. Waiting in the queue counts against none of them."""

    build_s: float = 120.0
    check_s: float = 60.0
    measure_s: float = 60.0
    memory_bytes: int = 16 << 30  # host memory of the contestant's process tree, for each rank
    output_bytes: int = 64 << 10  # kept of each of stdout and stderr, head and tail
    processes: int = 4096  # threads count as processes; for each rank


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a native submission's ``custom_kernel``, and what it is given."""

    name: str
    what: str  # "input" | "output" (a tensor's address) | "value" | "shape" | "stride" | "numel"
    type: str  # of a tensor its dtype ("float16"), else int64 | float64 | bool | text
    entry: int  # which entry of the data
    axis: int = 0  # of shape and stride


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, everything resolved: YAML never reaches the GPU box."""

    run_id: str
    mode: Mode
    problem: str
    problem_digest: str
    tests: tuple[dict[str, Any], ...]  # arguments of generate_input, without the seed
    benchmarks: tuple[dict[str, Any], ...]
    submission: str = "submission.py"  # file name inside submission/
    contestant_files: tuple[str, ...] = ()  # of problem/, also visible to the contestant
    tolerances: tuple[Tolerance, ...] = (Tolerance(),)  # one for all outputs, or one per output
    limits: Limits = Limits()
    device: str = "cpu"  # "cpu" or "cuda"
    expect_device: str = ""  # regular expression the device's name must match; empty: any
    attempt: int = 1
    hidden_tests: tuple[dict[str, Any], ...] = ()  # checked in ranked runs only, never named
    floors_ns: tuple[
        float, ...
    ] = ()  # per benchmark: no kernel can be faster; 0 or absent: unknown
    profile_case: int = -1  # which benchmark to profile; -1: the slowest
    world_size: int = 1  # processes, one per device, that run the submission together
    native: tuple[Parameter, ...] = ()  # of custom_kernel in native languages, before the stream
    compile_flags: tuple[str, ...] = ()  # for native languages, after the judge's own
    main: str = ""  # of problem/: the program that evaluates, where ``style`` is "evaluator"
    deterministic: bool = False  # two calls on one input must agree bit for bit
    style: str = "reference"  # who decides: "reference" | "check" | "evaluator" (its own program)
    cache_key: str = ""  # whose compile cache: opaque, of person and problem; empty: none
    protocol: int = PROTOCOL

    @property
    def memory_bytes(self) -> int:
        """Host memory of all ranks together."""
        return self.limits.memory_bytes * self.world_size

    @property
    def processes(self) -> int:
        """How many processes and threads all ranks may have together."""
        return self.limits.processes * self.world_size

    @property
    def secret(self) -> bool:
        """Whether nothing the contestant printed may be shown to them."""
        return self.mode is Mode.RANKED


@dataclass(frozen=True, kw_only=True)
class Event:
    """A step of a run, for the person waiting."""

    kind: str  # "stage" | "case" | "log"
    stage: Stage
    message: str = ""
    done: int = 0  # cases finished in this stage
    total: int = 0  # cases of this stage


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The time of one case: an estimate with its error, and what it was made from."""

    ns: float  # the estimate that scoring uses
    low_ns: float  # 95 % confidence interval
    high_ns: float
    stderr_ns: float
    best_ns: float
    worst_ns: float
    samples: int
    clock: str  # "host" | "device": which clock decided
    warnings: tuple[str, ...] = ()
    processes: int = 1  # fresh processes that the samples come from
    calls: int = 1  # calls per interval
    sm_mhz: float = 0.0  # median while it was measured; 0: unknown
    watts: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What happened to one case of one stage."""

    stage: Stage
    index: int
    spec: str  # "size: 1024; dtype: f16"
    ok: bool
    message: str = ""  # why not, for the contestant
    measurement: Measurement | None = None


@dataclass(frozen=True, kw_only=True)
class Device:
    """The machine the run really had."""

    kind: str = "cpu"  # "cpu" | "cuda" | "hip"
    name: str = ""
    count: int = 1
    memory_bytes: int = 0
    sm_count: int = 0
    capability: str = ""
    driver: str = ""


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Which judge measured, and how well the contestant was fenced in."""

    judge_digest: str = ""  # sha256 over the judge's own files
    protocol: int = PROTOCOL
    python: str = ""
    torch: str = ""
    triton: str = ""
    isolation: str = "processes"  # "bubblewrap" | "user" | "processes"
    evidence: str = "host-clock"  # what the deciding clock rests on
    fences: tuple[str, ...] = ()  # everything that holds the contestant, by name


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Where the time of the run went, in seconds of wall clock."""

    build_s: float = 0.0
    check_s: float = 0.0
    measure_s: float = 0.0
    wall_s: float = 0.0
    device_s: float = 0.0  # time the device was held

    def in_steps(self) -> Spent:
        """What may be told of a secret run, whose time a submission could fill with a message."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return Spent(**{name: in_steps(value, 1.0) for name, value in told.items()})


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file that the run left in ``artefacts/``, under a name of ours."""

    name: str
    bytes: int
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What a reviewer may want to look at in the code. Decides nothing."""

    rule: str
    line: int  # 1-based
    text: (
        str  # the line itself, shortened; of rules "early" and "clock" what was seen of one process
    )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the referee decided about a run: a tagged value, ``kind`` says which fields mean something.

    ``stage`` is where it ended (also for ``passed``: the last stage done). ``message`` is one
    sentence for the contestant. ``log`` is the compiler's or the program's own output, bounded and
    decoded, and empty for the secret part of a ranked run. ``rule`` and ``evidence`` belong to
    ``disqualified`` and ``quarantined``; ``fault`` (for the operator, never shown) belongs to
    ``judge_failed`` and to what fails on a hidden case. ``hints`` are for organizers. ``self_evaluated``: the problem's own program,
    which runs beside the submission, said all this; we only carried it.
    """

    kind: VerdictKind
    run_id: str = ""
    stage: Stage = Stage.BUILD
    message: str = ""
    cases: tuple[CaseResult, ...] = ()
    log: str = ""
    rule: str = ""
    evidence: str = ""
    fault: str = ""
    device: Device = Device()
    harness: Harness = Harness()
    spent: Spent = Spent()
    artefacts: tuple[Artefact, ...] = ()
    hints: tuple[Hint, ...] = ()
    self_evaluated: bool = False
    protocol: int = PROTOCOL

    def __post_init__(self) -> None:
        timed = [case for case in self.cases if case.measurement is not None]
        if timed and self.kind not in (VerdictKind.PASSED, VerdictKind.QUARANTINED):
            raise ProtocolError(f"a {self.kind} verdict carries no times")

    @property
    def passed(self) -> bool:
        return self.kind is VerdictKind.PASSED

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Times of the measured cases, in the order of the problem's benchmarks."""
        return tuple(
            case.measurement
            for case in sorted(self.cases, key=lambda case: case.index)
            if case.stage is Stage.MEASURE and case.measurement is not None
        )


def machine_failed(run_id: str, fault: str) -> Verdict:
    """What is said of a run by whoever had it judged, when the judge left no word of its own. ``fault`` is for the operator."""
    message = f"Our machine failed (id run-{run_id}); it does not count against you."
    return Verdict(kind=VerdictKind.JUDGE_FAILED, run_id=run_id, message=message, fault=fault)


def in_steps(seconds: float, step_s: float) -> float:
    """Rounded up to the step, to twice, four times, eight times the step ...; nothing stays nothing."""
    if not seconds:
        return 0.0
    fraction, exponent = math.frexp(seconds / step_s)  # exact, unlike a logarithm
    return math.ldexp(step_s, max(0, exponent - (fraction == 0.5)))


def spec(args: CaseArgs) -> str:
    """A case's arguments as people read them: ``size: 1024; dtype: f16``."""
    return "; ".join(f"{name}: {value}" for name, value in args.items())


def judge_digest() -> str:
    """sha256 over the judge's own source files, so that results name the judge that made them."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in {".py", ".cu", ".cpp", ".c", ".h"} and path.is_file():
            total.update(path.relative_to(Path(__file__).parent).as_posix().encode())
            total.update(b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


# --- codec -------------------------------------------------------------------------------------

MOST_ENTRIES = {
    "Verdict.cases": 4096,
    "Verdict.artefacts": 64,
    "Verdict.hints": 1000,
    "Harness.fences": 64,
    "Measurement.warnings": 64,
}
"""Entries of the lists that come back from where a submission ran; reading more would keep the reader busy."""

T = TypeVar("T", bound="Job | Event | Verdict")


def dump(value: Job | Event | Verdict) -> str:
    """One line of JSON. Floats that JSON has no word for are refused rather than written."""
    return json.dumps(to_json(value), allow_nan=False, separators=(",", ":"))


def to_json(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, enums to their values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def load(kind: type[T], text: str | bytes, *, limit: int = MAX_VERDICT_BYTES) -> T:
    """Parse one document of the given kind.

    Raises ProtocolError with the path of the first thing that is wrong: too large, not JSON,
    another protocol, an unknown or missing field, a value of the wrong type, a number that is not
    finite.
    """
    if len(text) > limit:
        raise ProtocolError(f"{kind.__name__} of {len(text)} bytes is over the limit of {limit}")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{kind.__name__} is not JSON: {error}") from error
    return from_json(kind, document)


def from_json(kind: type[T], document: Any) -> T:
    """The value a decoded document stands for. Raises ProtocolError as :func:`load` does."""
    if isinstance(document, dict) and document.get("protocol", PROTOCOL) != PROTOCOL:
        raise ProtocolError(
            f"{kind.__name__} is of protocol {document['protocol']!r}, this side speaks {PROTOCOL}"
        )
    return typing.cast(T, _read(kind, document, kind.__name__))


def _refuse_constant(name: str) -> Any:
    raise ProtocolError(f"{name} is not a number")


def _read(kind: Any, value: Any, path: str) -> Any:
    if is_dataclass(kind):
        return _read_dataclass(typing.cast(type, kind), value, path)
    if kind is Any:
        return value
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _read_optional(kind, value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProtocolError(f"{path} must be a list")
        item = typing.get_args(kind)[0]
        return tuple(_read(item, entry, f"{path}[{at}]") for at, entry in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path} must be an object")
        return value
    return _read_plain(kind, value, path)


def _read_dataclass(kind: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise ProtocolError(f"{path} must be an object")
    hints = _type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ProtocolError(f"{path}.{unknown[0]} is not a field of {kind.__name__}")
    for name, entries in value.items():
        most = MOST_ENTRIES.get(f"{kind.__name__}.{name}")
        if most is not None and isinstance(entries, list) and len(entries) > most:
            raise ProtocolError(
                f"{path}.{name} has {len(entries)} entries, over the limit of {most}"
            )
    known = {name: _read(hints[name], value[name], f"{path}.{name}") for name in value}
    try:
        return kind(**known)
    except TypeError as error:
        raise ProtocolError(f"{path}: {error}") from error


@functools.cache
def _type_hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _read_optional(kind: Any, value: Any, path: str) -> Any:
    if value is None:
        return None
    inner = [option for option in typing.get_args(kind) if option is not type(None)]
    return _read(inner[0], value, path)


def _read_plain(kind: type, value: Any, path: str) -> Any:
    if issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise ProtocolError(f"{path} is {value!r}: {error}") from error
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolError(f"{path} must be {kind.__name__}, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ProtocolError(f"{path} must be finite")
    return value
