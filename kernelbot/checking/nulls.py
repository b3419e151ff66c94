"""The null solutions: answers that take no computing, or too little of it.

Each is made from what a case shows: its data, the right answer, the answer to another input. Where
one cannot be made (no NaN among integers, no lower precision of bytes) it makes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kernelbot.checking.findings import Weight
from kernelbot.judge import tree
from kernelbot.judge.compare import same_bytes

POISON = 0xA5
"""What lies in an output buffer that nobody wrote to."""
LOWER = {
    "float64": "float32",
    "float32": "bfloat16",
    "float16": "float8_e4m3fn",
    "bfloat16": "float8_e4m3fn",
    "float8_e4m3fn": "float8_e5m2",
    "float8_e4m3fnuz": "float8_e5m2fnuz",
}
"""The next type with fewer digits."""
SHORTER = {"float32": ("TF32", 10), "float16": ("bf16", 7)}
"""Fewer digits than the type has, which the hardware offers: what it is called, bits of mantissa."""
MOST_HALVES = 32


@dataclass(frozen=True)
class Scene:
    """One case, as a null solution may use it."""

    data: Any
    inputs: Sequence[int]  # which of the data's tensors are inputs
    answers: Sequence[Any]
    previous: Sequence[Any]  # the answer to another input of the same case; empty: of another form
    answer_to: Callable[[Any], Sequence[Any]]  # the reference
    seed: int
    ranks: int = 1  # of several, the data and the answers stand one after the other

    @property
    def tensors(self) -> list[Any]:
        return tree.flatten(self.data)[1]

    def of(self, changed: dict[int, Any]) -> Sequence[Any]:
        """The reference's answer to the data with some of its tensors changed."""
        return self.answer_to(substituted(self.data, changed))


@dataclass(frozen=True)
class Null:
    """A null solution: its name, what it means when it is accepted, and how to make it."""

    name: str
    weight: Weight
    make: Callable[[Scene], Sequence[Any] | None]


def substituted(data: Any, changed: dict[int, Any]) -> Any:
    """The data with some tensors replaced, by their number; the others are shared with it."""
    memo = {id(tensor): changed.get(at, tensor) for at, tensor in enumerate(tree.flatten(data)[1])}
    return copy.deepcopy(data, memo)


def solutions(scene: Scene) -> Iterator[Null]:
    """Every null solution for a case of this form."""
    yield from _plain(scene)
    yield from _inputs(scene)
    if scene.ranks > 1:
        yield Null("each rank on its own data alone", Weight.NULL, _on_own)
    yield from _imprecise(scene)
    yield from _halved(scene)


# --- answers without computing -----------------------------------------------------------------


def _plain(scene: Scene) -> Iterator[Null]:
    """Made of the answer's form alone; one by one as well, where there are several answers."""
    makers: list[tuple[str, Weight, Callable[[Scene, int], Any]]] = [
        ("zeros", Weight.NULL, lambda scene, at: _filled(scene.answers[at], 0)),
        ("ones", Weight.NULL, lambda scene, at: _filled(scene.answers[at], 1)),
        ("NaN", Weight.NULL, lambda scene, at: _filled(scene.answers[at], float("nan"))),
        ("infinity", Weight.NULL, lambda scene, at: _filled(scene.answers[at], float("inf"))),
        ("the buffer as it was", Weight.NULL, lambda scene, at: _poisoned(scene.answers[at])),
        ("the answer to another input", Weight.NULL, _previous),
        ("random numbers of the right scale", Weight.NULL, _random),
        ("the answer's mean everywhere", Weight.NULL, _mean),
        ("the first half of the answer, then zeros", Weight.NULL, _first_half),
        ("half of every value", Weight.NULL, lambda scene, at: _half_value(scene.answers[at])),
        ("the answer moved by one row", Weight.NULL, lambda scene, at: _moved(scene.answers[at])),
        ("one element far off", Weight.HINT, lambda scene, at: _one_off(scene.answers[at])),
        ("the answer rounded to bf16", Weight.HINT, lambda scene, at: _coarse(scene.answers[at])),
    ]
    for name, weight, maker in makers:
        yield Null(name, weight, partial(_all, make=maker))
        if len(scene.answers) > 1:
            for at in range(len(scene.answers)):
                alone = partial(_alone, make=maker, at=at)
                yield Null(f"{name}, in output {at} alone", weight, alone)


