"""A problem: what to compute, how it is checked, on which cases, within which limits."""

from __future__ import annotations

import hashlib
import json
import random
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Literal

from kernelbot.domain import open_cases, roofline
from kernelbot.domain.definition import Flaw
from kernelbot.domain.field_task import FieldTask
from kernelbot.domain.open_cases import HiddenCase
from kernelbot.domain.peaks import Peaks
from kernelbot.domain.roofline import Bound, Work
from kernelbot.domain.scoring import Scoring
from kernelbot.domain.speed_of_light import SpeedOfLight
from kernelbot.judge.protocol import (
    DtypeTolerance,
    Job,
    Limits,
    Mode,
    Parameter,
    Tolerance,
    VerdictKind,
    to_json,
)

PROBLEM_FILE = "problem.yaml"
STATEMENT_FILE = "statement.md"
REFERENCE_FILE = "reference.py"
STARTER_DIR = "starter"
EXAMPLES_DIR = "examples"

SUFFIXES = {"python": ".py", "cuda": ".cu", "hip": ".hip", "cpp": ".cpp"}
"""Languages this version judges, and how their files end."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names of problems, competitions and leaderboards."""
NAME_WORDS = "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit"

Case = dict[str, Any]
"""Arguments of ``generate_input`` but seed and device: int, float, bool, str or a flat list of one."""

