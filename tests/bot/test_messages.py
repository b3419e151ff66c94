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


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(BOT.rglob("*.py")):
        yield str(path.relative_to(BOT)), ast.parse(path.read_text())


def said() -> Iterator[tuple[str, str, set[str]]]:
    """Each ``say("key", name=...)`` of the bot's code: where, the key, the names. Where the key is put together, each
    that it may be and that asks for no other names."""
    for name, module in modules():
        for scope in _scopes(module):
            for node in _within(scope):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Name) and called.id == "say":
                    assert isinstance(node, ast.Call)
                    keys = _keys(node.args[0], scope)
                    names = {item.arg or "**" for item in node.keywords}
                    said_as_it_is = isinstance(node.args[0], ast.Constant)
                    if isinstance(node.args[0], ast.JoinedStr):
                        keys = [key for key in keys if asked(key) <= names] or keys
                    for key in [form for one in keys for form in numbered(one)]:
                        yield (
                            f"{name}:{node.lineno}",
                            key,
                            names if said_as_it_is or not asked(key) <= names else asked(key),
                        )


def _scopes(module: ast.Module) -> list[ast.AST]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [module, *(node for node in ast.walk(module) if isinstance(node, functions))]


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a scope, and not in one within it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _within(child)


def numbered(key: str) -> list[str]:
    """The forms of what is said of a count."""
    forms = [f"{key}.one", f"{key}.other"]
    return forms if forms[1] in messages.ENGLISH else [key]


def _keys(node: ast.expr, scope: ast.AST) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _keys(node.body, scope) + _keys(node.orelse, scope)
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):  # f"button.{action}": every key of that form
        parts = (
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[\w.-]+"
            for part in node.values
        )
        form = re.compile("".join(parts))
        return [key for key in messages.ENGLISH if form.fullmatch(key)]
    if isinstance(node, ast.Name):  # of whatever was assigned to it there
        given = [
            key
            for item in _within(scope)
            if isinstance(item, ast.Assign) and node.id in map(ast.unparse, item.targets)
            for key in _keys(item.value, scope)
        ]
        assert given, f"{node.id} is assigned where it is said"
        return given
    raise AssertionError(f"a key is written where it is used: {ast.unparse(node)}")


def asked(key: str) -> set[str]:
    return placeholders(messages.ENGLISH.get(key, ""))


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}


def test_every_message_that_is_said_is_in_the_catalogue_with_what_it_is_told() -> None:
    for where, key, names in said():
        assert key in messages.ENGLISH, f"{where} says {key!r}"
        if "**" not in names:
            # "Once" needs no figure.
            of_one = key.endswith(".one") and len(numbered(key.removesuffix(".one"))) == 2
            spared = {"count"} if of_one else set()
            assert placeholders(messages.ENGLISH[key]) | spared == names, f"{where} says {key!r}"


def test_nothing_is_in_the_catalogue_that_nobody_says() -> None:
    assert set(messages.ENGLISH) - {key for _, key, _ in said()} == set()


@pytest.mark.parametrize("locale", messages.CATALOGUES)
def test_a_translation_names_the_same_values(locale: str) -> None:
    for key, words in messages.CATALOGUES[locale].items():
        assert placeholders(words) == placeholders(messages.ENGLISH[key]), key


def test_one_is_told_in_the_singular() -> None:
    assert messages.say("admin.plan.title", count=1) == "1 change"
    assert messages.say("admin.plan.title", count=2) == "2 changes"


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


WORDLESS = {
    "info",
    "warning",
    "error",
    "debug",
    "log",
    "exception",
    "sleep",
    "create_task",
    "compile",
}
"""What is written to the log, names of tasks, and patterns."""
DEFINING = {"command", "context_menu", "describe", "Group", "allowed_contexts"}
"""Commands' descriptions: discord.py hands them to a translator of its own."""


def sentences(name: str, module: ast.Module) -> Iterator[str]:
    """What in a module's code looks like words for people: not docstrings, logs, or definitions of commands."""
    passed_over: set[int] = set()
    described: set[str] = set()
    for node in ast.walk(module):
        called = node.func if isinstance(node, ast.Call) else None
        known = getattr(called, "attr", getattr(called, "id", ""))
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        receipts = isinstance(node, ast.AsyncFunctionDef) and node.name == "told"
        silent = (
            isinstance(node, ast.Assert | ast.Raise) or known in WORDLESS | DEFINING or receipts
        )
        if known in DEFINING:
            described |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        if docstring or silent:
            passed_over |= {id(inner) for inner in ast.walk(node)}
    for node in module.body:
        if isinstance(node, ast.Assign) and described & set(map(ast.unparse, node.targets)):
            passed_over |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(module):
        if not isinstance(node, ast.Constant) or id(node) in passed_over:
            continue
        if isinstance(node.value, str) and re.search(r"[a-z]{2,} [a-z]{2,}", node.value):
            yield f"{name}:{node.lineno}: {node.value}"


UNSAID = ("messages.py", "__main__.py")  # the catalogue itself, and what goes to a terminal


def test_nothing_is_said_past_the_catalogue() -> None:
    assert [
        found
        for name, module in modules()
        if name not in UNSAID
        for found in sentences(name, module)
    ] == []