def _all(scene: Scene, make: Callable[[Scene, int], Any]) -> Sequence[Any] | None:
    made = [make(scene, at) for at in range(len(scene.answers))]
    return None if any(item is None for item in made) else made


def _alone(scene: Scene, make: Callable[[Scene, int], Any], at: int) -> Sequence[Any] | None:
    made = make(scene, at)
    if made is None:
        return None
    return [made if number == at else answer for number, answer in enumerate(scene.answers)]


def _filled(answer: Any, value: float) -> Any:
    import torch

    if value not in (0, 1) and not answer.dtype.is_floating_point:
        return None
    return torch.full(answer.shape, value, dtype=torch.float32, device=answer.device).to(
        answer.dtype
    )


def _poisoned(answer: Any) -> Any:
    import torch

    size = answer.numel() * answer.element_size()
    raw = torch.full((size,), POISON, dtype=torch.uint8, device=answer.device)
    return raw.view(answer.dtype).reshape(answer.shape)


def _previous(scene: Scene, at: int) -> Any:
    return scene.previous[at] if scene.previous else None


def _random(scene: Scene, at: int) -> Any:
    import torch

    answer = scene.answers[at]
    if answer.numel() < 2:
        return None
    source = torch.Generator(device=answer.device).manual_seed(scene.seed)
    if not answer.dtype.is_floating_point:
        low, high = (int(bound) for bound in (answer.min(), answer.max()))
        drawn = torch.randint(
            low, high + 1, answer.shape, generator=source, device=answer.device, dtype=torch.int64
        )
        return drawn.to(answer.dtype)
    finite = _finite(answer)
    if finite.numel() < 2:
        return None
    drawn = torch.randn(answer.shape, generator=source, device=answer.device, dtype=torch.float32)
    return (drawn * finite.std() + finite.mean()).to(answer.dtype)


def _mean(scene: Scene, at: int) -> Any:
    answer = scene.answers[at]
    finite = _finite(answer)
    if answer.numel() < 2 or not finite.numel():
        return None
    mean = finite.mean()
    mean = mean if answer.dtype.is_floating_point else mean.round()
    return mean.to(answer.dtype).expand(answer.shape).contiguous()


def _finite(answer: Any) -> Any:
    import torch

    values = answer.reshape(-1).to(torch.float32)
    return values[torch.isfinite(values)]