DeviceKind = Literal["cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A submission that ships with the problem and the verdict it must get when judged as ranked.

    Every starter is one; a template of the field, which may have gaps, is not.
    """

    path: str  # "examples/correct_slow.py"
    expect: VerdictKind
    device: DeviceKind | None = None  # None: on any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One version of a problem.

    ``files`` maps paths in the problem's folder to their bytes, all of them; what travels to the
    judge is ``judge_files``. ``digest`` covers whatever can change a result, ``content_digest``
    everything: two versions with one ``digest`` have comparable results.
    """

    name: str
    title: str
    summary: str
    statement: str  # Markdown
    languages: tuple[str, ...]
    tests: tuple[Case, ...]
    benchmarks: tuple[Case, ...]
    cpu_tests: tuple[Case, ...]
    cpu_benchmarks: tuple[Case, ...]
    tolerances: tuple[Tolerance, ...]  # one for all outputs, or one per output
    limits: Limits
    cpu_limits: Limits
    scoring: Scoring
    contestant_files: tuple[str, ...]
    starters: Mapping[str, str]  # "triton" -> "starter/with_triton.py"
    examples: tuple[Example, ...]
    tags: tuple[str, ...]
    files: Mapping[str, bytes] = field(repr=False)
    native: tuple[Parameter, ...] = ()  # of custom_kernel in cuda, hip and cpp
    compile_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by language
    speed_of_light: SpeedOfLight | None = None  # None: nobody has said what the least work is
    task: FieldTask | None = None  # of a problem that was written for the field's own platform
    hidden: tuple[HiddenCase, ...] = ()  # checked in ranked runs only; nobody is shown them
    cpu_hidden: tuple[HiddenCase, ...] = ()
    deterministic: bool = False  # two calls on one input must agree bit for bit
    world_size: int = 1  # processes, one per device, that run a submission together
    world_sizes: tuple[int, ...] = ()  # all that it is for, rising; empty: no other than world_size
    cpu_world_size: int = 1
    packages: tuple[str, ...] = ()  # may be imported beside what always may; none: nobody looks
    digest: str = ""
    content_digest: str = ""
    # What is right in the files it was read from and will surprise; not kept with it.
    notes: tuple[Flaw, ...] = field(default=(), compare=False)

    @property
    def suffixes(self) -> dict[str, str]:
        """Accepted file endings and the language each stands for."""
        return {SUFFIXES[language]: language for language in self.languages}

    @property
    def judge_files(self) -> dict[str, bytes]:
        """What the judge needs: all Python but starters and examples, and the files a submission may import."""
        return {
            path: content
            for path, content in self.files.items()
            if path in self.contestant_files or _reaches_judge(path)
        }

    def cases(self, device: DeviceKind) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """Tests and benchmarks for a kind of device."""
        if device == "cpu":
            return self.cpu_tests, self.cpu_benchmarks
        return self.tests, self.benchmarks

    def examples_on(self, device: DeviceKind) -> tuple[Example, ...]:
        return tuple(item for item in self.examples if item.device in (None, device))

    def hidden_on(self, device: DeviceKind) -> tuple[HiddenCase, ...]:
        return self.cpu_hidden if device == "cpu" else self.hidden

    def _drawn(self, device: DeviceKind, source: random.Random | None) -> tuple[Case, ...]:
        return open_cases.drawn(self.hidden_on(device), source or secrets.SystemRandom())

    def limits_on(self, device: DeviceKind) -> Limits:
        return self.cpu_limits if device == "cpu" else self.limits

    def ranks_on(self, device: DeviceKind) -> int:
        if self.task is not None:
            return self.task.world_size
        return self.cpu_world_size if device == "cpu" else self.world_size

    def on_gpus(self, count: int) -> Problem:
        """The problem as it is judged on a kind of GPU of which a run has so many."""
        return self.with_ranks(count) if count in self.world_sizes else self

    def with_ranks(self, count: int) -> Problem:
        """The same version of the problem with as many ranks on GPUs, whatever it is for."""
        return replace(self, world_size=count)

    def work(self, device: DeviceKind) -> tuple[Work, ...]:
        """The least that each benchmark takes; empty: nobody has said."""
        formulas, ranks = self.speed_of_light, self.ranks_on(device)
        if formulas is None:
            return ()
        return tuple(formulas.work(case_of_ranks(case, ranks)) for case in self.cases(device)[1])

    def bounds(self, device: DeviceKind, peaks: Peaks | None) -> tuple[Bound | None, ...]:
        """The speed of light of each benchmark; None for those without a known one."""
        if self.speed_of_light is None or peaks is None:
            return (None,) * len(self.cases(device)[1])
        return tuple(roofline.bound(work, peaks) for work in self.work(device))

    def floors_ns(self, device: DeviceKind, peaks: Peaks | None) -> tuple[float, ...]:
        """For each benchmark the time that no correct kernel can be below; empty: unknown."""
        formulas = self.speed_of_light
        if formulas is None or peaks is None:
            return ()
        return tuple(
            1e9 * roofline.floor(work, peaks, formulas.floor) for work in self.work(device)
        )

    @property
    def open_digest(self) -> str:
        """The digest that may be told, and that the copy at home has: hidden cases could be guessed
        until they fit the other one."""
        return sealed(replace(self, hidden=(), cpu_hidden=())).digest

    def starter(self, name: str) -> str:
        """The text of a starter. Raises KeyError for a name not in ``starters``."""
        return self.files[self.starters[name]].decode()

    def job(
        self,
        *,
        run_id: str,
        mode: Mode,
        device: DeviceKind,
        expect_device: str = "",
        submission_name: str = "submission.py",
        attempt: int = 1,
        peaks: Peaks | None = None,
        source: random.Random | None = None,
    ) -> Job:
        """Everything the judge must know for one run of this problem.

        ``submission_name`` is what the contestant calls the file, ``peaks`` what the device can do.
        Hidden cases are drawn from ``source``, which nobody can foresee if none is given.
        """
        tests, benchmarks = self.cases(device)
        language = self.suffixes.get(_suffix(submission_name), "python")
        ranked = mode is Mode.RANKED
        job = Job(
            run_id=run_id,
            mode=mode,
            problem=self.name,
            problem_digest=self.digest,
            tests=tests,
            benchmarks=benchmarks,
            submission=self._judged_name(submission_name, language),
            contestant_files=self.contestant_files,
            tolerances=self.tolerances,
            limits=self.limits_on(device),
            device=device,
            expect_device=expect_device,
            attempt=attempt,
            hidden_tests=self._drawn(device, source) if ranked else (),
            floors_ns=self.floors_ns(device, peaks),
            native=() if language == "python" else self.native,
            compile_flags=self.compile_flags.get(language, ()),
            deterministic=self.deterministic,
            world_size=self.ranks_on(device),
        )
        return self.task.adapted(job, self.scoring) if self.task else job

    def job_to_try(self, device: DeviceKind) -> Job:
        """A ranked job for trying the problem itself: its hidden cases reach every end and option."""
        job = self.job(run_id="check", mode=Mode.RANKED, device=device)
        cases = [replace(case, count=1) for case in self.hidden_on(device)]
        drawn = open_cases.drawn(cases, random.Random(self.digest))  # noqa: S311  the same each time
        return replace(job, hidden_tests=(*open_cases.covering(cases), *drawn))

    def _judged_name(self, name: str, language: str) -> str:
        """What the file is called where it is judged: its own name, if a compiler's messages tell it.

        A Python file's name could hide a module; a name that is no plain one could be an option.
        """
        if (
            language != "python"
            and PLAIN_NAME.fullmatch(name)
            and name not in self.contestant_files
        ):
            return name
        return "submission" + SUFFIXES[language]

    def to_document(self) -> dict[str, Any]:
        """A JSON-able form without the bytes of ``files``; ``from_document`` reads it back."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "statement": self.statement,
            "languages": list(self.languages),
            "tests": list(self.tests),
            "benchmarks": list(self.benchmarks),
            "cpu_tests": list(self.cpu_tests),
            "cpu_benchmarks": list(self.cpu_benchmarks),
            "tolerances": [tolerance_document(item) for item in self.tolerances],
            "limits": _limits_document(self.limits),
            "cpu_limits": _limits_document(self.cpu_limits),
            "scoring": self.scoring.value,
            "contestant_files": list(self.contestant_files),
            "starters": dict(self.starters),
            "examples": [
                {"path": item.path, "expect": item.expect.value, "device": item.device}
                for item in self.examples
            ],
            "tags": list(self.tags),
            "native": [to_json(item) for item in self.native],
            "compile_flags": {name: list(flags) for name, flags in self.compile_flags.items()},
            "speed_of_light": self.speed_of_light and self.speed_of_light.to_document(),
            "task": self.task.to_document() if self.task else None,
            "digest": self.digest,
            "content_digest": self.content_digest,
            # A promise to people: it changes no result, nor a document that makes none.
            **({"packages": list(self.packages)} if self.packages else {}),
            **self._rules(),
        }

    def _rules(self) -> dict[str, Any]:
        """What most problems do not ask for: without it their digests are what they always were."""
        rules = {
            "hidden": [to_json(case) for case in self.hidden],
            "cpu_hidden": [to_json(case) for case in self.cpu_hidden],
            "deterministic": self.deterministic,
            "world_size": self.world_size if self.world_size > 1 else 0,
            "world_sizes": list(self.world_sizes),
            "cpu_world_size": self.cpu_world_size if self.cpu_world_size > 1 else 0,
        }
        return {key: rule for key, rule in rules.items() if rule}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], files: Mapping[str, bytes]) -> Problem:
        """The value ``to_document`` was called on. Raises KeyError, TypeError or ValueError if it is not one."""
        values = dict(document)
        for key in (
            "languages", "tests", "benchmarks", "cpu_tests", "cpu_benchmarks", "contestant_files", "tags",
        ):  # fmt: skip
            values[key] = tuple(values[key])
        values["world_sizes"] = tuple(values.get("world_sizes", ()))
        for key in ("hidden", "cpu_hidden"):
            values[key] = tuple(HiddenCase(**item) for item in values.get(key, ()))
        values["tolerances"] = tuple(_tolerance_of(item) for item in values["tolerances"])
        values["native"] = tuple(Parameter(**item) for item in values.get("native", ()))
        flags = values.get("compile_flags", {})
        values["compile_flags"] = {name: tuple(given) for name, given in flags.items()}
        values["packages"] = tuple(values.get("packages", ()))
        values.setdefault("cpu_world_size", values.get("world_size", 1))
        values["task"] = FieldTask.from_document(task) if (task := values.get("task")) else None
        light = values.get("speed_of_light")
        values["speed_of_light"] = light and SpeedOfLight.from_document(light)
        values["limits"] = Limits(**values["limits"])
        values["cpu_limits"] = Limits(**values["cpu_limits"])
        values["scoring"] = Scoring(values["scoring"])
        values["examples"] = tuple(
            Example(
                path=item["path"], expect=VerdictKind(item["expect"]), device=item.get("device")
            )
            for item in values["examples"]
        )
        return cls(**values, files=files)


def case_of_ranks(case: Case, ranks: int) -> Case:
    """A case as formulas see it: they know how many ranks share its work."""
    return {"world_size": ranks, **case}


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _limits_document(limits: Limits) -> dict[str, float | int]:
    return {
        "build_s": limits.build_s,
        "check_s": limits.check_s,
        "measure_s": limits.measure_s,
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
        "processes": limits.processes,
    }


def tolerance_document(tolerance: Tolerance) -> dict[str, Any]:
    """Its numbers; those of single dtypes under ``dtypes``, and nothing of others where none may be."""
    by_dtype = {item.dtype: {"rtol": item.rtol, "atol": item.atol} for item in tolerance.dtypes}
    others = {"rtol": tolerance.rtol, "atol": tolerance.atol} if tolerance.others else {}
    return {**others, **({"dtypes": by_dtype} if by_dtype else {})}


def _tolerance_of(document: Mapping[str, Any]) -> Tolerance:
    values = dict(document)
    by_dtype = values.pop("dtypes", {})
    dtypes = tuple(DtypeTolerance(dtype=name, **item) for name, item in by_dtype.items())
    return Tolerance(**values, dtypes=dtypes, others=bool(values) or not dtypes)


def _reaches_judge(path: str) -> bool:
    return path.endswith(".py") and path.split("/")[0] not in {STARTER_DIR, EXAMPLES_DIR}


# --- digests -----------------------------------------------------------------------------------

_DECISIVE = (
    "name", "languages", "tests", "benchmarks", "cpu_tests", "cpu_benchmarks", "tolerances",
    "limits", "cpu_limits", "scoring", "contestant_files", "native", "compile_flags", "task",
    "speed_of_light",
)  # fmt: skip


def sealed(problem: Problem) -> Problem:
    """The same problem with its digests filled in."""
    document = problem.to_document()
    decisive = {key: document[key] for key in _DECISIVE} | problem._rules()
    return replace(
        problem,
        digest=_digest(decisive, problem.judge_files),
        content_digest=_digest(document, problem.files),
    )


def _digest(document: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """sha256 over canonical JSON, in which the files stand by their own sha256."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    canonical = json.dumps({"spec": document, "files": hashes}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
