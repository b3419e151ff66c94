"""The tensors of a case in the shared memory, and the answer's way into it."""

from __future__ import annotations

from typing import Any

from .tree import build as build  # what a case is made of, in one place


class Mismatch(Exception):
    """The submission returned something that cannot be an answer."""


def view(memory: Any, slot: dict[str, Any]) -> Any:
    """The tensor that lies at a slot of the shared memory."""
    import torch

    dtype = getattr(torch, slot["dtype"])
    if not slot["nbytes"]:
        return torch.empty(slot["shape"], dtype=dtype, device="cpu")
    raw = torch.frombuffer(memory, dtype=torch.uint8, count=slot["nbytes"], offset=slot["offset"])
    return raw.view(dtype).as_strided(slot["shape"], slot["stride"])


def deliver(result: Any, targets: list[Any], single: bool) -> None:
    """Bring the answer into the referee's buffers; nothing to do when it was computed there."""
    for at, (value, target) in enumerate(
        zip(listed(result, targets, single), targets, strict=True)
    ):
        check(value, target, "" if single else f" of output {at}")
        in_place = value.data_ptr() == target.data_ptr() and value.stride() == target.stride()
        if not in_place:
            # Detached, in case the submission asked for gradients of the buffer.
            target.detach().copy_(value.detach())


def listed(result: Any, targets: list[Any], single: bool) -> list[Any]:
    if single:
        return [result]
    if not isinstance(result, tuple | list):
        raise Mismatch(
            f"custom_kernel returned {kind_of(result)}, expected a tuple of {len(targets)} tensors"
        )
    if len(result) != len(targets):
        raise Mismatch(f"custom_kernel returned {len(result)} outputs, expected {len(targets)}")
    return list(result)


def check(value: Any, target: Any, which: str) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise Mismatch(
            f"custom_kernel returned {kind_of(value)}{which}, expected a tensor of "
            f"shape {list(target.shape)} and dtype {target.dtype}"
        )
    for what, got, expected in (
        ("shape", list(value.shape), list(target.shape)),
        ("dtype", value.dtype, target.dtype),
        ("device", value.device.type, target.device.type),
        ("layout", value.layout, target.layout),
    ):
        if got != expected:
            raise Mismatch(f"the {what}{which} is wrong: got {got}, expected {expected}")


def kind_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
