"""Kernels whose data or answer is more than a tuple of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .data import Mismatch, kind_of


class Adapter:
    """Stands between the judge's row of tensors and a kernel whose data and answer have another form."""

    def __init__(self, layout: dict[str, Any]) -> None:
        self.answer = layout["answer"]
        self.widened = [layout["slots"][at]["dtype"] == "float64" for at in layout["outputs"]]

    def adapted(self, kernel: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The kernel as a function that returns a tuple of tensors."""

        def call(data: Any) -> tuple[Any, ...]:
            row: list[Any] = []
            leaves(kernel(data), self.answer, "the answer", row)
            return tuple(
                _widened(value) if wide else value
                for value, wide in zip(row, self.widened, strict=True)
            )

        return call


def leaves(result: Any, tree: dict[str, Any], where: str, row: list[Any]) -> None:
    """The tensors of an answer in the order of the expected one's. Raises Mismatch for another form."""
    kind, value = next(iter(tree.items()))
    if kind == "t":
        if value == len(row):  # a tensor that stands in two places counts once
            row.append(result)
        return
    if kind == "dict":
        if not isinstance(result, dict):
            raise Mismatch(f"custom_kernel returned {kind_of(result)} for {where}, expected a dict")
        if missing := [name for name in value if name not in result]:
            raise Mismatch(f"{where} lacks the entry {missing[0]!r}")
        for name, entry in value.items():
            leaves(result[name], entry, f"{where}[{name!r}]", row)
        return
    value = value[1] if kind == "named" else value
    if not isinstance(result, tuple | list):
        raise Mismatch(
            f"custom_kernel returned {kind_of(result)} for {where}, "
            f"expected a {'list' if kind == 'list' else 'tuple'} of {len(value)} entries"
        )
    if len(result) != len(value):
        raise Mismatch(f"{where} has {len(result)} entries, expected {len(value)}")
    for at, entry in enumerate(value):
        leaves(result[at], entry, f"{where}[{at}]", row)


def _widened(value: Any) -> Any:
    """A reference that calculates in double precision asks for no output of it."""
    import torch

    if isinstance(value, torch.Tensor) and value.dtype in (
        torch.float32,
        torch.bfloat16,
        torch.float16,
    ):
        return value.double()
    return value
