"""Speeds of light of a problem's cases on the GPU kinds of this installation."""

from __future__ import annotations

from collections.abc import Iterable

from kernelbot.domain import peaks as known_peaks
from kernelbot.domain.peaks import Peaks
from kernelbot.domain.problem import Problem
from kernelbot.domain.target import Target
from kernelbot.judge.protocol import spec
from kernelbot.services.context import Context
from kernelbot.services.views import LightView


def peaks(ctx: Context, gpu: str, device: str = "") -> Peaks | None:
    """What a GPU kind can do; of the ``device`` that was really there, when it is known by name.

    None for processors, and for kinds that nobody has written the peaks of.
    """
    target = ctx.targets.get(gpu)
    if target is None or target.device == "cpu":
        return None
    exact = known_peaks.of_device(ctx.devices, device)
    return exact or known_peaks.of_match(ctx.devices, target.match)


def bounds(ctx: Context, problem: Problem, gpu: str, device: str = "") -> tuple[float | None, ...]:
    """Seconds that each benchmark takes at the speed of light."""
    target = ctx.targets.get(gpu)
    kind = target.device if target else "cuda"
    found = _on(target, problem).bounds(kind, peaks(ctx, gpu, device))
    return tuple(None if item is None else item.seconds for item in found)


def _on(target: Target | None, problem: Problem) -> Problem:
    return problem.on_gpus(target.gpus) if target else problem


def table(ctx: Context, problem: Problem, gpus: Iterable[str]) -> tuple[LightView, ...]:
    """The known ones of all benchmarks on these GPU kinds."""
    return tuple(
        LightView(gpu=gpu, case=spec(case), seconds=found.seconds, limiter=found.limiter)
        for gpu in dict.fromkeys(gpus)
        for case, found in zip(
            problem.benchmarks,
            _on(ctx.targets.get(gpu), problem).bounds("cuda", peaks(ctx, gpu)),
            strict=True,
        )
        if found is not None
    )
