"""May this submission enter? Every rule in one place, for every channel.

The functions take values and return the decided value or raise the refusal, whose message says
what, where and how to fix it. What needs the database (who is this, how many already) comes in as
an argument.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kernelbot.domain.directives import Directives
from kernelbot.domain.lasting import span_words, until_words
from kernelbot.domain.people import Actor
from kernelbot.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    TooLarge,
    did_you_mean,
)
from kernelbot.judge.protocol import Mode

MAX_CODE_BYTES = 1_000_000
MAX_NAME_CHARACTERS = 100
WINDOW = timedelta(hours=1)

CODING_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
COMPILED = (".cu", ".hip", ".cpp")
DEVICES = {"cuda": "cuda", "hip": "cuda", "cpp": "cpu"}
"""The kind of device that files in a compiled language run on; AMD's are cuda to PyTorch."""
BLANK_OR_COMMENT = re.compile(rb"[ \t\f]*(#.*)?$")


@dataclass(frozen=True, kw_only=True)
class Window:
    """When a leaderboard takes submissions; None is no bound."""

    opens_at: datetime | None = None
    closes_at: datetime | None = None


def code_text(code: bytes) -> str:
    """The source as text. Refuses what is empty, too large, binary or not UTF-8."""
    if len(code) > MAX_CODE_BYTES:
        raise TooLarge(
            f"Your file has {len(code):,} bytes; the limit is {MAX_CODE_BYTES:,}.",
            code="file_too_large",
            detail={"limit_bytes": MAX_CODE_BYTES, "bytes": len(code)},
        )
    if not code.removeprefix(codecs.BOM_UTF8).strip():
        raise InvalidInput("Your file is empty.", code="empty_file")
    if b"\0" in code:
        raise InvalidInput(
            f"Your file is binary: byte {code.index(0)} is NUL. Send source code as UTF-8 text.",
            code="binary_file",
        )
    try:
        text = code.decode("utf-8")
    except UnicodeDecodeError as error:
        line = code.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"Your file is not UTF-8: byte {error.start} (line {line}) cannot be decoded. "
            "Save it as UTF-8 and send it again.",
            code="not_utf8",
            detail={"byte": error.start, "line": line},
        ) from None
    _refuse_foreign_coding(code)
    return text


def _refuse_foreign_coding(code: bytes) -> None:
    # A coding cookie (utf-7, rot13 ...) makes Python read another program than a reviewer sees. Like
    # Python, look at the second line only below a first that is blank or a comment.
    first, *rest = code.removeprefix(codecs.BOM_UTF8).splitlines()[:2]
    below = rest if BLANK_OR_COMMENT.match(first) else []
    match = CODING_COOKIE.search(b"\n".join([first, *below]))
    if match and match.group(1).decode("ascii", "replace").lower().replace("_", "-") not in (
        "utf-8",
        "utf8",
        "ascii",
        "us-ascii",
    ):
        raise InvalidInput(
            f"Your file declares the encoding {match.group(1).decode('ascii', 'replace')!r}; "
            "only UTF-8 is taken. Remove the coding line.",
            code="foreign_encoding",
        )


def file_name(name: str) -> str:
    """A name that is safe to store and show: the last part of the path, printable, bounded."""
    last = re.split(r"[\\/]", name)[-1]
    kept = "".join(
        character for character in last if unicodedata.category(character)[0] not in ("C", "Z")
    )
    cleaned = re.sub(r"[^\w.+-]", "_", kept).lstrip(".")
    if len(cleaned) > MAX_NAME_CHARACTERS:
        stem, dot, ending = cleaned.rpartition(".")
        cleaned = (stem or cleaned)[: MAX_NAME_CHARACTERS - 10] + (dot + ending)[:10]
    return cleaned or "submission.py"


def language(name: str, suffixes: Mapping[str, str]) -> str:
    """The language of a file by its ending. ``suffixes`` maps the endings this problem takes."""
    ending = "." + name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in suffixes:
        inline = ending in COMPILED and ".py" in suffixes
        raise InvalidInput(
            f"A file {f'ending in {ending!r}' if ending else 'whose name has no ending'} is not taken here. "
            f"This problem takes: {', '.join(suffixes)}."
            + (" A Python file can compile such code inline." if inline else ""),
            code="wrong_extension",
            detail={"choices": list(suffixes)},
        )
    return suffixes[ending]


