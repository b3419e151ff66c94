"""What a submission's first lines say about where it wants to go.

``#!kernelbot leaderboard vectoradd`` and ``#!kernelbot gpu H100 B200``, or the field's older
``#!POPCORN leaderboard vectoradd``; ``//!kernelbot leaderboard vectoradd`` in C++ files.
``#!kernelbot case 2`` says which benchmark a profile is of. Only the leading run of comment and
blank lines is read, so a string further down cannot redirect a submission.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernelbot.errors import InvalidInput, did_you_mean

MARKER = re.compile(r"^(?:#|//)!\s*(kernelbot|popcorn)\b(.*)$", re.IGNORECASE)
KEYS = {"leaderboard": "leaderboard", "gpu": "gpus", "gpus": "gpus", "case": "case"}
HEADER_LINES = 200


@dataclass(frozen=True, kw_only=True)
class Directives:
    leaderboard: str | None = None
    gpus: tuple[str, ...] = ()
    profile_case: int | None = None


def parse(source: str) -> Directives:
    """Read the header. Raises InvalidInput naming the line that is wrong."""
    leaderboard: str | None = None
    gpus: tuple[str, ...] = ()
    profile_case: int | None = None
    seen: dict[str, int] = {}
    for number, words in _marked_lines(source):
        key, values = _key_and_values(number, words)
        if key in seen:
            raise _wrong(number, f"repeats the {key!r} of line {seen[key]}; keep one of them")
        seen[key] = number
        if key == "leaderboard":
            leaderboard = _single(number, values, "leaderboards; a submission goes to one")
        elif key == "case":
            word = _single(number, values, "cases; a profile is of one")
            if not (word.isascii() and word.isdigit() and len(word) < 6):
                raise _wrong(number, f"names the case {word[:40]!r}; write its number, from 0")
            profile_case = int(word)
        else:
            gpus = tuple(value for word in values for value in word.split(",") if value)
            if not gpus:
                raise _wrong(number, "names no gpu")
    return Directives(leaderboard=leaderboard, gpus=gpus, profile_case=profile_case)


def _marked_lines(source: str) -> Iterator[tuple[int, list[str]]]:
    in_block = False
    for number, line in enumerate(source.splitlines()[:HEADER_LINES], start=1):
        text = line.lstrip("\ufeff").strip()
        if in_block or text.startswith("/*"):  # a licence at the head of a C++ file
            _, closed, after = text.partition("*/")
            in_block = not closed
            if after.strip():
                return
            continue
        if text and not text.startswith(("#", "//")):
            return
        match = MARKER.match(text)
        if match:
            yield number, match.group(2).split()


def _key_and_values(number: int, words: list[str]) -> tuple[str, list[str]]:
    if not words:
        raise _wrong(
            number, "says nothing; write '#!kernelbot leaderboard NAME' or '#!kernelbot gpu NAME'"
        )
    key = KEYS.get(words[0].lower())
    if key is None:
        hint = did_you_mean(words[0], KEYS)
        raise _wrong(
            number,
            f"has the unknown key {words[0][:40]!r}; known are leaderboard, gpu and case.{hint}",
        )
    if not words[1:]:
        raise _wrong(number, f"names no {key.rstrip('s')}")
    return key, words[1:]


def _single(number: int, values: list[str], rule: str) -> str:
    if len(values) > 1:
        raise _wrong(number, f"names {len(values)} {rule}")
    return values[0]


def _wrong(number: int, what: str) -> InvalidInput:
    return InvalidInput(
        f"Line {number} of your file {what}.", code="bad_directive", detail={"line": number}
    )
