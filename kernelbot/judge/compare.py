"""Whether an output is right: every element, finite where it must be, with a message one can use.

Shape and dtype are already properties of the referee's buffer when this runs, so no broadcast and
no empty tensor can make the comparison vacuous.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kernelbot.judge.protocol import Tolerance

CHUNK = 1 << 22
"""Elements compared at once: bounds the float64 temporaries to some 100 MB."""


@dataclass(frozen=True)
class Mismatch:
    """How one output differs from the expected one."""

    output: int  # which of the outputs
    outputs: int  # of how many
    shape: tuple[int, ...]
    total: int
    bad: int
    nans: int  # unexpected NaNs
    infs: int  # unexpected infinities
    first: tuple[int, ...]  # index of the first bad element
    got: str
    expected: str
    worst: float  # largest absolute error among finite bad elements
    allowed: float  # at the first bad element
    error: float  # there; NaN where it is no number

    def message(self) -> str:
        """For the contestant, when the inputs are not secret."""
        where = f" of output {self.output}" if self.outputs > 1 else ""
        text = (
            f"{self.bad} of {self.total} elements{where} are wrong ({self._share()}); "
            f"first at {list(self.first)}: got {self.got}, expected {self.expected} "
            f"({self._error()}allowed error {self.allowed:.3g})"
        )
        if self.worst > 0:
            text += f"; largest error {self.worst:.3g}"
        return text + self._odd()

    def secret_message(self) -> str:
        """The same without a single value: shape and size of the error only."""
        where = f" of output {self.output}" if self.outputs > 1 else ""
        text = f"{self.bad} of {self.total} elements{where}, shape {list(self.shape)}, are wrong ({self._share()})"
        if self.worst > 0:
            text += f"; largest error {self.worst:.1g}"
        return text + self._odd()

    def _error(self) -> str:
        if not math.isfinite(self.error):
            return ""
        times = f", {self.error / self.allowed:.3g} times the" if self.allowed > 0 else ","
        return f"error {self.error:.3g}{times} "

    def _share(self) -> str:
        return f"{100 * self.bad / self.total:.3g} %"

    def _odd(self) -> str:
        found = [
            f"{count} {name}" for count, name in ((self.nans, "NaN"), (self.infs, "Inf")) if count
        ]
        return f"; the output has unexpected {' and '.join(found)}" if found else ""


def compare(
    got: Sequence[Any], expected: Sequence[Any], tolerances: Sequence[Tolerance]
) -> Mismatch | None:
    """First output that differs, or None when all are right.

    ``got`` and ``expected`` are tensors of equal shapes and dtypes on one device. One tolerance
    stands for all outputs; otherwise there is one per output. Raises ValueError for a number of them
    that fits nothing, or an output of a dtype that its tolerance says nothing about.
    """
    each = tolerances_of(tolerances, expected)
    for at, (mine, truth, tolerance) in enumerate(zip(got, expected, each, strict=True)):
        found = _compare_one(mine, truth, tolerance, at, len(expected))
        if found is not None:
            return found
    return None


def tolerances_of(tolerances: Sequence[Tolerance], expected: Sequence[Any]) -> list[Tolerance]:
    """What holds for each of these answers, by its place and its dtype. Raises ValueError as above."""
    each = tuple(tolerances) * (len(expected) if len(tolerances) == 1 else 1)
    return [
        tolerance.of(str(truth.dtype).removeprefix("torch."))
        for tolerance, truth in zip(each, expected, strict=True)
    ]


def _compare_one(
    got: Any, expected: Any, tolerance: Tolerance, output: int, outputs: int
) -> Mismatch | None:
    mine, truth = _flat(got), _flat(expected)
    if same_bytes(mine, truth):
        return None
    if _is_packed(expected):
        mine, truth = _unpacked(mine), _unpacked(truth)
    shape = tuple(expected.shape)
    if truth.numel() != expected.numel():
        shape = (*shape[:-1], shape[-1] * 2)
    bad = nans = infs = 0
    first, worst = -1, 0.0
    for start in range(0, truth.numel(), CHUNK):
        part = _Chunk(mine[start : start + CHUNK], truth[start : start + CHUNK], tolerance)
        if part.bad == 0:
            continue
        if first < 0:
            first = start + part.first()
        bad += part.bad
        nans += part.nans()
        infs += part.infs()
        worst = max(worst, part.worst())
    if bad == 0:
        return None
    return Mismatch(
        output=output,
        outputs=outputs,
        shape=shape,
        total=truth.numel(),
        bad=bad,
        nans=nans,
        infs=infs,
        first=_unravel(first, shape),
        got=_show(mine[first]),
        expected=_show(truth[first]),
        worst=worst,
        allowed=_allowed(truth[first], tolerance),
        error=_error(mine[first], truth[first]),
    )


class _Chunk:
    """One stretch of elements, widened so that the arithmetic of the check is exact enough."""

    def __init__(self, got: Any, expected: Any, tolerance: Tolerance) -> None:
        import torch

        exact = tolerance.rtol == 0 and tolerance.atol == 0
        self.floating = expected.dtype.is_floating_point or expected.dtype.is_complex
        wide = torch.complex128 if expected.dtype.is_complex else torch.float64
        if self.floating and expected.element_size() <= 2:
            wide = torch.float32  # holds them exactly, at half the cost
        integers = not self.floating and exact
        self.got = got if integers else got.to(wide)
        self.expected = expected if integers else expected.to(wide)
        right = self.got == self.expected
        if not integers:
            right |= torch.isnan(self.got) & torch.isnan(self.expected)
        if not exact:
            self.error = (self.got - self.expected).abs()
            bound = tolerance.atol + tolerance.rtol * self.expected.abs()
            # inf - inf is NaN and inf <= inf is true: only finite values may use the bound.
            finite = torch.isfinite(self.got) & torch.isfinite(self.expected)
            right |= finite & (self.error <= bound)
        self.wrong = ~right
        self.bad = int(self.wrong.sum())

    def first(self) -> int:
        return int(self.wrong.to(_uint8()).argmax())

    def nans(self) -> int:
        return int((self.wrong & self.got.isnan()).sum()) if self.floating else 0

    def infs(self) -> int:
        return int((self.wrong & self.got.isinf()).sum()) if self.floating else 0

    def worst(self) -> float:
        import torch

        wide = torch.complex128 if self.got.dtype.is_complex else torch.float64
        error = (self.got.to(wide) - self.expected.to(wide)).abs()
        error = error[self.wrong & torch.isfinite(error)]
        return float(error.max()) if error.numel() else 0.0


def _uint8() -> Any:
    import torch

    return torch.uint8


def _flat(tensor: Any) -> Any:
    """One dimension, with what torch has put off done; booleans as their bytes, so that a 'true' of 255 is seen for
    what it is."""
    import torch

    flat = tensor.resolve_conj().resolve_neg().reshape(-1)
    return flat.view(torch.uint8) if flat.dtype == torch.bool else flat


E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""What the lower three bits of a four-bit number mean; the fourth is its sign."""