def runs_on(language: str, devices: Mapping[str, str]) -> None:
    """``devices``: what kind each GPU is that was asked for. Refuses code that cannot run there."""
    needed = DEVICES.get(language)
    for gpu, device in devices.items():
        if needed is not None and device != needed:
            needs, other = (
                ("a GPU", "Python or C++")
                if needed == "cuda"
                else ("the CPU", "Python or CUDA C++")
            )
            raise InvalidInput(
                f"A {language} file needs {needs}, and {gpu} is none. "
                f"Choose another target, or send {other}.",
                code="wrong_device",
                detail={"gpu": gpu, "language": language},
            )


def has_gpus(count: int, ranks: int, sizes: Collection[int]) -> bool:
    """Whether a problem runs on kinds of GPU of which a run has ``count``: one of the ``sizes`` that it lists, or, if
    it lists none, at least as many as it has ``ranks``, which then leave the others idle."""
    return count in sizes if sizes else count >= ranks


def ranks_in_words(ranks: int, sizes: Collection[int]) -> str:
    """``4``, or ``2, 4 or 8``."""
    *others, last = map(str, sizes or (ranks,))
    return f"{', '.join(others)} or {last}" if others else last


def enough_gpus(
    ranks: int, sizes: Collection[int], wanted: Sequence[str], counts: Mapping[str, int]
) -> None:
    """``counts``: how many GPUs a run has on each kind that is offered; processors are not among them."""
    for gpu in wanted:
        if gpu in counts and not has_gpus(counts[gpu], ranks, sizes):
            fit = [name for name, count in counts.items() if has_gpus(count, ranks, sizes)]
            raise InvalidInput(
                f"This problem runs on {ranks_in_words(ranks, sizes)} GPUs at once, and {gpu} has "
                f"{counts[gpu]}. "
                + (
                    f"Choose from: {', '.join(fit)}."
                    if fit
                    else "Ask the host to offer a kind that has them."
                ),
                code="too_few_gpus",
                detail={"gpu": gpu, "needed": min(sizes, default=ranks), "choices": fit},
            )


def not_paused(wanted: Sequence[str], offered: Sequence[str], paused: Mapping[str, str]) -> None:
    """``paused``: why organizers take nothing for these GPUs now; under ``""`` for none at all."""
    if "" in paused:
        raise Conflict(
            "The organizers take no submissions at the moment: "
            f"{paused['']} What you have sent is kept; try again later.",
            code="intake_paused",
            detail={"gpu": None, "reason": paused[""], "choices": []},
        )
    for gpu in wanted:
        if gpu in paused:
            left = [name for name in offered if name not in paused]
            raise Conflict(
                f"The organizers take no submissions for {gpu} at the moment: {paused[gpu]} "
                + (f"Taken now: {', '.join(left)}." if left else "Try again later."),
                code="intake_paused",
                detail={"gpu": gpu, "reason": paused[gpu], "choices": left},
            )


def leaderboard_name(given: str | None, directives: Directives) -> str:
    """Which leaderboard is meant: the one named in the request, else the one in the file."""
    wanted, written = (given or "").strip(), (directives.leaderboard or "").strip()
    if not (wanted or written):
        raise InvalidInput(
            "No leaderboard is named. Name one as you send it, or begin the file with "
            "'#!kernelbot leaderboard NAME'.",
            code="no_leaderboard",
        )
    return wanted or written


def other_leaderboard(name: str, problem: str, directives: Directives) -> str:
    """What to tell somebody whose file names another leaderboard than the request did; empty if it
    does not. The request is believed: samples of the field's say what they were called where they
    come from. A file may name the problem that the leaderboard poses, as starters do."""
    written = (directives.leaderboard or "").strip()
    if not written or written.lower() in (name.lower(), problem.lower()):
        return ""
    return (
        f"Your file says the leaderboard {written[:80]!r}, you named {name!r}: it went to {name!r}. "
        "If that is wrong, cancel it and leave the name out, or change the file's first lines."
    )


