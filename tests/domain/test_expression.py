"""Formulas of authors: what they may compute, and that nothing else can be made of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.domain.expression import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_VALUE,
    ExpressionError,
    parse,
)

CASE: dict[str, Any] = {
    "n": 4096,
    "m": 3,
    "x": 0.5,
    "dtype": "fp8",
    "bias": True,
    "ms": [1, 2, 3],
    "ks": [10, 20, 30],
    "names": ["a", "b"],
    "none": [],
    "long": [1] * 1024,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 * n**2 * 2", 3 * 4096**2 * 2),
        ("n // 1000 + n % 1000 - -1", 4 + 96 + 1),
        ("n / 8", 512),
        ("2 ** 0.5", math.sqrt(2)),
        ("min(n, 7) + max(m, 2.5, x)", 10),
        ("ceil(n / 1000) + floor(4.9)", 9),
        ("log2(n)", 12),
        ("abs(m - 10)", 7),
        ("n * (1 if dtype == 'fp8' else 2)", 4096),
        ('n * (1 if dtype == "fp16" or dtype == "bf16" else 2)', 8192),
        ("n + 2 * m * bias", 4102),
        ("1 if 1 < m <= 3 and not x > 1 else 0", 1),
        ("ms[0] + ms[-1]", 4),
        ("1 if names[1] == 'b' else 0", 1),
        ("sum(ms) + len(ms)", 9),
        ("sum(ms * ks)", 140),
        ("sum((ms + m) * (ks / 2 + ks / 16))", sum((a + 3) * k * 9 / 16 for a, k in ((1, 10), (2, 20), (3, 30)))),
        ("max(ms) + sum(none)", 3),
        ("sum(long) + sum(long)", 2048),
        ("sum(ceil(ks / 16))", 1 + 2 + 2),
        ("sum(2 ** ms)", 14),
        ("1 if x else 1 / 0", 1),  # what is not chosen is not computed
        ("1 if m or 1 / 0 else 2", 1),
        ("  1 + 1  ", 2),
        ("+m", 3),
    ],
)  # fmt: skip
def test_a_formula_gives_the_number_that_its_author_expects(text: str, value: float) -> None:
    assert parse(text).evaluate(CASE) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "is empty"),
        ("n +", 4, "is no expression"),
        ("n\n+ 1", 2, "U+000A"),
        ("größe", 3, "U+00F6"),
        ("n.real", 1, "Attribute is not part of the language"),
        ("1 + n.__class__.__mro__", 5, "Attribute is not part"),
        ("__import__('os')", 1, "'__import__' cannot be called"),
        ("2 * ciel(n)", 5, "Did you mean 'ceil'?"),
        ("(lambda: 1)()", 1, "cannot be called"),
        ("lambda: 1", 1, "Lambda is not part"),
        ("[i for i in ms]", 1, "ListComp is not part"),
        ("sum(i for i in ms)", 4, "GeneratorExp is not part"),
        ("[1, 2]", 1, "List is not part"),
        ("{1: 2}", 1, "Dict is not part"),
        ("ms[0:2]", 1, "Subscript is not part"),
        ("f'{n}'", 1, "JoinedStr is not part"),
        ("(y := 3)", 2, "NamedExpr is not part"),
        ("1 + (n in ms)", 6, "Compare is not part"),
        ("n is 3", 1, "Compare is not part"),
        ("n @ 3", 1, "BinOp is not part"),
        ("n << 40", 1, "BinOp is not part"),
        ("~n", 1, "UnaryOp is not part"),
        ("max(n, key=abs)", 1, "plain arguments"),
        ("max(*ms)", 1, "plain arguments"),
        ("max()", 1, "plain arguments"),
        ("b'x'", 1, "bytes is not a number"),
        ("1j", 1, "complex is not a number"),
        ("...", 1, "ellipsis is not a number"),
        ("None", 1, "NoneType is not a number"),
        ("1e999", 1, "larger than 1e+30"),
        ("9" * 40, 1, "larger than 1e+30"),
        ("1 +" * 166 + "1", 1, "is too large"),
        ("-" * 200 + "1", MAX_DEPTH + 1, "is too large"),
        ("(" * 240 + "1" + ")" * 240, 1, ""),
        ("n " * MAX_LENGTH, 1, f"{MAX_LENGTH} are allowed"),
    ],
)
def test_what_is_no_formula_is_refused_with_its_column(text: str, column: int, words: str) -> None:
    if text.startswith("(("):  # brackets alone nest nothing
        assert parse(text[200:281]).evaluate({}) == 1
        return

    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert words in str(caught.value)
    assert caught.value.column == column or "too large" in words
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("2 * size", 5, "the case has no 'size'"),
        ("2 * dtpye", 5, "Did you mean 'dtype'?"),
        ("n / (m - 3)", 1, "division by zero"),
        ("n % 0", 1, "division by zero"),
        ("0 ** -1", 1, "division by zero"),
        ("(-8) ** 0.5", 1, "-8 to the power of 0.5"),
        ("n ** n", 1, "to the power of 4096"),
        ("9 ** 64 ** 2", 1, "to the power of"),
        ("1e30 * 10", 1, "larger than"),
        ("1e20 ** 64", 1, "larger than"),
        ("2.0 ** 64 * 1e29", 1, "larger than"),
        ("log2(0)", 1, "log2 of 0"),
        ("dtype * 3", 1, "the text 'fp8' is not a number"),
        ("dtype + 'x'", 1, "is not a number"),
        ("dtype", 1, "not a number"),
        ("ms", 1, "gives a list"),
        ("names * 2", 1, "the text 'a' is not a number"),
        ("ms + none", 1, "a list of 3 and one of 0"),
        ("ms[3]", 1, "entry 3 of a list of 3"),
        ("ms[x]", 1, "the number 0.5 is no index"),
        ("n[0]", 1, "the number 4096 has no entries"),
        ("1 if dtype else 0", 6, "neither true nor false"),
        ("1 if dtype > 3 else 0", 6, "cannot be compared"),
        ("1 if ms == ks else 0", 6, "cannot be compared"),
        ("sum(n)", 1, "sum takes one list"),
        ("len(dtype)", 1, "len takes one list"),
        ("max(none)", 1, "max of an empty list"),
        ("ceil(1, 2)", 1, "ceil takes one value"),
        ("sum(long * long * long * long * long * long)", 40, "too many steps"),
    ],
)
def test_what_has_no_value_for_a_case_says_why(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text).evaluate(CASE)

    assert words in str(caught.value)
    assert caught.value.column == column
    assert caught.value.remedy


def test_arguments_that_are_no_plain_values_are_refused() -> None:
    for value in (None, math.nan, math.inf, 10**40, [[1]], {"a": 1}, [0] * 2000):
        with pytest.raises(ExpressionError):
            parse("sum(v) if 0 else v + 0 * 1").evaluate({"v": value})
            parse("sum(v)").evaluate({"v": value})


def test_expressions_are_equal_when_written_alike() -> None:
    assert parse("n + 1") == parse("n + 1")
    assert parse("n + 1") != parse("1 + n")
    assert hash(parse("n")) == hash(parse("n"))


PIECES = st.sampled_from(
    [
        *"nmx()[],:+-*/%.<>=!\"'@~&|^;{}\\ 0179",
        "**", "//", "==", " if ", " else ", " for ", " in ", "and ", "or ", "not ", "lambda ", "ms", "dtype",
        "sum(", "max(", "ceil(", "log2(", "len(", "abs(", "__", "import", "exec(", "yield ", "await ", "1e9", "1e30",
        "0x", "0b1", "1_0", "f'{n}'", "...", "None", "True", ":=", "getattr(", ".__class__", "\x00", "\n", "\t", "é",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=60).map("".join))


@given(TEXTS)
@settings(max_examples=600, deadline=None)
def test_any_text_gives_a_bounded_number_or_a_located_refusal(text: str) -> None:
    try:
        value = parse(text).evaluate(CASE)
    except ExpressionError as error:
        refusal = error
    else:
        assert isinstance(value, float)
        assert -MAX_VALUE <= value <= MAX_VALUE
        return

    assert 1 <= refusal.column <= max(len(text), 1) + 1
    assert refusal.reason
    assert refusal.remedy


NUMBERS = st.sampled_from(["n", "m", "x", "2", "0.25", "1e6", "ms[1]", "sum(ks)"])
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} // {t[1]})"),
        inner.map(lambda text: f"ceil({text})"),
        st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} > {t[2]} else {t[1]})"),
    ),
    max_leaves=12,
)


@given(FORMULAS)
@settings(deadline=None)
def test_a_formula_means_what_python_would_make_of_it(text: str) -> None:
    names = {"ceil": math.ceil, "min": min, "sum": sum, "__builtins__": {}}
    try:
        wanted = eval(text, names, dict(CASE))
    except ZeroDivisionError:
        wanted = None
    try:
        found = parse(text).evaluate(CASE)
    except ExpressionError as error:
        limits = ("larger than", "characters", "too large")
        refused = wanted is None or any(words in error.reason for words in limits)
        found = None if refused else math.nan

    assert found in (None, wanted)
