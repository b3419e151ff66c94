"""The data of a case from the tree that the referee wrote down."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any


def build(node: dict[str, Any], slots: list[Any]) -> Any:
    """A data tree with its tensors in place."""
    return _Builder(slots).build(node)


class _Builder:
    def __init__(self, slots: list[Any]) -> None:
        self.slots = slots
        self.objects: list[Any] = []

    def build(self, node: dict[str, Any]) -> Any:
        kind, value = next(iter(node.items()))
        if kind == "t":
            return self._tensor(node)
        if kind == "v":
            return float(node["odd"]) if "odd" in node else value
        if kind == "dict":
            return {name: self.build(entry) for name, entry in value.items()}
        if kind == "pairs":
            return {self.build(name): self.build(entry) for name, entry in value}
        if kind == "obj":
            return self._object(value)
        if kind == "seen":
            return self.objects[value]
        if kind in ("dtype", "device", "size", "enum", "global"):
            return _named_value(kind, value)
        if kind == "named":
            return looked_up(value[0])(*[self.build(entry) for entry in value[1]])
        containers: dict[str, Callable[[Any], Any]] = {
            "tuple": tuple, "list": list, "set": set, "frozenset": frozenset,
        }  # fmt: skip
        return containers[kind](self.build(entry) for entry in value)

    def _tensor(self, node: dict[str, Any]) -> Any:
        import torch

        tensor = self.slots[node["t"]]
        if "param" in node:
            return torch.nn.Parameter(tensor, requires_grad=node["param"])
        return tensor.requires_grad_() if node.get("grad") else tensor

    def _object(self, value: dict[str, Any]) -> Any:
        kind = looked_up(value["class"])
        item = kind.__new__(kind)
        self.objects.append(item)
        for name, entry in self.build(value["state"]).items():
            object.__setattr__(item, name, entry)
        for entry in value.get("entries", ()):
            if isinstance(entry, list):
                item[self.build(entry[0])] = self.build(entry[1])
            else:
                item.append(self.build(entry))
        return item


def _named_value(kind: str, value: Any) -> Any:
    import torch

    if kind == "dtype":
        return getattr(torch, value)
    if kind == "device":
        return torch.device(value)
    if kind == "size":
        return torch.Size(value)
    return looked_up(value[0])[value[1]] if kind == "enum" else looked_up(value)


def looked_up(address: str) -> Any:
    """The class or function at ``module:name``, from this process's own copy of the file."""
    module, _, name = address.partition(":")
    return functools.reduce(getattr, name.split("."), importlib.import_module(module))
