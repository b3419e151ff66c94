"""Data of a case as a JSON tree and its tensors, so that the other process can build the same.

Tensors travel as numbers of slots of shared memory; everything else is written down: containers as
what they are, objects as the class to look up there and the attributes to set. Nothing is pickled,
and nothing ever comes back this way.
"""

from __future__ import annotations

import enum
import math
from typing import Any

PLAIN = (bool, int, float, str)
MAX_DEPTH = 200


def flatten(data: Any) -> tuple[Any, list[Any]]:
    """The tree of some data and its tensors in the order of their numbers.

    The same data of other contents gives an equal tree. Raises TypeError for what cannot be handed
    over: open files, generators, locks, sparse tensors, lambdas ...
    """
    writer = _Writer()
    return writer.node(data), writer.tensors


class _Writer:
    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self._numbers: dict[int, int] = {}  # id of a tensor: a tensor in two places is one
        self._objects: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is used twice
        self._depth = 0

    def node(self, item: Any) -> dict[str, Any]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TypeError("generate_input returned data that is nested too deeply")
        try:
            return self._node(item)
        finally:
            self._depth -= 1

    def _node(self, item: Any) -> dict[str, Any]:
        import torch

        if isinstance(item, torch.Tensor):
            return self._tensor(item)
        if item is None or type(item) in PLAIN:
            return {"v": None, "odd": str(item)} if _is_odd(item) else {"v": item}
        if isinstance(item, torch.Size):
            return {"size": list(item)}
        if isinstance(item, tuple | list):
            return self._sequence(item)
        if type(item) is dict:
            return self._mapping(item)
        if type(item) in (set, frozenset):
            return {type(item).__name__: [self.node(entry) for entry in sorted(item, key=repr)]}
        if isinstance(item, torch.dtype):
            return {"dtype": str(item).removeprefix("torch.")}
        if isinstance(item, torch.device):
            return {"device": str(item)}
        if isinstance(item, enum.Enum):
            return {"enum": [_address(type(item)), item.name]}
        if isinstance(item, type) or _is_function(item):
            return {"global": _address(item)}
        return self._object(item)

    def _tensor(self, item: Any) -> dict[str, Any]:
        import torch

        if item.layout is not torch.strided:
            raise TypeError(f"generate_input returned a tensor of layout {item.layout}")
        number = self._numbers.get(id(item))
        if number is None:
            number = self._numbers[id(item)] = len(self.tensors)
            self.tensors.append(item)
        node: dict[str, Any] = {"t": number}
        if isinstance(item, torch.nn.Parameter):
            node["param"] = bool(item.requires_grad)
        elif item.requires_grad:
            node["grad"] = True
        return node

    def _sequence(self, item: Any) -> dict[str, Any]:
        entries = [self.node(entry) for entry in item]
        if type(item) in (tuple, list):
            return {type(item).__name__: entries}
        if isinstance(item, tuple) and type(item).__module__ == "torch.return_types":
            return {"tuple": entries}
        if isinstance(item, tuple):  # a named one
            return {"named": [_address(type(item)), entries]}
        return self._object(item, entries)

    def _mapping(self, item: dict[Any, Any]) -> dict[str, Any]:
        if all(type(name) is str for name in item):
            return {"dict": {name: self.node(entry) for name, entry in item.items()}}
        return {"pairs": [[self.node(name), self.node(entry)] for name, entry in item.items()]}

    def _object(self, item: Any, entries: list[Any] | None = None) -> dict[str, Any]:
        """An object by its class and attributes; one seen before by its number."""
        if id(item) in self._objects:
            return {"seen": self._objects[id(item)]}
        kind = type(item)
        state = getattr(item, "__dict__", None)
        slots = [name for base in kind.__mro__ for name in _slots(base) if hasattr(item, name)]
        if state is None and not slots and entries is None and not isinstance(item, dict):
            raise TypeError(
                f"generate_input returned a {kind.__name__}; only tensors, plain values, containers "
                "and objects of importable classes made of those can be handed over"
            )
        self._objects[id(item)] = len(self._objects)
        self._kept.append(item)
        attributes = {**(state or {}), **{name: getattr(item, name) for name in slots}}
        node: dict[str, Any] = {"class": _address(kind), "state": self._mapping(attributes)}
        if isinstance(item, dict):
            node["entries"] = [[self.node(name), self.node(entry)] for name, entry in item.items()]
        elif entries is not None:
            node["entries"] = entries
        return {"obj": node}


def _is_odd(item: Any) -> bool:
    """A float that JSON has no word for."""
    return isinstance(item, float) and not math.isfinite(item)


def _is_function(item: Any) -> bool:
    return callable(item) and hasattr(item, "__qualname__") and not hasattr(item, "__self__")


def _slots(base: type) -> list[str]:
    names = base.__dict__.get("__slots__", ())
    names = (names,) if isinstance(names, str) else names
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _address(item: Any) -> str:
    """``module:name`` by which the other process finds a class or function."""
    module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", "")
    if not module or "<" in name:
        raise TypeError(
            f"generate_input returned {name or item!r}, which cannot be looked up by name"
        )
    return f"{module}:{name}"


def tensors_of(answer: Any) -> list[Any]:
    """The tensors of an answer in the order of its tree. Raises TypeError when it holds anything else."""
    tree, found = flatten(answer)
    _only_tensors(tree)
    return found


def _only_tensors(node: dict[str, Any]) -> None:
    kind, value = next(iter(node.items()))
    if kind == "t":
        return
    if kind in ("tuple", "list"):
        for entry in value:
            _only_tensors(entry)
    elif kind == "named":
        for entry in value[1]:
            _only_tensors(entry)
    elif kind == "dict":
        for entry in value.values():
            _only_tensors(entry)
    else:
        raise TypeError(
            "the reference returned something else than tensors, tuples, lists and dicts"
        )


def rebuilt(tree: dict[str, Any], tensors: list[Any]) -> Any:
    """An answer of the given tree out of other tensors."""
    kind, value = next(iter(tree.items()))
    if kind == "t":
        return tensors[value]
    if kind == "dict":
        return {name: rebuilt(entry, tensors) for name, entry in value.items()}
    value = value[1] if kind == "named" else value
    items = [rebuilt(entry, tensors) for entry in value]
    return items if kind == "list" else tuple(items)
