"""Runs the reference and the check of one problem on all its cases, for ``python -m kernelbot.checking``.

DIR is a job directory as the judge gets it, without need of a submission. Progress leaves as JSON
lines; ``audit.json`` is written at the end. The problem's own code runs here with the rights of
whoever asked for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernelbot.checking.findings import (
    AUDIT_FILE,
    Agreement,
    Audit,
    CaseAudit,
    Probe,
    Right,
    Weight,
)
from kernelbot.checking.nulls import Null, Scene, solutions
from kernelbot.judge import device as devices
from kernelbot.judge import tree
from kernelbot.judge.cases import Case, Problem, ProblemFault, cloned, open_problem
from kernelbot.judge.compare import CHUNK, compare, same_bytes, tolerances_of
from kernelbot.judge.protocol import PROBLEM_DIR, Job, Tolerance, spec, to_json

DRAWS = 3
"""What is accepted once may have been lucky: a null solution passes a case that accepts it so often."""
SAMPLE = 1 << 16
"""Elements of each output that are looked at first: most null solutions are wrong there already."""
NOISE = 4.0
"""An answer this many times as far away as a second run of the reference is the reference's."""

Tell = Callable[[str, int, int], None]
"""Called with a case, how many are done and how many there are."""


def audit(
    directory: Path, job: Job, tell: Tell, patience_s: float, until: float = math.inf
) -> Iterator[Audit]:
    """What there is to know about the problem in a job directory, after each case and at the end.

    Half of ``patience_s`` goes to the reference on changed inputs of one case. No case is begun after
    ``until``, on the monotonic clock; before the end, cases that are still to come count as left.
    """
    import torch

    # Many short operations: threads that wait for each other on busy cores cost more than they give.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    try:
        device = devices.inspect(job.device)
        problem = open_problem(directory / PROBLEM_DIR, job)
    except (ProblemFault, devices.WrongDevice) as fault:
        yield _unreadable(job, str(fault), lacking=_lacking(fault))
        return
    auditor = _Auditor(problem, job, patience_s / 2)
    places = _places(job)
    found = Audit(
        problem=job.problem,
        device=job.device,
        device_name=device.name,
        torch=torch.__version__,
        own_check=auditor.own_check,
        seeded=job.style == "reference",
        as_given=job.style != "reference",
        right=_right(problem),
        left=tuple(name for where, _ in places for name in where),
    )
    yield found
    for done, (where, args) in enumerate(places):
        if time.monotonic() > until:
            break
        tell(where[0], done, len(places))
        found = _with(found, auditor.case(where, args))
        yield found


def _with(found: Audit, case: CaseAudit) -> Audit:
    """One more case of those that were left."""
    left = tuple(name for name in found.left if name not in case.where)
    return replace(found, cases=(*found.cases, case), left=left)


def case_limit_s(job: Job, patience_s: float) -> float:
    """How long one case may take here: what a run may take for all of them, and our patience."""
    return job.limits.check_s + job.limits.measure_s + patience_s


def overdue(job: Job, where: str, patience_s: float, before: Audit | None = None) -> Audit:
    """An audit that was killed while it was at this case; ``before`` is what it had found until then.

    Whether a task of the field hangs nobody can tell: its cases are as large as a GPU takes.
    """
    if before is not None and before.as_given:
        return before
    limit = f"limits.check {job.limits.check_s:g} + limits.measure {job.limits.measure_s:g}"
    fault = (
        f"nothing came back within {case_limit_s(job, patience_s):g} s ({limit} + patience "
        f"{patience_s:g}), so the audit was killed. Does generate_input, the reference or the check "
        "hang? If they are slow and no more, KERNELBOT_CHECK_PATIENCE_S gives them longer."
    )
    return replace(_unreadable(job, fault, where), overdue=f"{where}: {fault}")


