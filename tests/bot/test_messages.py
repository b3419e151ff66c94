"""The catalogue holds what is said and nothing else, and another language needs no change of code."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbot.bot import messages

BOT = Path(messages.__file__).parent


def said() -> Iterator[tuple[str, str, set[str]]]:
    """Each ``say("key", name=...)`` of the bot's code: where, the key, the names."""
    for path in BOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            if name == "say" or (isinstance(name, ast.Name) and name.id == "say"):
                for key in _keys(node.args[0]):
                    names = {item.arg or "**" for item in node.keywords}
                    yield f"{path.name}:{node.lineno}", key, names


def _keys(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _keys(node.body) + _keys(node.orelse)
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):  # f"button.{action}": every key that begins so
        head = node.values[0]
        assert isinstance(head, ast.Constant), ast.unparse(node)
        return [key for key in messages.ENGLISH if key.startswith(str(head.value))]
    raise AssertionError(f"a key is written where it is used: {ast.unparse(node)}")


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}


def test_every_message_that_is_said_is_in_the_catalogue_with_what_it_is_told() -> None:
    for where, key, names in said():
        assert key in messages.ENGLISH, f"{where} says {key!r}"
        if "**" not in names:
            assert placeholders(messages.ENGLISH[key]) == names, f"{where} says {key!r}"


def test_nothing_is_in_the_catalogue_that_nobody_says() -> None:
    assert set(messages.ENGLISH) - {key for _, key, _ in said()} == set()


@pytest.mark.parametrize("locale", messages.CATALOGUES)
def test_a_translation_names_the_same_values(locale: str) -> None:
    for key, words in messages.CATALOGUES[locale].items():
        assert placeholders(words) == placeholders(messages.ENGLISH[key]), key


def test_another_language_is_spoken_where_it_has_words_and_english_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(messages.CATALOGUES, "de", {"button.rerun": "Noch einmal"})
    token = messages.LOCALE.set("de")
    try:
        assert messages.say("button.rerun") == "Noch einmal"
        assert messages.say("button.share") == "Share"
    finally:
        messages.LOCALE.reset(token)


def sentences(path: Path) -> Iterator[str]:
    """What in a module's code looks like words for people: not docstrings, logs, or definitions of commands,
    whose descriptions discord.py hands to a translator of its own."""
    tree = ast.parse(path.read_text())
    passed_over: set[int] = set()
    for node in ast.walk(tree):
        name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
        silent = isinstance(node, ast.Assert) or name in (
            "info",
            "warning",
            "error",
            "log",
            "describe",
        )
        command = name in ("command", "context_menu") or isinstance(node, ast.Raise)
        if (
            silent
            or command
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ):
            passed_over |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in passed_over:
            continue
        if isinstance(node.value, str) and re.search(r"[a-z]{2,} [a-z]{2,}", node.value):
            yield f"{path.name}:{node.lineno}: {node.value}"


SPEAKING = (
    "render",
    "errors",
    "actions",
    "me",
    "paste",
    "submissions",
    "views",
    "taking",
    "cards",
    "desk_posts",
    "desk_things",
)


@pytest.mark.parametrize("module", SPEAKING)
def test_nothing_is_said_past_the_catalogue(module: str) -> None:
    assert list(sentences(BOT / f"{module}.py")) == []
