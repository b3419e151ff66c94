"""What changed from one text to another, line by line, in bounded time whatever the texts are.

``difflib`` takes the square of the length, or more, on files made for it; these come from strangers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_EDITS = 600
"""Lines taken out and put in that are searched for; with more the texts have nothing to do with each
other, and all between their common beginning and end is shown as replaced."""

CONTEXT = 3


@dataclass(frozen=True)
class Change:
    """Lines ``a`` to ``b`` of the one text have become ``c`` to ``d`` of the other; from 0, ends excluded."""

    a: int
    b: int
    c: int
    d: int


def unified(before: str, after: str, before_name: str, after_name: str) -> str:
    """In the form of ``diff -u``; empty when nothing changed."""
    old, new = before.splitlines(), after.splitlines()
    lines = [f"--- {before_name}", f"+++ {after_name}"]
    for group in _grouped(changes(old, new)):
        start, stop = max(0, group[0].a - CONTEXT), min(len(old), group[-1].b + CONTEXT)
        new_start = group[0].c - (group[0].a - start)
        new_stop = group[-1].d + (stop - group[-1].b)
        lines.append(f"@@ -{_range(start, stop)} +{_range(new_start, new_stop)} @@")
        at = start
        for change in group:
            lines += [f" {line}" for line in old[at : change.a]]
            lines += [f"-{line}" for line in old[change.a : change.b]]
            lines += [f"+{line}" for line in new[change.c : change.d]]
            at = change.b
        lines += [f" {line}" for line in old[at:stop]]
    return "\n".join(lines) if len(lines) > 2 else ""


def _range(start: int, stop: int) -> str:
    count = stop - start
    return f"{start + 1 if count else start},{count}" if count != 1 else f"{start + 1}"


def _grouped(found: Sequence[Change]) -> Iterator[list[Change]]:
    """Changes whose context touches stand together."""
    group: list[Change] = []
    for change in found:
        if group and change.a - group[-1].b > 2 * CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """The fewest lines taken out and put in that lead from one to the other (Myers, 1986)."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = _shortest(old[head : len(old) - tail], new[head : len(new) - tail])
    return [Change(item.a + head, item.b + head, item.c + head, item.d + head) for item in middle]


def _shortest(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    whole = [Change(0, len(old), 0, len(new))] if old or new else []
    if not old or not new:
        return whole
    reached = {1: 0}  # on each diagonal, how far into the old text so many edits lead
    history = []
    for edits in range(min(len(old) + len(new), MOST_EDITS) + 1):
        history.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (
                diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1]
            )
            x = reached[diagonal + 1] if down else reached[diagonal - 1] + 1
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            reached[diagonal] = x
            if x >= len(old) and y >= len(new):
                return _traced(history, len(old), len(new))
    return whole


def _traced(history: Sequence[dict[int, int]], x: int, y: int) -> list[Change]:
    """The steps that led to the end, from the beginning, neighbours joined."""
    steps: list[Change] = []
    for edits in range(len(history) - 1, 0, -1):
        reached, diagonal = history[edits], x - y
        down = diagonal == -edits or (
            diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1]
        )
        before = diagonal + 1 if down else diagonal - 1
        x = reached[before]
        y = x - before
        steps.append(Change(x, x, y, y + 1) if down else Change(x, x + 1, y, y))
    joined: list[Change] = []
    for step in reversed(steps):
        if joined and (joined[-1].b, joined[-1].d) == (step.a, step.c):
            joined[-1] = Change(joined[-1].a, step.b, joined[-1].c, step.d)
        else:
            joined.append(step)
    return joined
