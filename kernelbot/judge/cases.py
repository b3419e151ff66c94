"""The problem's side of a case: inputs from a secret seed, the expected output, the check.

Runs in the referee only; reference.py is the organizer's code and trusted, but its failures are
ours, never the contestant's. Two kinds of reference.py are known: our own (``reference`` and, if it
likes, ``check``) and the field's (``check_implementation`` beside a ``ref_kernel``).
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import inspect
import json
import os
import random
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelbot.judge import channel, tree, values
from kernelbot.judge.build import shorten
from kernelbot.judge.channel import Layout
from kernelbot.judge.compare import compare, same_bytes
from kernelbot.judge.protocol import VALUES_KEY, Job, Tolerance

REFUSED = "the problem's check refuses the output"
SHOWN_BYTES = 2 << 30
"""Of answers that only show their form, kept for the next case of that form."""
DEVICE_ERRORS = ("CUDA error: ", "HIP error: ")
CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


class ProblemFault(Exception):
    """The problem's own code failed or broke its contract: an operator must look at it."""


@dataclass(frozen=True)
class Case:
    """One fresh input with its truth."""

    args: Mapping[str, Any]
    data: Any
    layout: Layout
    expected: Any = None  # tensor or tuple of them; None or a mere form where the check knows it

    @property
    def answers(self) -> list[Any]:
        return list(self.expected) if isinstance(self.expected, tuple | list) else [self.expected]


def open_problem(directory: Path, job: Job) -> Problem:
    """The problem in a job's folder, of the kind that the job says it is."""
    if job.world_size > 1:
        return SharedProblem(
            directory,
            job.device,
            job.tolerances,
            deterministic=job.deterministic,
            world_size=job.world_size,
        )
    kind = FieldProblem if job.style == "check" else Problem
    return kind(directory, job.device, job.tolerances, deterministic=job.deterministic)