def _unreadable(job: Job, fault: str, where: str = "reference.py", *, lacking: str = "") -> Audit:
    case = CaseAudit(where=(where,), spec="", fault=fault, lacking=lacking)
    return Audit(
        problem=job.problem, device=job.device, device_name="", torch="", own_check=False,
        seeded=True, as_given=job.style != "reference", cases=(case,),
    )  # fmt: skip


NO_GPU = (
    "nvidia", "cuda", "hip gpus", "rocm", "active drivers", "not implemented for", "'cpu' backend",
)  # fmt: skip
"""What errors say that a GPU would have spared, in lower case; the last ones of operations that
processors lack for some types."""
NO_MEMORY = ("can't allocate memory", "out of memory")


def _lacking(fault: BaseException) -> str:
    """What this machine has not got, if that is why a problem's code failed; "" if it is not."""
    import torch

    error: BaseException | None = fault
    while error is not None:
        text = str(error).lower()
        if isinstance(error, ModuleNotFoundError):
            return f"the package {error.name!r}"
        if isinstance(error, MemoryError) or any(words in text for words in NO_MEMORY):
            return "more memory than there is here"
        if not torch.cuda.is_available() and any(words in text for words in NO_GPU):
            return "a GPU"
        error = error.__cause__
    return ""


def _right(problem: Problem) -> tuple[Right, ...]:
    """RIGHT_ANSWERS of reference.py: null solutions that are right answers, each with its reason."""
    said = problem.said("RIGHT_ANSWERS")
    pairs = said.items() if isinstance(said, Mapping) else ()
    return tuple(Right(name=str(name), reason=str(reason)) for name, reason in pairs)