def _first_half(scene: Scene, at: int) -> Any:
    answer = scene.answers[at].clone()
    if answer.numel() < 2:
        return None
    flat = answer.reshape(-1)
    flat[answer.numel() // 2 :] = 0
    return flat.reshape(answer.shape)


def _half_value(answer: Any) -> Any:
    if answer.dtype.is_floating_point:
        return (answer.to(_wide(answer)) / 2).to(answer.dtype)
    return answer // 2 if "bool" not in str(answer.dtype) else None


def _wide(answer: Any) -> Any:
    import torch

    return torch.float64 if answer.dtype is torch.float64 else torch.float32


def _moved(answer: Any) -> Any:
    if answer.numel() < 2:
        return None
    if answer.shape[0] > 1:
        return answer.roll(1, 0)
    return answer.reshape(-1).roll(1).reshape(answer.shape)


def _one_off(answer: Any) -> Any:
    if not answer.numel() or "bool" in str(answer.dtype):
        return None
    off = answer.clone().reshape(-1)
    middle = off.numel() // 2
    if answer.dtype.is_floating_point:
        off[middle] = float(_finite(answer).abs().max()) * 2 + 1 if _finite(answer).numel() else 1.0
    else:
        off[middle] = off[middle] ^ 1
    return off.reshape(answer.shape)


def _coarse(answer: Any) -> Any:
    import torch

    if answer.dtype not in (torch.float32, torch.float64):
        return None
    return answer.to(torch.bfloat16).to(answer.dtype)


# --- an input for an answer --------------------------------------------------------------------


def _inputs(scene: Scene) -> Iterator[Null]:
    for at in scene.inputs:
        yield Null(f"input {at} handed back", Weight.NULL, partial(_back, at=at))


def _back(scene: Scene, at: int) -> Sequence[Any] | None:
    """An input as every answer: whole where it fits, its beginning or repeated where it does not."""
    source = scene.tensors[at]
    fitted = [_fitted(source, answer) for answer in scene.answers]
    return None if any(item is None for item in fitted) else fitted


def _on_own(scene: Scene) -> Sequence[Any] | None:
    """What ranks come to that do not talk: the reference as if all had one rank's data."""
    each = len(scene.answers) // scene.ranks
    found: list[Any] = []
    for rank in range(scene.ranks):
        answers = scene.answer_to([scene.data[rank]] * scene.ranks)
        found += answers[rank * each : (rank + 1) * each]
    return found


def _fitted(source: Any, answer: Any) -> Any:
    if not source.numel() or not answer.numel() or source.dtype.is_complex:
        return None
    values = source.to(answer.device)
    if not answer.dtype.is_floating_point and values.dtype.is_floating_point:
        values = values.nan_to_num(0.0, 0.0, 0.0)
    values = values.to(answer.dtype)
    if values.numel() >= answer.numel():
        return values.reshape(-1)[: answer.numel()].reshape(answer.shape)
    try:
        return values.expand(answer.shape).contiguous()
    except RuntimeError:
        return None


# --- the reference on too little ---------------------------------------------------------------


def _imprecise(scene: Scene) -> Iterator[Null]:
    """The reference on inputs that lost digits: all floating-point inputs at once."""
    dtypes = {str(scene.tensors[at].dtype).removeprefix("torch.") for at in scene.inputs}
    lower = sorted({LOWER[dtype] for dtype in dtypes if dtype in LOWER})
    if lower:
        yield Null(f"the reference on {' and '.join(lower)} inputs", Weight.NULL, _on_lower)
    for dtype in sorted(dtypes & set(SHORTER)):
        name, bits = SHORTER[dtype]
        make = partial(_on_shorter, dtype=dtype, bits=bits)
        yield Null(f"the reference on {name} inputs", Weight.HINT, make)


def _on_lower(scene: Scene) -> Sequence[Any] | None:
    import torch

    def cast(tensor: Any) -> Any:
        lower = LOWER.get(str(tensor.dtype).removeprefix("torch."))
        if not lower:
            return tensor
        return tensor.to(torch.float64).to(getattr(torch, lower)).to(torch.float64).to(tensor.dtype)

    return _on_changed(scene, cast)


def _on_shorter(scene: Scene, dtype: str, bits: int) -> Sequence[Any] | None:
    import torch

    def cast(tensor: Any) -> Any:
        if tensor.dtype is not getattr(torch, dtype):
            return tensor
        wide = tensor.to(torch.float32).contiguous().view(torch.int32)
        unit = 1 << (23 - bits)
        return ((wide + unit // 2) & ~(unit - 1)).view(torch.float32).to(tensor.dtype)

    return _on_changed(scene, cast)


def _on_changed(scene: Scene, cast: Callable[[Any], Any]) -> Sequence[Any] | None:
    """The reference's answer to changed inputs; nothing when the change changes none."""
    changed = {}
    for at in scene.inputs:
        tensor = scene.tensors[at]
        made = cast(tensor)
        if made is not tensor and not same_bytes(made, tensor):
            changed[at] = made
    return scene.of(changed) if changed else None


def _halved(scene: Scene) -> Iterator[Null]:
    """Half of a sum, half of a cache: the reference with the second half of an input taken away.

    Zeros take it out of a sum, a copy of the first half out of a weighted mean.
    """
    count = 0
    for at in scene.inputs:
        tensor = scene.tensors[at]
        for axis in range(tensor.dim()):
            if tensor.shape[axis] < 2 or count >= MOST_HALVES:
                continue
            count += 1
            where = f"the second half of input {at} along axis {axis}"
            for word, copied in (("left out", False), ("taken for the first", True)):
                make = partial(_on_half, at=at, axis=axis, copied=copied)
                yield Null(f"{where} {word}", Weight.INPUT, make)


def _on_half(scene: Scene, at: int, axis: int, *, copied: bool) -> Sequence[Any] | None:
    tensor = scene.tensors[at]
    size = tensor.shape[axis]
    half = size // 2
    changed = tensor.detach().clone()
    second = changed.narrow(axis, size - half, half)
    if copied:
        second.copy_(tensor.narrow(axis, 0, half))
    else:
        second.zero_()
    if same_bytes(changed, tensor):
        return None
    return scene.of({at: changed})
