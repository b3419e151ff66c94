"""Where words go: results to stdout, everything else to stderr, for a terminal or for a pipe.

Whatever came from a server or a person may hold escape sequences or markup; ``clean`` is what makes
it text.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

DECEIVING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""Marks that reorder what is shown around them."""


def clean(text: object, *, lines: bool = False) -> str:
    """Text that a terminal shows as it is: control and reordering characters in their escaped form.

    ``lines`` keeps line ends and tabs, for logs and code.
    """
    kept = "\n\t" if lines else ""
    return "".join(sign if sign in kept else _shown(sign) for sign in str(text))


def _shown(sign: str) -> str:
    if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in DECEIVING:
        return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"
    return sign


def result(text: str = "") -> None:
    """A line of the command's result."""
    _write(sys.stdout, text)


def note(text: str) -> None:
    """A line about what is going on."""
    _write(sys.stderr, text)


def _write(stream: Any, text: str) -> None:
    # A terminal without UTF-8 gets "?" for "µ" rather than a crash.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def document(value: Any) -> None:
    """One JSON document on stdout, ASCII only, so that no terminal can be written to through it."""
    result(json.dumps(value, indent=2, ensure_ascii=True))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under a header: lines drawn on a terminal, aligned columns in a pipe."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _drawn(header, cells)
    else:
        _aligned(header, cells)


def _drawn(header: Sequence[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawing = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in header:
        drawing.add_column(Text(title), overflow="fold")
    for row in rows:
        # As Text, so that brackets in a name are no markup.
        drawing.add_row(*(Text(cell) for cell in row))
    Console(highlight=False, emoji=False).print(drawing)


def _aligned(header: Sequence[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (list(header), *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        result("  ".join(cells).rstrip())
