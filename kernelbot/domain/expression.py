"""Safe arithmetic over the arguments of a case, as authors write it in ``problem.yaml``.

::

    2 * (m*k + k*n + m*n)
    n * (1 if dtype == "fp8" else 2)
    sum((m + n) * k) * 9/16            # m, n, k: lists, taken entry by entry

Numbers with ``+ - * / // % **``, ``min max ceil floor log2 sum len abs``, comparisons, ``and or not``,
``x if condition else y`` and ``list[index]``; a list in arithmetic is taken entry by entry, a number
beside it counts for every entry. Python's own parser reads it; then only these forms are let through
and walked by hand: nothing is ever compiled or run. Length, depth and every value on the way are
bounded, so the most a hostile text costs is a fraction of a second.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from kernelbot.errors import did_you_mean

MAX_LENGTH = 500
MAX_DEPTH = 30
MAX_NODES = 300
MAX_VALUE = 1e30
MAX_EXPONENT = 64
MAX_LIST = 1024
MAX_STEPS = 10_000

Number: TypeAlias = int | float
Value: TypeAlias = int | float | str | list[Any]

ALLOWED = "Use numbers, the case's arguments, + - * / // % **, comparisons, 'x if y else z' and "


class ExpressionError(ValueError):
    """An expression that cannot be used: where (``column``, from 1), why, and what to do."""

    def __init__(self, column: int, reason: str, remedy: str) -> None:
        self.column = column
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"column {column}: {reason}. {remedy}")


@dataclass(frozen=True)
class Expression:
    """A checked expression. Two are equal when they are written alike."""

    text: str
    _tree: ast.expr = field(repr=False, compare=False)

    def evaluate(self, arguments: Mapping[str, Any]) -> float:
        """Its value for these arguments: a finite number. Raises ExpressionError."""
        value = _Walk(arguments).value(self._tree)
        if isinstance(value, str | list):
            remedy = (
                "Use sum(), max() or an index" if isinstance(value, list) else "Compute a number"
            )
            raise ExpressionError(1, f"gives {_kind(value)}, not a number", remedy)
        return float(value)


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The expression in ``text``. Raises ExpressionError at the first form that is not allowed."""
    if len(text) > MAX_LENGTH:
        reason = f"has {len(text)} characters, {MAX_LENGTH} are allowed"
        raise ExpressionError(1, reason, "Shorten it")
    if not text.strip():
        raise ExpressionError(1, "is empty", "Write a number or a formula such as 2 * n")
    for at, sign in enumerate(text):
        if not " " <= sign <= "~":
            reason = f"contains the character U+{ord(sign):04X}"
            raise ExpressionError(at + 1, reason, "Use plain letters, digits and signs")
    tree = _parsed(text)
    _Check().expression(tree, 1)
    return Expression(text, tree)


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "0x1for" and the like: refused below, or harmless
            return ast.parse(text.lstrip(), mode="eval").body
    except SyntaxError as error:
        at = len(text) - len(text.lstrip()) + (error.offset or 0)
        column = min(at if error.offset else len(text) + 1, len(text) + 1)  # 0: it ends too early
        reason = f"is no expression: {error.msg}"
        raise ExpressionError(column, reason, "Check brackets and signs around it") from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise ExpressionError(1, "cannot be read", "Simplify it") from None


# --- what is let through ---------------------------------------------------------------------------