class Problem:
    """A loaded reference.py of ours."""

    needed: tuple[str, ...] = ("generate_input", "reference")

    def __init__(
        self,
        directory: Path,
        device: str,
        tolerances: tuple[Tolerance, ...],
        *,
        deterministic: bool = False,
    ) -> None:
        os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")  # references may ask for determinism
        self._module = _load(directory)
        self._device = device
        self._tolerances = tolerances
        self._shown: dict[str, Any] = {}  # by the form of data, an answer to such data
        self.deterministic = deterministic
        self.outputs = int(getattr(self._module, "OUTPUTS", 0))
        for name in self.needed:
            if not callable(getattr(self._module, name, None)):
                raise ProblemFault(f"reference.py defines no function {name}")

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        """One for all outputs, or one per output of a case."""
        return self._tolerances

    def said(self, name: str) -> Any:
        """Something that reference.py defines; None if it does not."""
        return getattr(self._module, name, None)

    def fresh(self, args: Mapping[str, Any]) -> Case:
        """An input that nobody could know before, and what the right answer to it is.

        Where the problem's check looks at properties of an output alone, an answer of its form will
        do: factorising every timed input would take longer than timing.
        """
        check = self.said("check")
        with _own_code(f"reference.py failed for {dict(args)}"):
            data = self.generate(args, secrets.randbits(31))
            if check is None or _takes(check, 3):
                expected = self.answer_to(data)
            else:
                expected = self._answer_like_that_to(data)
        return self.posed(args, data, expected)

    def fresh_for_all(self, args: Mapping[str, Any]) -> list[Case]:
        """The same for every rank."""
        return [self.fresh(args)]

    def others_for_all(self, cases: Sequence[Case]) -> list[Any] | None:
        """Another input for every rank that nobody solves; None if the draw came out in another form."""
        args, expected = cases[0].args, [case.expected for case in cases]
        with _own_code(f"reference.py failed for {dict(args)}"):
            data = self.generate(args, secrets.randbits(31))
        drawn = self._posed_for_all(args, data, expected)
        same = all(one.layout == case.layout for one, case in zip(drawn, cases, strict=True))
        return [one.data for one in drawn] if same else None

    def _posed_for_all(
        self, args: Mapping[str, Any], data: Any, expected: Sequence[Any]
    ) -> Sequence[Case]:
        return [self.posed(args, data, expected[0])]

    def _answer_like_that_to(self, data: Any) -> Any:
        """An answer to data of this form; the reference is asked once for each."""
        form = _form(data)
        if form not in self._shown:
            answer = self.answer_to(data)
            kept = sum(tensor.nbytes for tensor in channel.tensors([answer, *self._shown.values()]))
            if kept > SHOWN_BYTES:
                self._shown.clear()
            self._shown[form] = answer
        return self._shown[form]

    def generate(self, args: Mapping[str, Any], secret: int) -> Any:
        """The input that a secret number stands for."""
        return self._made(args, secret)

    def _made(self, args: Mapping[str, Any], secret: int, **more: int) -> Any:
        """What the generator makes of a case, with the values that the case asks for."""
        generate = self._module.generate_input
        given = dict(args)
        said = None if _accepts(generate, VALUES_KEY) else given.pop(VALUES_KEY, None)
        data = generate(seed=secret, device=self._device, **more, **given)
        if said is not None and isinstance(data, tuple | list):
            values.reshape(data[: len(data) - self.outputs], said, secret)
        return data

    def answer_to(self, data: Any) -> Any:
        """What the reference says to some data."""
        return self._module.reference(data)

    def rehearse(self, args: Mapping[str, Any]) -> None:
        """Make, solve and check a case for oneself: what a device loads late is loaded then."""
        for case in self.fresh_for_all(args):
            self.verdict(case, [answer.clone() for answer in case.answers])

    def posed(self, args: Mapping[str, Any], data: Any, expected: Any) -> Case:
        """A case of some data and the answer to it. Raises ProblemFault for what cannot be judged."""
        import torch

        if not isinstance(data, tuple | list) or len(data) < self.outputs:
            raise ProblemFault(f"generate_input returned a {type(data).__name__}, not a tuple")
        answers = expected if isinstance(expected, tuple | list) else [expected]
        if not all(isinstance(answer, torch.Tensor) for answer in answers):
            raise ProblemFault("reference returned something else than tensors")
        if self.outputs > len(answers):
            # What is handed in there would be overwritten, and the check be asked about the rest.
            count = "1 answer" if len(answers) == 1 else f"{len(answers)} answers"
            raise ProblemFault(f"OUTPUTS is {self.outputs}, and reference returned {count}")
        try:
            layout = channel.plan(data, expected, self.outputs)
        except TypeError as error:
            raise ProblemFault(str(error)) from error
        return Case(args, tuple(data), layout, expected)

    def verdict(self, case: Case, got: list[Any]) -> tuple[str, str]:
        """What is wrong with the output, for the contestant and for a secret run; "" if right."""
        placed = [mine.to(truth.device) for mine, truth in zip(got, case.answers, strict=True)]
        check = self.said("check")
        if check is not None:
            return self._by_check(check, case, placed)
        try:
            found = compare(placed, case.answers, self._tolerances)
        except ValueError as error:
            raise ProblemFault(
                f"the problem's tolerances do not fit its outputs: {error}"
            ) from error
        return (found.message(), found.secret_message()) if found else ("", "")

    def repeated(self, case: Case, first: list[Any], second: list[Any]) -> tuple[str, str]:
        """What is wrong with a second output for the same input; "" if right."""
        if self.deterministic:
            at = next((at for at, pair in enumerate(zip(first, second, strict=True))
                       if not same_bytes(*pair)), None)  # fmt: skip
            if at is not None:
                which = f"output {at}" if len(first) > 1 else "the output"
                text = f"{which} differs between two calls on the same input, bit for bit"
                return text, text
        complaint, secret = self.verdict(case, second)
        told = "a second call on the same input goes wrong: "
        return (told + complaint, told + secret) if complaint else ("", "")

    def _by_check(self, check: Any, case: Case, got: list[Any]) -> tuple[str, str]:
        def asked(answer: Any) -> Any:
            if _takes(check, 3):
                return check(case.data, answer, case.expected)
            return check(case.data, answer)

        output = tuple(got) if isinstance(case.expected, tuple | list) else got[0]
        try:
            said = asked(output)
        except Exception as error:
            # Whoever can make the check raise must not get a free run out of it.
            if not _ends_the_device(error):
                with _own_code("check() of reference.py failed"):
                    asked(self._own_answer_to(case))
            said = f"the problem's check failed on the output: {_summary(error)}"
        complaint = said if isinstance(said, str) else _complaint(said, "check")
        return (complaint, REFUSED) if complaint else ("", "")

    def _own_answer_to(self, case: Case) -> Any:
        return self.answer_to(case.data)


@dataclass(frozen=True)
class SharedCase(Case):
    """A case of several ranks taken together: ``data`` is the list of theirs, ``expected`` all answers in a
    row. Of its layout only the inputs' numbers mean something; memory is laid out for each rank."""

    ranks: tuple[Case, ...] = ()