def gpus(
    given: Sequence[str],
    directives: Directives,
    offered: Sequence[str],
    names: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Which GPUs are meant, spelled as the leaderboard spells them.

    ``names``: of this site's GPUs by everything they are called, in lower case.
    The request wins over the file only where both agree or one is silent; a leaderboard with a
    single GPU needs neither.
    """
    asked = named_gpus(given)
    written = _unique(directives.gpus)
    spelled = dict(names or {}) | {name.lower(): name for name in offered}

    def meant(words: Iterable[str]) -> set[str]:
        return {spelled.get(word.lower(), word).lower() for word in words}

    if asked and written and meant(asked) != meant(written):
        raise InvalidInput(
            f"You asked for {', '.join(asked)[:80]!r}, your file says {', '.join(written)[:80]!r}. "
            "Change one of them.",
            code="contradicting_gpu",
        )
    wanted = asked or written
    if not wanted and len(offered) == 1:
        return (offered[0],)
    if not wanted:
        raise InvalidInput(
            f"No GPU is named. Choose from: {', '.join(offered)}.",
            code="no_gpu",
            detail={"choices": list(offered)},
        )
    for word in wanted:
        if spelled.get(word.lower()) not in offered:
            raise InvalidInput(
                f"The GPU {word[:40]!r} is not offered here. Choose from: {', '.join(offered)}."
                + did_you_mean(word, offered),
                code="unknown_gpu",
                detail={"choices": list(offered)},
            )
    return tuple(_unique(spelled[word.lower()] for word in wanted))


def named_gpus(given: Sequence[str]) -> list[str]:
    """The words of a request's GPU fields, which may hold several each, apart by commas or blanks."""
    return _unique(word for entry in given for word in re.split(r"[,\s]+", entry) if word)


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def profile_case(
    given: int | None, directives: Directives, mode: Mode, benchmarks: Mapping[str, int]
) -> int | None:
    """Which benchmark a profile is of; None is the slowest, and for every other mode.

    ``benchmarks``: how many there are on each GPU that was asked for.
    """
    if mode is not Mode.PROFILE:
        if given is not None:
            raise InvalidInput(
                "A case can be chosen for a profile only; every other mode runs all of them.",
                code="case_without_profile",
            )
        return None
    written = directives.profile_case
    if given is not None and written is not None and given != written:
        raise InvalidInput(
            f"You asked for case {given}, your file says {written}. Change one of them.",
            code="contradicting_case",
        )
    wanted = given if given is not None else written
    for gpu, count in benchmarks.items():
        if wanted is not None and not 0 <= wanted < count:
            raise InvalidInput(
                f"There is no case {wanted} on {gpu}: it has {count}, numbered from 0.",
                code="unknown_case",
                detail={"cases": count},
            )
    return wanted


def unknown_leaderboard(name: str, known: Sequence[str]) -> NotFound:
    return NotFound(
        f"There is no leaderboard {name[:80]!r}.{did_you_mean(name[:80], known)}",
        code="unknown_leaderboard",
    )


def not_banned(actor: Actor, now: datetime) -> None:
    if actor.banned_until is not None and actor.banned_until > now:
        reason = f" Reason: {actor.ban_reason}" if actor.ban_reason else ""
        raise Forbidden(
            f"You may not submit {until_words(actor.banned_until)}.{reason}",
            code="banned",
            detail={"until": actor.banned_until.isoformat()},
        )


def within_window(name: str, window: Window, now: datetime) -> None:
    if window.opens_at is not None and now < window.opens_at:
        raise Forbidden(
            f"{name} opens at {window.opens_at:%Y-%m-%d %H:%M} UTC.",
            code="not_open_yet",
            detail={"opens_at": window.opens_at.isoformat()},
        )
    if window.closes_at is not None and now >= window.closes_at:
        raise Forbidden(
            f"{name} closed at {window.closes_at:%Y-%m-%d %H:%M} UTC.",
            code="deadline_passed",
            detail={"closes_at": window.closes_at.isoformat()},
        )


def mode_group(mode: Mode) -> str:
    """Ranked submissions have an allowance of their own."""
    return "ranked" if mode is Mode.RANKED else "other"


def within_allowance(
    name: str, mode: Mode, used: int, limit: int | None, oldest: datetime | None, now: datetime
) -> None:
    """``used`` submissions of this group were taken in the last hour, the oldest at ``oldest``."""
    if limit is None or used < limit:
        return
    wait = WINDOW if oldest is None else oldest + WINDOW - now
    seconds = max(1, math.ceil(wait.total_seconds()))
    group = "ranked" if mode is Mode.RANKED else "test, benchmark and profile"
    raise RateLimited(
        f"You have used {used} of {limit} {group} submissions to {name} within an hour. "
        f"Try again in {span_words(seconds)}.",
        retry_after_s=seconds,
        code="over_allowance",
        limit=limit,
        used=used,
    )


def allowances(limits: Mapping[str, int | None], used: Mapping[str, int]) -> dict[str, int | None]:
    """What is left of each group; None is without limit."""
    return {
        group: None if limit is None else max(0, limit - used.get(group, 0))
        for group, limit in limits.items()
    }
