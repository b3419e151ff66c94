"""Admission: every refusal says what, where and how to fix it; file names come out harmless."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain import admission, lasting
from kernelbot.domain.admission import MAX_CODE_BYTES, MAX_NAME_CHARACTERS, Window
from kernelbot.domain.directives import Directives
from kernelbot.domain.people import Actor
from kernelbot.errors import Forbidden, InvalidInput, RateLimited, TooLarge
from kernelbot.judge.protocol import Mode

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NONE = Directives()


# --- code ---------------------------------------------------------------------------------------


def test_the_largest_file_is_taken_and_one_byte_more_is_not() -> None:
    assert len(admission.code_text(b"#" * MAX_CODE_BYTES)) == MAX_CODE_BYTES
    with pytest.raises(TooLarge) as refusal:
        admission.code_text(b"#" * (MAX_CODE_BYTES + 1))

    assert "1,000,001 bytes" in refusal.value.message
    assert refusal.value.detail == {"limit_bytes": 1_000_000, "bytes": 1_000_001}


@pytest.mark.parametrize("code", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_a_file_of_nothing_is_empty(code: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        admission.code_text(code)

    assert refusal.value.code == "empty_file"


def test_a_binary_file_is_refused_with_the_place_of_its_first_nul() -> None:
    with pytest.raises(InvalidInput, match="byte 4 is NUL") as refusal:
        admission.code_text(b"\x7fELF\0\xff\xff")

    assert refusal.value.code == "binary_file"


def test_a_file_in_another_encoding_is_refused_with_byte_and_line() -> None:
    with pytest.raises(InvalidInput, match=r"byte 12 \(line 2\)") as refusal:
        admission.code_text(b"import os\n# \xe9t\xe9\n")

    assert refusal.value.detail == {"byte": 12, "line": 2}
    assert "Save it as UTF-8" in refusal.value.message


@pytest.mark.parametrize(
    "code",
    [
        b"# -*- coding: rot13 -*-\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=utf-7 :\n",
        b"\n  # coding=utf_16\n",
        b"\xef\xbb\xbf# coding: latin-1\n",
        b"# a\r# coding: rot13\r",
    ],
)
def test_a_declared_encoding_that_would_make_python_read_something_else_is_refused(
    code: bytes,
) -> None:
    with pytest.raises(InvalidInput, match="Remove the coding line") as refusal:
        admission.code_text(code)

    assert refusal.value.code == "foreign_encoding"


@pytest.mark.parametrize(
    "code",
    [
        b"# -*- coding: utf-8 -*-\n",
        b"# coding: UTF_8\nx = 1\n",
        b"import torch\n# encoding: row-major\n",  # below code it means nothing to Python
        b"# a\n# b\n# coding: rot13\n",
        b"\xef\xbb\xbfimport torch\n",
    ],
)
def test_what_python_reads_as_utf8_is_taken(code: bytes) -> None:
    assert admission.code_text(code).encode() == code


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_taken_or_refused(code: bytes) -> None:
    said = "Your file"
    try:
        assert admission.code_text(code).encode() == code
    except InvalidInput as refusal:
        said = refusal.message
    assert said.startswith("Your file")


# --- file names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("kernel.py", "kernel.py"),
        ("../../etc/passwd.py", "passwd.py"),
        ("C:\\Users\\ada\\kernel.py", "kernel.py"),
        ("a\x00b\x1b[31m.py", "ab_31m.py"),
        ("kernel\u202eyp.exe", "kernelyp.exe"),
        ("<script>alert(1)<", "_script_alert_1__"),
        ("**bold** @everyone.py", "__bold___everyone.py"),
        (".hidden.py", "hidden.py"),
        ("größe_数.py", "größe_数.py"),
        ("", "submission.py"),
        ("...", "submission.py"),
        ("a/", "submission.py"),
        ("\ud800.py", "py"),
    ],
)
def test_a_file_name_becomes_one_that_can_be_stored_and_shown(given_name: str, kept: str) -> None:
    assert admission.file_name(given_name) == kept


def test_a_name_of_ten_thousand_characters_keeps_its_ending() -> None:
    name = admission.file_name("a" * 10_000 + ".py")

    assert len(name) <= MAX_NAME_CHARACTERS
    assert name.endswith("a.py")


@given(st.text(max_size=300))
def test_no_name_comes_out_dangerous(given_name: str) -> None:
    name = admission.file_name(given_name)

    assert 0 < len(name) <= MAX_NAME_CHARACTERS
    assert not set(name) & set("/\\<>&\"'`*@:|?\0\n ")
    assert not name.startswith(".")
    assert all(unicodedata.category(character)[0] not in ("C", "Z") for character in name)
    assert admission.file_name(name) == name


def test_the_language_follows_from_the_ending_whatever_its_case() -> None:
    suffixes = {".py": "python", ".cu": "cuda"}

    assert admission.language("kernel.PY", suffixes) == "python"
    assert admission.language("kernel.v2.cu", suffixes) == "cuda"


@pytest.mark.parametrize("name", ["kernel.txt", "kernel", "kernel.", "py"])
def test_another_ending_is_refused_with_those_that_are_taken(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"takes: \.py") as refusal:
        admission.language(name, {".py": "python"})

    assert refusal.value.code == "wrong_extension"
    assert refusal.value.detail["choices"] == [".py"]


def test_a_name_without_an_ending_is_told_so() -> None:
    with pytest.raises(InvalidInput, match=r"A file whose name has no ending is not taken"):
        admission.language("kernel", {".py": "python"})


def test_a_language_that_is_not_taken_can_be_compiled_inline() -> None:
    with pytest.raises(InvalidInput, match="can compile such code inline"):
        admission.language("kernel.cu", {".py": "python"})


@pytest.mark.parametrize(
    ("language", "device", "words"),
    [
        ("cuda", "cpu", "A cuda file needs a GPU, and X is none"),
        ("hip", "cpu", "A hip file needs a GPU, and X is none"),
        ("cpp", "cuda", "A cpp file needs the CPU, and X is none"),
    ],
)
def test_compiled_code_is_refused_where_it_cannot_run(
    language: str, device: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refusal:
        admission.runs_on(language, {"X": device})

    assert refusal.value.code == "wrong_device"


def test_every_language_has_a_place_to_run() -> None:
    for language, device in (("python", "cpu"), ("python", "cuda"), ("cuda", "cuda")):
        admission.runs_on(language, {"X": device})
    admission.runs_on("cpp", {"X": "cpu"})


COUNTS = {"one": 1, "four": 4, "eight": 8}


def test_a_kind_with_too_few_gpus_is_refused_with_those_that_have_enough() -> None:
    words = r"runs on 4 GPUs at once, and one has 1\. Choose from: four, eight\."
    with pytest.raises(InvalidInput, match=words) as refusal:
        admission.enough_gpus(4, (), ["four", "one"], COUNTS)

    assert (refusal.value.code, refusal.value.detail["choices"]) == (
        "too_few_gpus",
        ["four", "eight"],
    )
    with pytest.raises(InvalidInput, match="Ask the host to offer a kind that has them"):
        admission.enough_gpus(4, (), ["one"], {"one": 1})


def test_enough_gpus_and_a_processor_are_taken() -> None:
    admission.enough_gpus(4, (), ["four", "eight", "CPU"], COUNTS)
    admission.enough_gpus(1, (), ["one"], COUNTS)


def test_a_problem_that_lists_its_sizes_is_for_kinds_of_just_these() -> None:
    admission.enough_gpus(4, [4, 8], ["four", "eight", "CPU"], COUNTS)
    with pytest.raises(InvalidInput, match="runs on 4 or 8 GPUs at once, and one has 1") as refusal:
        admission.enough_gpus(4, [4, 8], ["one"], COUNTS)
    assert (refusal.value.detail["needed"], refusal.value.detail["choices"]) == (
        4,
        ["four", "eight"],
    )
    words = r"runs on 2, 3 or 4 GPUs at once, and eight has 8\. Choose from: four\."
    with pytest.raises(InvalidInput, match=words):
        admission.enough_gpus(4, [2, 3, 4], ["eight"], COUNTS)


# --- where it goes ------------------------------------------------------------------------------


def test_a_file_may_name_its_leaderboard_or_the_problem_that_it_poses() -> None:
    for written in (None, "Spring-Add", "vectoradd"):
        found = admission.other_leaderboard(
            "spring-add", "VectorAdd", Directives(leaderboard=written)
        )
        assert found == ""


def test_the_leaderboard_comes_from_the_request_or_the_file_and_case_does_not_contradict() -> None:
    assert admission.leaderboard_name("vectoradd", NONE) == "vectoradd"
    assert admission.leaderboard_name(None, Directives(leaderboard="matmul")) == "matmul"
    assert admission.leaderboard_name("MatMul", Directives(leaderboard="matmul")) == "MatMul"


def test_a_request_is_believed_before_a_file_that_names_another_leaderboard() -> None:
    found = admission.other_leaderboard("a", "problem", Directives(leaderboard="b"))

    assert found.startswith("Your file says the leaderboard 'b', you named 'a': it went to 'a'.")


def test_no_leaderboard_at_all_is_answered_with_the_line_to_write() -> None:
    with pytest.raises(InvalidInput, match="'#!kernelbot leaderboard NAME'") as refusal:
        admission.leaderboard_name("  ", NONE)

    assert refusal.value.code == "no_leaderboard"


@pytest.mark.parametrize(
    ("asked", "written", "gpus"),
    [
        (["h100"], (), ("H100",)),
        (["h100, B200", "H100"], (), ("H100", "B200")),
        ([], ("b200",), ("B200",)),
        (["B200", "h100"], ("H100", "b200"), ("B200", "H100")),
    ],
)
def test_gpus_are_spelled_as_the_leaderboard_does_each_once(
    asked: list[str], written: tuple[str, ...], gpus: tuple[str, ...]
) -> None:
    assert admission.gpus(asked, Directives(gpus=written), ["H100", "B200"]) == gpus


def test_a_gpu_may_be_named_as_elsewhere_and_the_leaderboards_own_name_comes_first() -> None:
    names = {"b200": "B200", "nvidia": "B200"}
    written = Directives(gpus=("NVIDIA",))
    assert admission.gpus(["b200"], written, ["H100", "B200"], names) == ("B200",)
    assert admission.gpus(["Nvidia", "B200"], NONE, ["H100", "B200"], names) == ("B200",)
    assert admission.gpus([], written, ["NVIDIA", "B200"], names) == ("NVIDIA",)
    with pytest.raises(InvalidInput, match="'NVIDIA' is not offered here"):
        admission.gpus([], written, ["H100", "T4"], names)


def test_a_leaderboard_with_one_gpu_needs_none_named() -> None:
    assert admission.gpus([], NONE, ["CPU"]) == ("CPU",)


@pytest.mark.parametrize(
    ("asked", "written", "code", "words"),
    [
        ([], (), "no_gpu", "Choose from: H100, B200."),
        (["H10O"], (), "unknown_gpu", "Did you mean 'H100'?"),
        ([], ("\x1b[2J",), "unknown_gpu", r"'\x1b[2J' is not offered"),
        (["H100"], ("B200",), "contradicting_gpu", "your file says 'B200'"),
    ],
)
def test_a_gpu_that_cannot_be_had_is_refused_with_the_choices(
    asked: list[str], written: tuple[str, ...], code: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        admission.gpus(asked, Directives(gpus=written), ["H100", "B200"])

    assert refusal.value.code == code
    assert words in refusal.value.message


def test_an_unknown_leaderboard_is_answered_with_the_nearest_and_bounded() -> None:
    refusal = admission.unknown_leaderboard("vectorad", ["vectoradd", "matmul"])

    assert "Did you mean 'vectoradd'?" in refusal.message
    assert len(admission.unknown_leaderboard("x" * 10_000, ["matmul"]).message) < 200


# --- when, and how often ------------------------------------------------------------------------


def test_a_ban_says_until_when_and_why_and_ends_by_itself() -> None:
    banned = Actor(user_id=1, name="a", channel="api", banned_until=NOW, ban_reason="cheating")

    with pytest.raises(Forbidden, match=r"2026-05-01 12:00 UTC\. Reason: cheating") as refusal:
        admission.not_banned(banned, NOW - SECOND)
    admission.not_banned(banned, NOW)

    assert refusal.value.detail["until"] == NOW.isoformat()


def test_a_window_takes_its_first_instant_and_not_its_last() -> None:
    window = Window(opens_at=NOW, closes_at=NOW + SECOND)

    admission.within_window("x", window, NOW)
    with pytest.raises(Forbidden, match="opens at 2026-05-01 12:00 UTC") as early:
        admission.within_window("x", window, NOW - timedelta(microseconds=1))
    with pytest.raises(Forbidden, match="closed at 2026-05-01 12:00 UTC") as late:
        admission.within_window("x", window, NOW + SECOND)

    assert (early.value.code, late.value.code) == ("not_open_yet", "deadline_passed")


def test_a_window_without_bounds_is_always_open() -> None:
    admission.within_window("x", Window(), NOW)


def test_the_last_of_an_allowance_passes_and_the_next_waits_for_the_oldest_to_leave() -> None:
    oldest = NOW - timedelta(minutes=50)

    admission.within_allowance("x", Mode.RANKED, 4, 5, oldest, NOW)
    with pytest.raises(RateLimited) as refusal:
        admission.within_allowance("x", Mode.RANKED, 5, 5, oldest, NOW)

    assert refusal.value.retry_after_s == 600
    assert refusal.value.detail == {"limit": 5, "used": 5, "retry_after_s": 600}
    assert (
        "5 of 5 ranked submissions to x within an hour. Try again in 10 min."
        in refusal.value.message
    )


def test_the_wait_is_never_zero_and_rounds_up() -> None:
    for late in (timedelta(0), timedelta(milliseconds=1), timedelta(hours=2)):
        with pytest.raises(RateLimited) as refusal:
            admission.within_allowance("x", Mode.TEST, 1, 1, NOW - timedelta(hours=1) - late, NOW)
        assert refusal.value.retry_after_s == 1
    with pytest.raises(RateLimited) as refusal:
        admission.within_allowance("x", Mode.TEST, 1, 1, NOW - timedelta(seconds=3597.5), NOW)
    assert refusal.value.retry_after_s == 3


def test_without_a_limit_nothing_is_counted() -> None:
    admission.within_allowance("x", Mode.TEST, 10**9, None, NOW, NOW)


def test_what_is_left_is_never_negative_and_none_is_without_limit() -> None:
    left = admission.allowances({"ranked": 3, "other": None}, {"ranked": 5})

    assert left == {"ranked": 0, "other": None}


@pytest.mark.parametrize("mode", list(Mode))
def test_only_ranked_submissions_have_an_allowance_of_their_own(mode: Mode) -> None:
    assert admission.mode_group(mode) == ("ranked" if mode is Mode.RANKED else "other")


# --- the benchmark that a profile is of ----------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written", "chosen"), [(None, None, None), (1, None, 1), (None, 2, 2), (0, 0, 0)]
)
def test_a_profile_is_of_the_case_that_request_or_file_name(
    given: int | None, written: int | None, chosen: int | None
) -> None:
    found = admission.profile_case(
        given, Directives(profile_case=written), Mode.PROFILE, {"H100": 3}
    )
    assert found == chosen


@pytest.mark.parametrize(
    ("given", "written", "mode", "code"),
    [
        (1, 2, Mode.PROFILE, "contradicting_case"),
        (3, None, Mode.PROFILE, "unknown_case"),
        (None, 3, Mode.PROFILE, "unknown_case"),
        (1, None, Mode.TEST, "case_without_profile"),
    ],
)
def test_a_case_that_cannot_be_profiled_is_refused(
    given: int | None, written: int | None, mode: Mode, code: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        admission.profile_case(given, Directives(profile_case=written), mode, {"H100": 3, "CPU": 9})
    assert refusal.value.code == code


def test_a_case_in_the_file_says_nothing_to_other_modes() -> None:
    assert admission.profile_case(None, Directives(profile_case=99), Mode.RANKED, {}) is None


def test_a_ban_for_ever_names_no_year() -> None:
    banned = Actor(user_id=1, name="a", channel="api", banned_until=lasting.FOR_EVER)

    with pytest.raises(Forbidden, match="You may not submit for ever"):
        admission.not_banned(banned, NOW)