class SharedProblem(Problem):
    """A loaded reference.py of ours for several ranks: one reference sees the inputs of all of them."""

    def __init__(self, *arguments: Any, world_size: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._world_size = world_size

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        each = super().tolerances
        return each * self._world_size if len(each) > 1 else each

    def fresh_for_all(self, args: Mapping[str, Any]) -> list[Case]:
        with _own_code(f"reference.py failed for {dict(args)}"):
            data = self.generate(args, secrets.randbits(31))
            expected = self.answer_to(data)
        return list(self.posed(args, data, expected).ranks)

    def generate(self, args: Mapping[str, Any], secret: int) -> list[Any]:
        """The inputs of all ranks, on one device."""
        return [
            self._made(args, secret, rank=rank, world_size=self._world_size)
            for rank in range(self._world_size)
        ]

    def answer_to(self, data: Any) -> list[Any]:
        """What the reference says to the data of all ranks, no tensor of it in two places."""
        said = super().answer_to(data)
        if not isinstance(said, tuple | list) or len(said) != self._world_size:
            raise ProblemFault(
                f"reference returned no list of {self._world_size} answers, one for each rank"
            )
        return [_apart(answer) for answer in said]

    def posed(self, args: Mapping[str, Any], data: Any, expected: Any) -> SharedCase:
        ranks = tuple(
            super(SharedProblem, self).posed(args, *own) for own in zip(data, expected, strict=True)
        )
        numbers = {id(tensor): at for at, tensor in enumerate(channel.tensors(data))}
        inputs = {
            numbers[id(channel.tensors(case.data)[at])]
            for case in ranks
            for at in case.layout.inputs
        }
        layout = Layout(None, (), tuple(sorted(inputs)), (), False, 0)
        answers = tuple(answer for case in ranks for answer in case.answers)
        return SharedCase(args, data, layout, answers, ranks)

    def _posed_for_all(
        self, args: Mapping[str, Any], data: Any, expected: Sequence[Any]
    ) -> Sequence[Case]:
        return self.posed(args, data, expected).ranks

    def verdict(self, case: Case, got: list[Any]) -> tuple[str, str]:
        if not isinstance(case, SharedCase):
            return super().verdict(case, got)
        row = iter(got)
        for rank, own in enumerate(case.ranks):
            complaint, secret = super().verdict(own, [next(row) for _ in own.answers])
            if complaint:
                return f"rank {rank}: {complaint}", f"rank {rank}: {secret}"
        return "", ""

    def _own_answer_to(self, case: Case) -> Any:
        return case.expected


class FieldProblem(Problem):
    """A loaded reference.py of the field: only its ``check_implementation`` knows what is right.

    ``ref_kernel`` tells the form of an answer; its values are never compared with anything.
    """

    needed = ("generate_input", "check_implementation", "ref_kernel")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._layouts: dict[str, Layout] = {}

    def fresh(self, args: Mapping[str, Any]) -> Case:
        with _own_code(f"reference.py failed for {dict(args)}"):
            data = self.generate(args, secrets.randbits(31))
        return self.posed(args, data, None)

    def rehearse(self, args: Mapping[str, Any]) -> None:
        with _own_code(f"reference.py failed for {dict(args)}"):
            self._check_on_its_own_answer(args)

    def answer_to(self, data: Any) -> Any:
        """What ``ref_kernel`` makes of a copy of the data."""
        return self._module.ref_kernel(cloned(data))

    def posed(self, args: Mapping[str, Any], data: Any, expected: Any) -> Case:
        try:
            layout = self._laid_out(args, data)
        except TypeError as error:
            raise ProblemFault(str(error)) from error
        return Case(args, data, layout)

    def verdict(self, case: Case, got: list[Any]) -> tuple[str, str]:
        layout = case.layout
        placed = [
            mine.to(layout.slots[at].device or self._device)
            for mine, at in zip(got, layout.outputs, strict=True)
        ]
        # A check may recompute the answer inside the data; the next one needs it as it was.
        data = cloned(case.data) if _in_place(layout) else case.data
        output = tree.rebuilt(layout.answer, placed)
        try:
            said = self._module.check_implementation(data, output)
        except Exception as error:
            if not _ends_the_device(error):
                with _own_code("check_implementation of reference.py failed"):
                    self._check_on_its_own_answer(case.args)
            said = (False, f"the problem's check failed on the output: {_summary(error)}")
        complaint = _complaint(said, "check_implementation")
        return (complaint, REFUSED) if complaint else ("", "")

    def generate(self, args: Mapping[str, Any], secret: int) -> Any:
        generate = self._module.generate_input
        given = dict(args)
        if _accepts(generate, "seed"):
            public = given.get("seed")
            given["seed"] = combined(public if isinstance(public, int) else 0, secret)
        if _accepts(generate, "device") and "device" not in given:
            given["device"] = self._device
        _seed_everything(random.Random(secret).getrandbits(31))  # noqa: S311  some draw from these
        return generate(**given)

    def _laid_out(self, args: Mapping[str, Any], data: Any) -> Layout:
        """The layout of a case; the reference runs once for every form of data, to show an answer."""
        key = _form(data)
        if key not in self._layouts:
            with _own_code(f"ref_kernel of reference.py failed for {dict(args)}"):
                spare = cloned(data)
                answer = self._module.ref_kernel(spare)
            places = _places(tree.tensors_of(answer), tree.flatten(spare)[1])
            self._layouts[key] = channel.plan_as_given(data, answer, places)
        return self._layouts[key]

    def _check_on_its_own_answer(self, args: Mapping[str, Any]) -> None:
        data = self.generate(args, secrets.randbits(31))
        answer = cloned(self._module.ref_kernel(cloned(data)))
        self._module.check_implementation(data, answer)


def combined(public: int, secret: int) -> int:
    """One seed of a case's published one and a secret one, as the field makes it (Cantor's pairing).

    Where that is more than a generator takes, its lower bits.
    """
    total = public + secret
    return (public + total * (total + 1) // 2) % (1 << 63)


def cloned(data: Any) -> Any:
    """A copy that shares no tensor with the original."""
    import torch

    memo: dict[int, Any] = {}
    for tensor in tree.flatten(data)[1]:
        copied = tensor.detach().clone()
        if isinstance(tensor, torch.nn.Parameter):
            memo[id(tensor)] = torch.nn.Parameter(copied, requires_grad=tensor.requires_grad)
        else:
            memo[id(tensor)] = copied.requires_grad_() if tensor.requires_grad else copied
    return copy.deepcopy(data, memo)


def _apart(answer: Any) -> Any:
    """The same tensors as objects of their own: several ranks may have been given one."""
    if isinstance(answer, tuple | list):
        return tuple(_apart(entry) for entry in answer)
    return answer.detach() if hasattr(answer, "detach") else answer


def _places(answers: list[Any], data: list[Any]) -> list[int | None]:
    """Which tensor of the data each tensor of the answer is, for references that work in place."""
    known = {_where(tensor): at for at, tensor in enumerate(data) if tensor.numel()}
    return [known.get(_where(answer)) if answer.numel() else None for answer in answers]


def _where(tensor: Any) -> tuple[Any, ...]:
    return (
        tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device,
    )  # fmt: skip


def _in_place(layout: Layout) -> bool:
    return any(at in layout.inputs for at in layout.outputs)


def _form(data: Any) -> str:
    """What all data of one form have in common: structure, plain values, kinds of tensors."""
    structure, found = tree.flatten(data)
    return json.dumps([structure, [_signature(tensor) for tensor in found]])


def _signature(tensor: Any) -> list[Any]:
    return [str(tensor.dtype), list(tensor.shape), list(tensor.stride()), str(tensor.device)]


def _complaint(said: Any, name: str) -> str:
    """What a check has against an output; "" if nothing. It may say (ok, text) or only the text."""
    if isinstance(said, tuple) and len(said) == 2:
        good, text = bool(said[0]), said[1]
    elif said is None or isinstance(said, str):
        good, text = not said, said
    else:
        raise ProblemFault(
            f"{name} of reference.py returned a {type(said).__name__}, not (ok, message) or a message"
        )
    return "" if good else shorten(str(text or "").replace("\\n", "\n")) or REFUSED


def _ends_the_device(error: Exception) -> bool:
    """Whether nothing can be asked of the device any more: an index from the output was out of bounds there.

    Every such error stays with the process, so the check cannot be tried on an answer of its own.
    """
    text = str(error)
    return "out of memory" not in text and any(word in text for word in DEVICE_ERRORS)


def _summary(error: Exception) -> str:
    return shorten(f"{type(error).__name__}: {error}", 200)


@contextlib.contextmanager
def _own_code(what: str) -> Iterator[None]:
    """An exception of the organizer's code is a fault of the problem."""
    try:
        yield
    except Exception as error:
        raise ProblemFault(f"{what}: {error!r}") from error


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes a keyword of this name."""
    parameters = _parameters(function)
    return name in parameters or any(
        item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()
    )


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function takes this many arguments by position."""
    kinds = [item.kind for item in _parameters(function).values()]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return (
        inspect.Parameter.VAR_POSITIONAL in kinds or sum(k in by_position for k in kinds) >= count
    )


def _seed_everything(seed: int) -> None:
    """The global generators, whose first draws are the same in every process."""
    import torch

    random.seed(seed)
    torch.manual_seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def _load(directory: Path) -> ModuleType:
    """reference.py with its folder first on the path; modules beside it win over all others."""
    path = directory / "reference.py"
    sys.path.insert(0, str(directory))
    for name in [file.stem for file in directory.glob("*.py")]:
        if name in sys.modules and name not in sys.stdlib_module_names:
            del sys.modules[name]
    spec = importlib.util.spec_from_file_location("reference", path)
    if spec is None or spec.loader is None:
        raise ProblemFault("reference.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    with _own_code("reference.py cannot be imported"):
        spec.loader.exec_module(module)
    return module