class _Check:
    """Refuses everything that is not in the language, before a single value is known."""

    def __init__(self) -> None:
        self.nodes = 0

    def expression(self, node: ast.expr, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            _refuse(node, "is too large", "Split what it computes over several arguments")
        match node:
            case ast.Constant(value=value):
                if not isinstance(value, bool | int | float | str):
                    _refuse(node, f"{type(value).__name__} is not a number or text", "Use a number")
                if not isinstance(value, str):
                    _bounded(node, value)
                return
            case ast.Name():
                return
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                inner: list[ast.expr] = [left, right]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
                inner = [operand]
            case ast.BoolOp(values=values):
                inner = values
            case ast.Compare(left=left, ops=ops, comparators=others) if all(
                type(op) in _COMPARISONS for op in ops
            ):
                inner = [left, *others]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                inner = [test, body, orelse]
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                inner = [value, index]
            case ast.Call():
                inner = self._call(node)
            case _:
                what = type(node).__name__
                _refuse(
                    node, f"{what} is not part of the language", f"{ALLOWED}{', '.join(_NAMES)}"
                )
        for item in inner:
            self.expression(item, depth + 1)

    def _call(self, node: ast.Call) -> list[ast.expr]:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            hint = did_you_mean(name, _NAMES).strip() if name else ""
            remedy = hint or f"The functions are {', '.join(_NAMES)}"
            _refuse(node, f"{name[:40]!r} cannot be called" if name else "cannot be called", remedy)
        if (
            node.keywords
            or not node.args
            or any(isinstance(item, ast.Starred) for item in node.args)
        ):
            _refuse(node, f"{node.func.id} takes plain arguments", "Write f(x) or f(x, y)")
        return node.args


def _refuse(node: ast.AST, reason: str, remedy: str) -> NoReturn:
    raise ExpressionError(getattr(node, "col_offset", 0) + 1, reason, remedy)


# --- values ----------------------------------------------------------------------------------------


class _Walk:
    """The value of a checked tree for one case."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._steps = 0

    def _step(self, node: ast.expr, count: int = 1) -> None:
        """Lists multiply the work of a formula, and a problem may have hundreds of cases."""
        self._steps += count
        if self._steps > MAX_STEPS:
            _refuse(node, "takes too many steps", "Use shorter lists or a shorter formula")

    def value(self, node: ast.expr) -> Value:
        self._step(node)
        match node:
            case ast.Constant(value=value):
                return value  # type: ignore[return-value]  # checked when it was parsed
            case ast.Name(id=name):
                return self._argument(node, name)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(node, op, self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._truth(operand)
            case ast.UnaryOp(op=op, operand=operand):
                found = self.value(operand)
                return (
                    self._arithmetic(node, ast.Sub(), 0, found)
                    if isinstance(op, ast.USub)
                    else found
                )
            case ast.BoolOp(op=op, values=values):
                wanted = isinstance(op, ast.Or)
                return wanted if any(self._truth(item) is wanted for item in values) else not wanted
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self._truth(test) else orelse)
            case ast.Subscript(value=value, slice=index):
                return self._entry(node, self.value(value), self.value(index))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(node, name, [self.value(item) for item in args])
        raise AssertionError(f"{ast.dump(node)[:80]} was let through")

    def _argument(self, node: ast.expr, name: str) -> Value:
        if name not in self._arguments:
            hint = did_you_mean(name, self._arguments).strip()
            known = ", ".join(list(self._arguments)[:20]) or "none"
            remedy = hint or f"Its arguments are: {known}; give it there, in every case"
            _refuse(node, f"the case has no {name[:40]!r}", remedy)
        value = self._arguments[name]
        if isinstance(value, list | tuple):
            if len(value) > MAX_LIST:
                _refuse(node, f"{name!r} has more than {MAX_LIST} entries", "Use a shorter list")
            self._step(node, len(value))
            return [item if isinstance(item, str) else _bounded(node, item) for item in value]
        return value if isinstance(value, str) else _bounded(node, value)

    def _arithmetic(self, node: ast.expr, op: ast.operator, left: Value, right: Value) -> Value:
        if isinstance(left, list) or isinstance(right, list):
            pairs = _pairs(node, left, right)
            self._step(node, len(pairs))
            return [_operate(node, op, one, other) for one, other in pairs]
        return _operate(node, op, left, right)

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self.value(other)
            ordered = not isinstance(op, ast.Eq | ast.NotEq)
            mixed = isinstance(left, str) is not isinstance(right, str)
            if isinstance(left, list) or isinstance(right, list) or (ordered and mixed):
                reason = f"{_kind(left)} cannot be compared with {_kind(right)}"
                _refuse(node, reason, "Compare numbers with numbers and text with text")
            if not _COMPARISONS[type(op)](left, right):
                return False
            left = right
        return True

    def _truth(self, node: ast.expr) -> bool:
        value = self.value(node)
        if isinstance(value, str | list):
            remedy = 'Compare it, as in dtype == "fp8"'
            _refuse(node, f"{_kind(value)} is neither true nor false", remedy)
        return bool(value)

    def _entry(self, node: ast.expr, value: Value, index: Value) -> Value:
        if not isinstance(value, list):
            _refuse(node, f"{_kind(value)} has no entries", "Index arguments that are lists")
        if not isinstance(index, int) or isinstance(index, bool):
            _refuse(node, f"{_kind(index)} is no index", "Use a whole number, from 0")
        if not -len(value) <= index < len(value):
            _refuse(
                node, f"entry {index} of a list of {len(value)}", "Use an index inside the list"
            )
        return value[index]  # type: ignore[no-any-return]

    def _call(self, node: ast.Call, name: str, values: list[Value]) -> Value:
        listed = values[0] if len(values) == 1 and isinstance(values[0], list) else None
        if name in ("sum", "len") and listed is None:
            _refuse(node, f"{name} takes one list", f"Write {name}(x) with a list x")
        if name == "len":
            return len(listed or ())
        if name in ("sum", "min", "max"):
            numbers = [_number(node, item) for item in (values if listed is None else listed)]
            if not numbers and name != "sum":
                _refuse(node, f"{name} of an empty list", "Give it a number as well")
            return _bounded(node, _FUNCTIONS[name](numbers))
        if len(values) != 1:
            _refuse(node, f"{name} takes one value", f"Write {name}(x)")
        if listed is not None:
            self._step(node, len(listed))
            return [self._one(node, name, item) for item in listed]
        return self._one(node, name, values[0])

    def _one(self, node: ast.expr, name: str, value: Value) -> Number:
        number = _number(node, value)
        if name == "log2" and number <= 0:
            _refuse(node, f"log2 of {number:g}", "Take it of what is more than 0")
        return _bounded(node, _FUNCTIONS[name](number))


def _pairs(node: ast.expr, left: Value, right: Value) -> list[tuple[Value, Value]]:
    """Entry by entry; what is no list stands beside every entry of the other."""
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            reason = f"a list of {len(left)} and one of {len(right)}"
            _refuse(node, reason, "Lists in arithmetic are taken entry by entry: make them equal")
        return list(zip(left, right, strict=True))
    if isinstance(left, list):
        return [(item, right) for item in left]
    assert isinstance(right, list)
    return [(left, item) for item in right]


def _operate(node: ast.expr, op: ast.operator, left: Value, right: Value) -> Number:
    one, other = _number(node, left), _number(node, right)
    if isinstance(op, ast.Pow) and (abs(other) > MAX_EXPONENT or (one < 0 and other % 1)):
        reason = f"{one:g} to the power of {other:g}"
        _refuse(node, reason, f"Use exponents up to {MAX_EXPONENT}, of what is not negative")
    try:
        return _bounded(node, _ARITHMETIC[type(op)](one, other))
    except ZeroDivisionError:
        _refuse(node, "division by zero", "Guard it: x / y if y else 0")
    except OverflowError:
        _refuse(node, f"is larger than {MAX_VALUE:g}", "Compute something smaller")


def _number(node: ast.expr, value: Value) -> Number:
    if isinstance(value, str | list):
        _refuse(node, f"{_kind(value)} is not a number", "Use numbers in arithmetic")
    return value


def _bounded(node: ast.expr, value: Any) -> Number:
    if not isinstance(value, int | float):
        _refuse(node, f"{type(value).__name__} is not a number", "Use numbers, text and lists")
    if not -MAX_VALUE <= value <= MAX_VALUE:  # neither does NaN
        _refuse(node, f"is larger than {MAX_VALUE:g}", "Compute something smaller")
    return value


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    return "a list" if isinstance(value, list) else f"the number {value!s:.20}"


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
    "log2": math.log2,
    "sum": sum,
    "len": len,
    "abs": abs,
}
_NAMES = tuple(_FUNCTIONS)
