"""What a problem says about the least work that a case takes, as formulas of its arguments.

``speed_of_light`` in ``problem.yaml``::

    reads: 4 * n**2               # bytes that must come from memory
    writes: 2 * n**2              # bytes that must go there; or 'bytes:' for both in one
    flops: {fp16: n**2}           # operations by type; a multiply-add is two
    link_bytes: 0                 # bytes that must leave (or reach) one GPU of several
    floor: [bytes]                # which of these no correct kernel can avoid
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kernelbot.domain import expression
from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.expression import Expression, ExpressionError
from kernelbot.domain.peaks import DTYPES
from kernelbot.domain.roofline import Work
from kernelbot.judge.protocol import spec

Cases: TypeAlias = Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
"""Lists of cases, each with the path it stands under."""

KEYS = ("bytes", "reads", "writes", "flops", "link_bytes", "floor")
FLOORS = ("bytes", "flops", "link_bytes")
SURE = ("bytes", "link_bytes")
"""What counts for the floor unless the problem says otherwise: arithmetic can often be saved by a
better algorithm, data that the answer depends on cannot."""


@dataclass(frozen=True, kw_only=True)
class SpeedOfLight:
    """The formulas of one problem. Either ``bytes`` or ``reads`` and ``writes`` are given, or none."""

    bytes: Expression | None = None
    reads: Expression | None = None
    writes: Expression | None = None
    flops: Mapping[str, Expression] = field(default_factory=dict)
    link_bytes: Expression | None = None
    floor: tuple[str, ...] = SURE

    def work(self, case: Mapping[str, Any]) -> Work:
        """What a case takes. Raises ExpressionError for arguments that the formulas do not fit."""
        both, reads, writes = (
            _amount(formula, case) for formula in (self.bytes, self.reads, self.writes)
        )
        return Work(
            bytes=both + reads + writes,
            # Where the two are not told apart, any of the bytes may be written.
            writes=both + writes,
            flops={dtype: _amount(formula, case) for dtype, formula in self.flops.items()},
            link_bytes=_amount(self.link_bytes, case),
        )

    def formulas(self) -> Iterator[tuple[str, Expression]]:
        """Every formula with the key it stands under."""
        for key in ("bytes", "reads", "writes", "link_bytes"):
            if (formula := getattr(self, key)) is not None:
                yield key, formula
        for dtype, formula in self.flops.items():
            yield f"flops.{dtype}", formula

    def to_document(self) -> dict[str, Any]:
        plain = {key: formula.text for key, formula in self.formulas() if "." not in key}
        flops = {dtype: formula.text for dtype, formula in self.flops.items()}
        return {**plain, "flops": flops, "floor": list(self.floor)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SpeedOfLight:
        """The value ``to_document`` was called on. Raises ValueError if it is not one."""
        plain = {
            key: expression.parse(text)
            for key, text in document.items()
            if key not in ("flops", "floor")
        }
        flops = {dtype: expression.parse(text) for dtype, text in document["flops"].items()}
        return cls(**plain, flops=flops, floor=tuple(document["floor"]))


def _amount(formula: Expression | None, case: Mapping[str, Any]) -> float:
    if formula is None:
        return 0.0
    value = formula.evaluate(case)
    if value < 0:
        raise ExpressionError(1, f"gives {value:g}, less than nothing", "Fix the formula")
    return value


# --- reading -----------------------------------------------------------------------------------


def read(top: Section, cases: Cases) -> SpeedOfLight | None:
    """The section ``speed_of_light``, tried on all ``cases``."""
    node = top.get("speed_of_light")
    if node is None:
        return None
    reader = top.reader
    section = reader.section(node, "speed_of_light", KEYS)
    plain = {
        key: _formula(reader, item, section.at(key), cases)
        for key in ("bytes", "reads", "writes", "link_bytes")
        if (item := section.get(key))
    }
    if "bytes" in plain and ("reads" in plain or "writes" in plain):
        reason = "'bytes' counts reads and writes together"
        reader.flaw(section.line, section.path, reason, "Give 'bytes', or 'reads' and 'writes'")
    flops = _flops(section, cases)
    if not plain and not flops and not section.broken and set(section.values) <= set(KEYS):
        remedy = "Add 'reads:' and 'writes:', 'flops:' or 'link_bytes:'"
        reader.flaw(section.line, section.path, "says nothing", remedy)
    return SpeedOfLight(**plain, flops=flops, floor=_floor(section))


def _flops(section: Section, cases: Cases) -> dict[str, Expression]:
    node, reader = section.get("flops"), section.reader
    if node is None:
        return {}
    types = reader.section(node, section.at("flops"), DTYPES)
    read = {
        dtype: _formula(reader, types.values[dtype], types.at(dtype), cases)
        for dtype in DTYPES
        if dtype in types.values
    }
    return {dtype: formula for dtype, formula in read.items() if formula}


def _floor(section: Section) -> tuple[str, ...]:
    node, reader = section.get("floor"), section.reader
    if node is None:
        return SURE
    path = section.at("floor")
    items = reader.items(node, path, limit=len(FLOORS), what="terms", empty=True)
    named = [reader.choice(item, f"{path}[{at}]", FLOORS) for at, item in enumerate(items)]
    return tuple(term for term in FLOORS if term in named)


def _formula(
    reader: Reader,
    node: Node,
    path: str,
    cases: Cases,
) -> Expression | None:
    text = _text(reader, node, path)
    if text is None:
        return None
    try:
        found = expression.parse(text)
    except ExpressionError as error:
        _flaw(reader, node, path, error)
        return None
    for place, listed in cases:
        for at, case in enumerate(listed):
            if _is_told(reader, place, at):
                continue
            try:
                _amount(found, case)
            except ExpressionError as error:
                ranks = case.get("world_size", 1)
                several = f" with {ranks} ranks" if ranks > 1 else ""
                # By its arguments too: an entry of the file may stand for several cases.
                said = {name: value for name, value in case.items() if name != "world_size"}
                shown = shorten(spec(said)) or "no arguments"
                _flaw(reader, node, path, error, f" for {place}[{at}]{several} ({shown})")
                return found
    return found


def _is_told(reader: Reader, place: str, at: int) -> bool:
    """Whether something is wrong with a case itself, or with the one that the processor inherits: of a misspelt
    argument every formula would tell once more."""
    cases = {f"{place}[{at}]", f"{place.removeprefix('cpu.')}[{at}]"}
    return any(
        flaw.path.partition("].")[0].removesuffix("]") + "]" in cases for flaw in reader.flaws
    )


def _flaw(reader: Reader, node: Node, path: str, error: ExpressionError, case: str = "") -> None:
    reader.flaw(node.line, path, f"column {error.column}{case}: {error.reason}", error.remedy)


def _text(reader: Reader, node: Node, path: str) -> str | None:
    """A formula; a plain number is one too."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.text
    text = reader.text(node, path, limit=2 * expression.MAX_LENGTH)
    return None if text is None else text.replace("\n", " ")
