"""How right the factors of matrices are: in fp64, and for every column by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps
TOGETHER = 1 << 25  # elements that are measured at once: some GB in fp64

Properties = Callable[..., Iterator[tuple[str, Tensor]]]
"""Is given some matrices and their factors in fp64, and yields the errors of each of their columns,
[batch, n], after the words for them."""


def flaw(properties: Properties, a: Tensor, *factors: Tensor) -> str | None:
    """The worst column of the first property that does not hold to fp32.

    An exact fp64 answer rounded to fp32 is about EPS away from the truth, and fp32 arithmetic of the
    usual kind up to 3 * sqrt(n) * EPS; what follows from inputs in TF32 is mostly some 1000 EPS away.
    """
    n = a.shape[-1]
    allowed = 8 * (4 + n**0.5) * EPS
    step = max(1, TOGETHER // n**2)
    for first in range(0, len(a), step):
        parts = [each[first : first + step].double() for each in (a, *factors)]
        for text, error in properties(*parts):
            if not bool((error <= allowed).all()):  # nor is it with NaN
                matrix, column = divmod(int(error.nan_to_num(torch.inf).argmax()), n)
                found = float(error[matrix, column])
                where = f"matrix {first + matrix}, column {column}"
                return f"{where}: {text} {found:.2g}, {allowed:.2g} is allowed"
    return None