def _is_packed(tensor: Any) -> bool:
    return str(tensor.dtype) == "torch.float4_e2m1fn_x2"


def _unpacked(flat: Any) -> Any:
    """Two numbers for every byte, the lower half first; torch itself cannot convert these."""
    import torch

    table = torch.tensor([*E2M1, *(-value for value in E2M1)], device=flat.device)
    raw = flat.view(torch.uint8).to(torch.int64)
    return torch.stack((table[raw & 15], table[raw >> 4]), 1).reshape(-1)


def _unravel(at: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        at, rest = divmod(at, size)
        index.append(rest)
    return tuple(reversed(index))


def _show(value: Any) -> str:
    number = value.item()
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def _allowed(expected: Any, tolerance: Tolerance) -> float:
    bound = tolerance.atol + tolerance.rtol * _size(complex(expected.item()))
    return bound if bound == bound else 0.0


def _error(got: Any, expected: Any) -> float:
    return _size(complex(got.item()) - complex(expected.item()))


def _size(number: complex) -> float:
    """Its absolute value; infinity where that is no float any more, for which ``abs`` raises."""
    return math.hypot(number.real, number.imag)


def same_bytes(one: Any, other: Any) -> bool:
    """Whether two tensors of one shape and dtype hold the same bits, NaNs and signed zeros included."""
    import torch

    if not one.numel():
        return True
    pair = [item.contiguous().reshape(-1).view(torch.uint8) for item in (one, other)]
    if pair[0].numel() % 8 == 0 and all(item.storage_offset() % 8 == 0 for item in pair):
        pair = [item.view(torch.int64) for item in pair]
    return bool(torch.equal(*pair))


def untouched(outputs: Sequence[Any], filling: int) -> int:
    """How many elements consist of nothing but the byte that the outputs were filled with before the call.

    Not of those that are one byte long: there it is a value like any other.
    """
    import torch

    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    count = 0
    for output in outputs:
        size = output.element_size()
        if size in words and output.numel():
            word = int.from_bytes(bytes([filling]) * size, "little", signed=True)
            flat = output.contiguous().reshape(-1).view(words[size])
            count += sum(int((part == word).sum()) for part in flat.split(CHUNK))
    return count