def _places(job: Job) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every different case, with all places that ask for it."""
    found: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
    for name, cases in (
        ("tests", job.tests),
        ("hidden_tests", job.hidden_tests),
        ("benchmarks", job.benchmarks),
    ):
        for at, args in enumerate(cases):
            found.setdefault(json.dumps(args, sort_keys=True), ([], args))[0].append(
                f"{name}[{at}]"
            )
    return [(tuple(where), args) for where, args in found.values()]


class _Auditor:
    """One problem on one device."""

    def __init__(self, problem: Problem, job: Job, changed_s: float) -> None:
        self._problem = problem
        self._job = job
        self._changed_s = changed_s
        self._memory = _Memory(job.device)
        self.own_check = job.style != "reference" or problem.said("check") is not None

    def case(self, where: tuple[str, ...], args: Mapping[str, Any]) -> CaseAudit:
        try:
            return self._case(where, args)
        except ProblemFault as fault:
            told, lacking = str(fault), _lacking(fault)
        except Exception as error:
            told = f"reference.py failed: {type(error).__name__}: {str(error)[:500]}"
            lacking = _lacking(error)
        return CaseAudit(where=where, spec=spec(args), fault=told, lacking=lacking)

    def _case(self, where: tuple[str, ...], args: Mapping[str, Any]) -> CaseAudit:
        self._memory.begin()
        began = self._now()
        data = self._problem.generate(args, self._seed(args, 0))
        generated = self._now()
        kept = cloned(data)
        first = self._problem.answer_to(data)
        again = self._problem.generate(args, self._seed(args, 0))
        import torch

        # Who draws from the global generators gets other numbers in the judge every time.
        torch.manual_seed(self._seed(args, 1))
        ready = self._now()
        second = self._problem.answer_to(cloned(again))
        answered = self._now()
        memory = self._memory.peak()

        case = self._problem.posed(args, kept, first)
        inputs = self._inputs(case)
        scene = self._scene(case, inputs, args, draw=0)
        same_input = _same(kept, again, inputs)
        rerun = self._opinion(case, scene, tree.tensors_of(second)) if same_input else None
        noise = (rerun.distance or 0.0) if rerun and rerun.accepted else 0.0
        probes, untried = self._probes(case, scene, args, noise)
        return CaseAudit(
            where=where,
            spec=spec(args),
            generate_s=generated - began,
            reference_s=answered - ready,
            memory_bytes=memory,
            data_bytes=_size([scene.tensors[at] for at in inputs]),
            answer_bytes=_size(scene.answers),
            changes_input=not _same(kept, data, inputs),
            same_input=same_input,
            rerun=rerun,
            wide=self._wide(case, scene),
            nudged=self._nudged(case, scene),
            probes=probes,
            untried=untried,
        )

    def _seed(self, args: Mapping[str, Any], draw: int) -> int:
        """Always the same for a case, so that the same problem gets the same findings."""
        text = json.dumps([args, draw], sort_keys=True).encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4]) >> 1

    def _now(self) -> float:
        if self._job.device != "cpu":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def _inputs(self, case: Case) -> tuple[int, ...]:
        """The tensors of the data that carry anything: not the buffers for the answer."""
        if self._job.style == "reference":
            return case.layout.inputs
        return tuple(at for at in case.layout.inputs if at not in case.layout.outputs)

    # --- second opinions -------------------------------------------------------------------------

    def _agreement(self, case: Case, scene: Scene, answers: Sequence[Any]) -> Agreement:
        if not _same_form(scene.answers, answers):
            return Agreement(accepted=False)
        equal = all(
            same_bytes(one, other) for one, other in zip(answers, scene.answers, strict=True)
        )
        accepted = not self._problem.verdict(case, list(answers))[0]
        distance = 0.0 if equal else self._distance(answers, scene.answers)
        return Agreement(accepted=accepted, equal=equal, distance=distance)

    def _wide(self, case: Case, scene: Scene) -> Agreement | None:
        """The reference on the same numbers in fp64; None where it does not work in that."""
        import torch

        narrow = [at for at in _floats(scene) if scene.tensors[at].dtype is not torch.float64]
        return self._on(case, scene, {at: scene.tensors[at].to(torch.float64) for at in narrow})

    def _nudged(self, case: Case, scene: Scene) -> Agreement | None:
        """The reference on inputs that are off by the last bit of an fp32: as exact as a right
        submission in fp32 can be expected to be. None where it is not known to take such inputs."""
        import torch

        source = torch.Generator().manual_seed(scene.seed)
        floats = list(_floats(scene))
        wide = any(scene.tensors[at].dtype is not torch.float32 for at in floats)
        changed = {at: _off(scene.tensors[at], source, wide=wide) for at in floats}
        found = self._on(case, scene, changed)
        if found is None and wide:  # it takes only what it was written for
            alone = [at for at in floats if scene.tensors[at].dtype is torch.float32]
            changed = {at: _off(scene.tensors[at], source, wide=False) for at in alone}
            found = self._on(case, scene, changed)
        return found

    def _on(self, case: Case, scene: Scene, changed: dict[int, Any]) -> Agreement | None:
        """What the reference says to changed inputs, rounded to the type of its answer."""
        if not changed:
            return None
        try:
            answers = scene.of(changed)
            rounded = [
                answer.to(expected.dtype)
                for answer, expected in zip(answers, scene.answers, strict=True)
            ]
        except Exception:  # mixed types, no kernel for it, no memory: then there is no such opinion
            return None
        return self._opinion(case, scene, rounded)

    def _opinion(self, case: Case, scene: Scene, answers: Sequence[Any]) -> Agreement:
        """An agreement with its size, which every null solution would take too long for."""
        found = self._agreement(case, scene, answers)
        if found.equal:
            return replace(found, error=0.0)
        if not _same_form(scene.answers, answers):
            return found
        return replace(found, error=_largest_error(answers, scene.answers))

    def _distance(self, got: Sequence[Any], expected: Sequence[Any]) -> float | None:
        """The largest error in tolerances; None where nothing is tolerated or the check is its own."""
        if self.own_check:
            return None
        tolerances = tolerances_of(self._problem.tolerances, expected)
        if all(item.rtol == 0 and item.atol == 0 for item in tolerances):
            return None
        worst = max(
            (_worst(*item) for item in zip(got, expected, tolerances, strict=True)), default=0.0
        )
        return worst if math.isfinite(worst) else None

    # --- null solutions --------------------------------------------------------------------------

    def _scene(
        self, case: Case, inputs: Sequence[int], args: Mapping[str, Any], draw: int
    ) -> Scene:
        answers = _answers(self._problem, case)
        other = self._problem.answer_to(self._problem.generate(args, self._seed(args, draw + 100)))
        previous = tree.tensors_of(other)
        return Scene(
            data=case.data,
            inputs=inputs,
            answers=answers,
            previous=previous if _same_form(answers, previous) else (),
            answer_to=lambda data: tree.tensors_of(self._problem.answer_to(data)),
            seed=self._seed(args, draw + 200),
            ranks=self._job.world_size,
        )

    def _probes(
        self, case: Case, scene: Scene, args: Mapping[str, Any], noise: float
    ) -> tuple[tuple[Probe, ...], int]:
        nulls = list(solutions(scene))
        began = time.monotonic()
        found = []
        untried = 0
        for null in nulls:
            if null.weight is Weight.INPUT and time.monotonic() - began > self._changed_s:
                untried += 1
                continue
            probe = self._probe(case, scene, null, noise)
            if probe is not None:
                found.append(probe)
        accepted = {probe.name for probe in found if probe.accepted}
        for draw in range(1, DRAWS):
            if not accepted:
                break
            accepted &= self._accepted_again(accepted, args, draw)
        return tuple(_held_to(probe, accepted) for probe in found), untried

    def _probe(self, case: Case, scene: Scene, null: Null, noise: float) -> Probe | None:
        """What the check says to a null solution; None for one that cannot be made here."""
        try:
            answers = null.make(scene)
        except Exception:  # the reference does not take such an input, a type has no such operation
            return None
        if answers is None or not _same_form(scene.answers, answers):
            return None
        if not self.own_check and (wrong := self._wrong_at_once(scene, answers)) is not None:
            distance, share = wrong
            return Probe(
                name=null.name, weight=null.weight, accepted=False, distance=distance, wrong=share
            )
        said = self._agreement(case, scene, answers)
        near = noise > 0 and said.distance is not None and said.distance <= NOISE * noise
        return Probe(
            name=null.name, weight=null.weight, accepted=said.accepted, equal=said.equal or near,
            distance=said.distance,
        )  # fmt: skip

    def _wrong_at_once(
        self, scene: Scene, answers: Sequence[Any]
    ) -> tuple[float | None, float] | None:
        """How far off the beginning of an answer is and how much of it, where that refuses it."""
        pairs = zip(answers, scene.answers, strict=True)
        begun = [(got.reshape(-1)[:SAMPLE], right.reshape(-1)[:SAMPLE]) for got, right in pairs]
        got, right = [pair[0] for pair in begun], [pair[1] for pair in begun]
        found = compare(got, right, self._problem.tolerances)
        if found is None:
            return None
        return self._distance(got, right), found.bad / max(1, found.total)

    def _accepted_again(self, names: set[str], args: Mapping[str, Any], draw: int) -> set[str]:
        """Which of these null solutions are accepted on another input of the case as well."""
        data = self._problem.generate(args, self._seed(args, draw))
        case = self._problem.posed(args, data, self._problem.answer_to(cloned(data)))
        scene = self._scene(case, self._inputs(case), args, draw)
        probes = [
            self._probe(case, scene, null, 0.0) for null in solutions(scene) if null.name in names
        ]
        return {probe.name for probe in probes if probe is not None and probe.accepted}


def _held_to(probe: Probe, accepted: set[str]) -> Probe:
    """The probe as refused when it was not accepted every time."""
    if not probe.accepted or probe.name in accepted:
        return probe
    return Probe(name=probe.name, weight=probe.weight, accepted=False, distance=None)


def _answers(problem: Problem, case: Case) -> Sequence[Any]:
    expected = case.expected if case.expected is not None else problem.answer_to(case.data)
    return tree.tensors_of(expected)


def _floats(scene: Scene) -> Iterator[int]:
    return (at for at in scene.inputs if scene.tensors[at].dtype.is_floating_point)


def _off(tensor: Any, source: Any, *, wide: bool) -> Any:
    """Every value off by at most a unit in the last place of an fp32, up or down; fp64 if ``wide``."""
    import torch

    drawn = torch.rand(tensor.shape, generator=source).to(tensor.device)
    if wide:
        return tensor.to(torch.float64) * (1 + 2.0**-23 * (drawn.to(torch.float64) - 0.5))
    up = torch.full_like(tensor, math.inf)
    moved = torch.where(drawn < 0.5, torch.nextafter(tensor, up), torch.nextafter(tensor, -up))
    return torch.where(torch.isfinite(moved) & (tensor != 0), moved, tensor)


def _largest_error(got: Sequence[Any], expected: Sequence[Any]) -> float | None:
    """The largest difference of two numbers in the same place; None for types that have none."""
    import torch

    worst = 0.0
    for mine, truth in zip(got, expected, strict=True):
        if truth.dtype.is_complex or str(truth.dtype) == "torch.float4_e2m1fn_x2":
            return None
        for one, other in _in_chunks(mine, truth):
            error = (one - other).abs()
            finite = error[torch.isfinite(error)]
            worst = max(worst, float(finite.max()) if finite.numel() else 0.0)
    return worst


def _in_chunks(got: Any, expected: Any) -> Iterator[tuple[Any, Any]]:
    """Both in double precision, so much at a time that it takes hardly any memory."""
    import torch

    mine, truth = got.reshape(-1), expected.reshape(-1)
    for start in range(0, truth.numel(), CHUNK):
        end = start + CHUNK
        yield mine[start:end].to(torch.float64), truth[start:end].to(torch.float64)


def _same_form(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(
        one.shape == other.shape and one.dtype == other.dtype
        for one, other in zip(some, others, strict=True)
    )


def _same(one: Any, other: Any, inputs: Sequence[int]) -> bool:
    """Whether two data hold the same input, bit for bit."""
    form, tensors = tree.flatten(one)
    other_form, others = tree.flatten(other)
    if form != other_form:
        return False
    chosen = [(tensors[at], others[at]) for at in inputs]
    return all(
        _same_form([first], [second]) and same_bytes(first.detach(), second.detach())
        for first, second in chosen
    )


def _size(tensors: Sequence[Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _worst(got: Any, expected: Any, tolerance: Tolerance) -> float:
    """The largest error of one output in tolerances; infinite where something is not finite."""
    import torch

    if tolerance.rtol == 0 and tolerance.atol == 0:
        return 0.0 if same_bytes(got, expected) else math.inf
    worst = 0.0
    for one, other in _in_chunks(got, expected):
        error = (one - other).abs()
        share = error / (tolerance.atol + tolerance.rtol * other.abs())
        share[error == 0] = 0.0
        both = (one == other) | (torch.isnan(one) & torch.isnan(other))
        share[both] = 0.0
        worst = max(worst, float(share.nan_to_num(math.inf, math.inf).max()))
    return worst


class _Memory:
    """How much the problem's own code takes at its peak."""

    def __init__(self, device: str) -> None:
        self._cuda = device != "cpu"
        self._before = 0

    def begin(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
            return
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        except OSError:
            pass  # then it is the peak of the cases before as well
        self._before = _resident("VmRSS")

    def peak(self) -> int:
        if self._cuda:
            import torch

            return max(0, int(torch.cuda.max_memory_allocated()) - self._before)
        return max(0, _resident("VmHWM") - self._before)


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0


def write(directory: Path, found: Audit, name: str = AUDIT_FILE) -> None:
    """Whole or not at all."""
    draft = directory / f".{name}"
    draft.write_text(json.dumps(to_json(found), allow_nan=False))
    draft.replace(directory / name)
