"""What a submission imports, held against the packages that its problem lists. A look at the source and
no fence: what is imported by a name that is worked out while it runs is not seen."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Collection, Iterable

from kernelbot.errors import InvalidInput, did_you_mean

ALWAYS = ("torch", "triton", "numpy")
"""Beside Python's own modules: what is wherever something is judged."""
LONGEST_READ = 65_536
"""Characters. Parsing takes up to 0.2 s for so many, in which the process does nothing else."""
MOST_TOLD = 4


def modules(paths: Iterable[str]) -> tuple[str, ...]:
    """What files beside a submission are imported as: ``task.py`` as ``task``, ``lib/a.py`` as ``lib``."""
    found = (path.split("/")[0].removesuffix(".py") for path in paths if path.endswith(".py"))
    return tuple(dict.fromkeys(found))


def foreign(source: str, offered: Collection[str]) -> list[tuple[int, str]]:
    """Imports of what is neither Python's own nor ``offered``, with their lines; wherever they stand.

    None of a file that does not parse: the judge says why. None either of one that is too long to look at.
    """
    if len(source) > LONGEST_READ:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    known = {"submission", *ALWAYS, *offered} | sys.stdlib_module_names
    found: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(node.lineno, alias.name.split(".")[0]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add((node.lineno, node.module.split(".")[0]))
    return sorted((line, name) for line, name in found if name not in known)


def demand_offered(
    file_name: str, source: str, packages: Collection[str], beside: Iterable[str]
) -> None:
    """``packages`` are those that the problem lists, ``beside`` the files that lie by a submission."""
    offered = (*ALWAYS, *packages, *modules(beside))
    found = foreign(source, offered)
    if not found:
        return
    told = ", ".join(f"line {line} imports {name[:60]!r}" for line, name in found[:MOST_TOLD])
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    line, name = found[0]
    raise InvalidInput(
        f"{file_name}: {told}{more}. This problem says what a submission may import beside Python's own modules: "
        f"{', '.join(offered)}.{did_you_mean(name[:60], offered)}",
        code="package_not_offered",
        detail={"line": line, "name": name[:60], "choices": list(offered)},
    )
