"""Directives: what a file's first lines say, in each of its forms, and what is wrong with them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.directives import HEADER_LINES, Directives, parse
from kernelbot.errors import InvalidInput

NOTHING = Directives()


@pytest.mark.parametrize(
    "source",
    [
        "#!kernelbot leaderboard vectoradd\n#!kernelbot gpu H100 B200\n",
        "#!POPCORN leaderboard vectoradd\n#!POPCORN gpus H100 B200\n",
        "//!kernelbot leaderboard vectoradd\n//!kernelbot gpus H100,B200\n",
        "#! KernelBot Leaderboard vectoradd\n#!popcorn GPU H100, B200\n",
        "/* A licence.\n * x = 1\n */\n//!kernelbot leaderboard vectoradd\n#pragma once\n//!kernelbot gpu H100 B200\n",
        "\ufeff#!kernelbot leaderboard vectoradd\r\n\r\n  #!kernelbot gpu H100 B200\r\n",
        "\n\n# a comment\n#!kernelbot leaderboard vectoradd\n\n// note\n#!kernelbot gpu H100 B200",
    ],
)
def test_every_form_of_the_header_is_read(source: str) -> None:
    assert parse(source) == Directives(leaderboard="vectoradd", gpus=("H100", "B200"))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import torch\n#!kernelbot leaderboard other\n",
        '"""\n#!kernelbot leaderboard other\n"""\n',
        "x = '#!kernelbot leaderboard other'\n",
        "/* //!kernelbot leaderboard other */\n",
        "/*\n//!kernelbot leaderboard other\n*/\n",
        "/* note */ int x;\n//!kernelbot leaderboard other\n",
        "#!/usr/bin/env python\n# kernelbot leaderboard other\n",
        "#!kernelbots leaderboard other\n",
        "\n" * HEADER_LINES + "#!kernelbot leaderboard other\n",
    ],
)
def test_what_is_not_in_the_header_or_no_directive_redirects_nothing(source: str) -> None:
    assert parse(source) == NOTHING


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("# x\n#!kernelbot\n", 2, "says nothing"),
        ("#!kernelbot leaderbord x\n", 1, "Did you mean 'leaderboard'?"),
        ("#!kernelbot leaderboard\n", 1, "names no leaderboard"),
        ("#!kernelbot gpu\n", 1, "names no gpu"),
        ("#!kernelbot gpu , ,\n", 1, "names no gpu"),
        ("#!kernelbot leaderboard a b\n", 1, "names 2 leaderboards"),
        ("#!kernelbot gpu A\n\n#!popcorn gpus A\n", 3, "of line 1"),
        ("#!kernelbot case 1 2\n", 1, "names 2 cases"),
        ("#!kernelbot case first\n", 1, "write its number, from 0"),
        ("#!kernelbot leaderboard a\n#!POPCORN leaderboard b\n", 2, "repeats"),
    ],
)
def test_a_directive_that_is_wrong_is_named_by_its_line(source: str, line: int, words: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(source)

    assert refusal.value.code == "bad_directive"
    assert refusal.value.detail["line"] == line
    assert f"Line {line} of your file" in refusal.value.message
    assert words in refusal.value.message


def test_the_case_to_profile_may_stand_in_the_file() -> None:
    assert parse("#!kernelbot case 2\n").profile_case == 2
    assert parse("//!kernelbot case 0\n").profile_case == 0


@given(st.text())
def test_arbitrary_text_is_read_or_refused(source: str) -> None:
    said = ""
    try:
        parse(source)
    except InvalidInput as refusal:
        said = refusal.message
    assert len(said) < 400


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["#!kernelbot", "//!POPCORN", "#! popcorn", "#", "\ufeff#!kernelbot"]),
            st.sampled_from(["leaderboard", "gpu", "gpus", "gpuz", "", ","]) | st.text(max_size=9),
            st.text(max_size=20),
        ),
        max_size=6,
    )
)
def test_arbitrary_directives_are_read_or_refused(lines: list[tuple[str, str, str]]) -> None:
    found = NOTHING
    with contextlib.suppress(InvalidInput):
        found = parse("\n".join(" ".join(parts) for parts in lines))
    assert found.leaderboard is None or found.leaderboard.split() == [found.leaderboard]
    assert all(found.gpus)


def test_a_megabyte_in_one_word_is_refused_with_a_short_message() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse("#!kernelbot " + "leaderboard" * 90_000)

    assert len(refusal.value.message) < 200
