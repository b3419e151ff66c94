from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.domain import differing

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "return x"]), max_size=30)


def applied(old: list[str], new: list[str]) -> list[str]:
    made, at = [], 0
    for change in differing.changes(old, new):
        made += old[at : change.a] + new[change.c : change.d]
        at = change.b
    return made + old[at:]


@settings(max_examples=300, deadline=None)
@given(LINES, LINES)
def test_the_changes_lead_from_one_text_to_the_other(old: list[str], new: list[str]) -> None:
    assert applied(old, new) == new
    assert differing.changes(old, old) == []


def test_a_change_is_shown_with_three_lines_around_it_as_diff_does() -> None:
    before = "\n".join("abcdefghij")
    shown = differing.unified(before, before.replace("e", "E\ne"), "#1", "#2")

    assert shown.splitlines() == [
        "--- #1", "+++ #2", "@@ -2,6 +2,7 @@", " b", " c", " d", "+E", " e", " f", " g",
    ]  # fmt: skip
    assert differing.unified(before, before, "#1", "#2") == ""


def test_changes_far_apart_stand_apart() -> None:
    lines = [str(number) for number in range(40)]
    changed = ["x", *lines[1:39], "y"]

    assert differing.unified("\n".join(lines), "\n".join(changed), "a", "b").count("@@ -") == 2


def test_texts_made_to_be_slow_to_compare_are_compared_in_bounded_time() -> None:
    old = [f"{number * 7919 % 97}" for number in range(200_000)]
    new = [f"{number * 104729 % 89}" for number in range(200_000)]

    began = time.process_time()
    made = applied(old, new)

    assert made == new
    assert time.process_time() - began < 5
