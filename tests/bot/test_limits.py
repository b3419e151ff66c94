"""Whatever people write, and as much of it as there can be: Discord takes every message of the bot, and every button
comes back as what it was."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import importlib
import inspect
import json
import pkgutil
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kernelbot.bot.client import Bot
from kernelbot.bot.post import Post
from tests.fakes import discord_rules

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOSTILE = "```@everyone <@1> **_~|>\\[x](http://y)\u202e漢👩‍💻" * 40
MANY, FEW = 30, 3
NAMED = {"key", "name", "leaderboard", "problem", "competition", "phase", "gpu", "board"}
"""What these hold was checked when it came in: it has at most 63 characters."""
BOT = Path(inspect.getfile(Bot)).parent
CLOSED = {"plan", "competitions", "_worded", "_page"}
"""Functions of what only takes one of a few words, which a hostile text is not."""
WORDS = {"scoring": "geom"}  # the same of single fields


class Anything(dict[str, Any]):
    """Has every key."""

    def __missing__(self, key: str) -> Any:
        return NOW if key.endswith("_at") or key == "at" else HOSTILE

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]


DOCUMENT = Anything(
    phases=[Anything()] * MANY, leaderboards=[Anything()] * MANY, scoring=None, prizes=[]
)


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages([str(BOT)], "kernelbot.bot."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def posts() -> Iterator[Any]:
    """Every function that makes a message out of views."""
    for module in modules():
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            made = str(function.__annotations__.get("return"))
            if made != "Post" or inspect.iscoroutinefunction(function):
                continue
            if name not in CLOSED and all(map(_is_ours, _hints(function).values())):
                yield pytest.param(function, id=f"{module.__name__.split('.', 2)[2]}.{name}")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return {
        name: kind for name, kind in typing.get_type_hints(function).items() if name != "return"
    }


def _is_ours(kind: Any) -> bool:
    """Whether ``most`` can make one: discord.py's own and exceptions it cannot."""
    if arguments := typing.get_args(kind):
        return all(_is_ours(item) for item in arguments if item is not Ellipsis)
    if dataclasses.is_dataclass(kind):
        return all(map(_is_ours, typing.get_type_hints(kind).values()))
    known = kind in SIMPLE or kind is type(None)
    return known or (inspect.isclass(kind) and issubclass(kind, enum.Enum))


SIMPLE: dict[Any, Any] = {
    str: HOSTILE, int: 10**9, float: 1.23456789e-5, bool: True, bytes: HOSTILE.encode(),
    datetime: NOW, Any: HOSTILE,
}  # fmt: skip


@functools.cache
def most(kind: Any, name: str = "", many: int = MANY) -> Any:
    """The longest and most hostile value of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if name == "document":
        return DOCUMENT
    if origin in (typing.Union, types.UnionType):
        return most(next(item for item in arguments if item is not type(None)), name, many)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return tuple(most(item, name, many) for item in arguments)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        if arguments[0] is not str:
            return {most(arguments[0], "", many): most(arguments[1], "", many)}
        value = most(arguments[1], "", many)
        return Anything({f"{at}{HOSTILE}": value for at in range(many)})
    if inspect.isclass(origin):
        # Lists in lists are short, or there would be a million of the innermost.
        return (most(arguments[0], name, FEW),) * many
    if kind is str and name in WORDS:
        return WORDS[name]
    if kind is str and name in NAMED:
        return HOSTILE[:63]
    return _single(kind, many)


def _single(kind: Any, many: int) -> Any:
    if kind in SIMPLE:
        return SIMPLE[kind]
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    hints = typing.get_type_hints(kind)
    names = [item.name for item in dataclasses.fields(kind) if item.init]
    return kind(**{name: most(hints[name], name, many) for name in names})


@pytest.mark.parametrize("function", list(posts()))
def test_discord_takes_every_message(function: Callable[..., Post]) -> None:
    post = function(**{name: most(kind, name) for name, kind in _hints(function).items()})

    body = {"content": post.content, "embeds": [embed.to_dict() for embed in post.embeds]}
    files = [(file.name, file.content) for file in post.files]
    discord_rules.check_message(json.loads(json.dumps(body)), files, new=True)
    assert "@everyone" not in post.content
    assert all(len(file.description or "") <= 1024 for file in post.sending()["files"])


# --- buttons ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def patterns() -> list[tuple[re.Pattern[str], Any]]:
    """Of everything that can be pressed or chosen under a message, from the bot as it is put together."""
    bot = Bot(cast(Any, None))
    return list(bot._connection._view_store._dynamic_items.items())


def test_what_is_pressed_comes_back_as_what_it_was(patterns: list[tuple[Any, Any]]) -> None:
    @settings(max_examples=5 * len(patterns), deadline=None)
    @given(st.data())
    def comes_back(data: st.DataObject) -> None:
        pattern, kind = data.draw(st.sampled_from(patterns))
        text = data.draw(st.from_regex(re.compile(pattern.pattern, re.A), fullmatch=True))
        assume(len(text) <= 100)
        match = pattern.fullmatch(text)
        assert match is not None

        made = asyncio.run(kind.from_custom_id(None, None, match))

        again = pattern.fullmatch(made.custom_id)
        assert again is not None
        assert asyncio.run(kind.from_custom_id(None, None, again)).custom_id == made.custom_id
        assert len(made.custom_id) <= 100
        assert [other for other, _ in patterns if other.fullmatch(text)] == [pattern]

    comes_back()
