"""The tensors of a case in the shared memory, and the answer's way into it."""

from __future__ import annotations

from typing import Any

from .tree import build


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


def fresh(tree: dict[str, Any], slots: list[Any]) -> Any:
    """The data of one call: tensors, containers and objects of its own over the memory of the slots.

    What a kernel does to those is gone with them: gradients that add up, shapes changed in place, entries taken out.
    """
    return build(tree, [slot.detach() for slot in slots])


def deliver(result: Any, targets: list[Any], single: bool) -> None:
    """Bring the answer into the referee's buffers; nothing to do when it was computed there."""
    moving = []
    for at, (value, target) in enumerate(
        zip(listed(result, targets, single), targets, strict=True)
    ):
        check(value, target, "" if single else f" of output {at}")
        if not _is_there(value, target):
            moving.append((_apart(value.detach(), targets), target))
    for value, target in moving:
        target.copy_(value)


def _is_there(value: Any, target: Any) -> bool:
    """Whether the answer was computed in the buffer, and stands there as it is to be read."""
    placed = value.data_ptr() == target.data_ptr() and value.stride() == target.stride()
    return placed and not value.is_conj() and not value.is_neg()


def _apart(value: Any, targets: list[Any]) -> Any:
    """The value, or a copy of one that lies in a buffer which is about to be written to."""
    start = value.data_ptr()
    inside = any(
        target.data_ptr() <= start < target.data_ptr() + target.nbytes for target in targets
    )
    return value.clone() if inside else value


def listed(result: Any, targets: list[Any], single: bool) -> list[Any]:
    if single:
        return [result]
    if not isinstance(result, tuple | list):
        raise Mismatch(
            f"custom_kernel returned {kind_of(result)}, expected a tuple of {len(targets)} tensors"
            f"{advice(result)}"
        )
    if len(result) != len(targets):
        raise Mismatch(f"custom_kernel returned {len(result)} outputs, expected {len(targets)}")
    return list(result)


def check(value: Any, target: Any, which: str) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise Mismatch(
            f"custom_kernel returned {kind_of(value)}{which}, expected a tensor of "
            f"shape {list(target.shape)} and dtype {target.dtype}{advice(value)}"
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


def advice(value: Any) -> str:
    """What may have been forgotten by who returns this."""
    if value is None:
        return "; what is written into a buffer has to be returned as well"
    if hasattr(value, "__await__"):
        return "; custom_kernel must not be async: have asyncio.run wait inside of it"
    return ""
