"""What a problem keeps of the field's ``task.yml`` beyond what every problem has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from kernelbot.domain.scoring import Scoring
from kernelbot.judge.protocol import Job, Mode

CHECK, EVALUATOR = "check", "evaluator"


@dataclass(frozen=True, kw_only=True)
class FieldTask:
    """How a problem of the field is judged.

    ``style`` says who decides: this judge by the folder's ``check_implementation``, or the folder's
    own program.
    """

    style: str = CHECK  # CHECK | EVALUATOR
    main: str = "eval.py"  # the program, in the second style
    submission: str = "submission.py"  # what the submitted file is called there
    ranked_s: float = 180.0  # takes the place of the limit for measuring in ranked runs
    world_size: int = 1
    gpus: tuple[str, ...] = ()  # labels to use where the set names none
    needs: tuple[str, ...] = ()  # packages that must be where it is judged

    @property
    def self_evaluated(self) -> bool:
        return self.style == EVALUATOR

    def adapted(self, job: Job, scoring: Scoring) -> Job:
        """A job as the field means it: scored by its last benchmark, it measures no other."""
        limits = job.limits
        last = scoring is Scoring.LAST and job.mode is not Mode.PROFILE
        if job.mode is Mode.RANKED:
            limits = replace(limits, measure_s=self.ranked_s)
        return replace(
            job,
            style=self.style,
            main=self.main if self.self_evaluated else "",
            submission=self.submission,
            world_size=self.world_size,
            benchmarks=job.benchmarks[-1:] if last else job.benchmarks,
            limits=limits,
        )

    def to_document(self) -> dict[str, Any]:
        return {**asdict(self), "gpus": list(self.gpus), "needs": list(self.needs)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> FieldTask:
        values = dict(document)
        return cls(**{**values, "gpus": tuple(values["gpus"]), "needs": tuple(values["needs"])})
