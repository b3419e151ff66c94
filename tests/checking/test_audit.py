"""Null solutions against problems that somebody could have written, all in one auditing process."""

from __future__ import annotations

import pytest

from kernelbot.checking import findings
from kernelbot.checking.findings import Audit, Level
from tests.checking.auditing import audited, told

HEAD = """\
import torch
OUTPUTS = 0


def generate_input(*, seed, device, size):
    source = torch.Generator(device=device).manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=source, device=device)

"""

PROBLEMS = {
    # A product so small that the bias is the answer, as far as the tolerance can tell.
    "only-the-bias": (
        "    return normal(size, 64) * 0.01, normal(64, size) * 0.01, normal(size)\n"
        "def reference(data):\n    a, b, bias = data\n    return a @ b + bias\n",
        "{rtol: 0, atol: 1.0e-2}",
    ),
    # Two answers, the second of which may be anything.
    "one-of-two": (
        "    return (normal(size),)\n"
        "def reference(data):\n    return 2 * data[0], data[0].square()\n",
        "[{rtol: 1.0e-6}, {atol: 100}]",
    ),
    # Weights that fade so fast that what comes late is lost in the tolerance.
    "fading": (
        "    return (normal(size, 256),)\n"
        "def reference(data):\n"
        "    fade = torch.exp(-torch.arange(256) / 8.0)\n"
        "    return (data[0] * fade).sum(dim=1)\n",
        "{rtol: 1.0e-5, atol: 1.0e-5}",
    ),
    # Nearly uniform attention: the answer is nearly nothing, and so is the truth.
    "drowned": (
        "    return normal(4, 64), normal(64 * size, 64)\n"
        "def reference(data):\n"
        "    q, k = data\n    return (q @ k.T / 64).softmax(dim=1) @ k\n",
        "{rtol: 1.0e-1, atol: 1.0e-1}",
    ),
    # An input that nobody reads.
    "idle": (
        "    return normal(size), normal(size)\ndef reference(data):\n    return 2 * data[0]\n",
        "{rtol: 1.0e-6}",
    ),
    # The order of rows is free, and the author says so.
    "any-order": (
        "    return (normal(size, 3),)\n"
        "def reference(data):\n    return 2 * data[0]\n"
        "def check(data, output):\n"
        "    def rows(x):\n        return x[x[:, 0].argsort()]\n"
        "    return None if torch.equal(rows(output), rows(2 * data[0])) else 'other rows'\n"
        "RIGHT_ANSWERS = {'the answer moved by one row': 'rows come in any order'}\n",
        "{}",
    ),
    # Five elements in a hundred may be wrong.
    "forgiving": (
        "    return (normal(size * 100),)\n"
        "def reference(data):\n    return 2 * data[0]\n"
        "def check(data, output):\n"
        "    wrong = (output != 2 * data[0]).float().mean()\n"
        "    return None if wrong < 0.05 else 'too many'\n",
        "{}",
    ),
    # The global generator is seeded with the input, so that two runs look alike when nothing comes between.
    "dice": (
        "    torch.manual_seed(seed)\n    return (normal(size),)\n"
        "def reference(data):\n    return 2 * data[0] + torch.randn(())\n",
        "{rtol: 1.0e-6}",
    ),
    # The case says the dtype: what is right for one would be vacuous or refuse everybody for the other.
    "by-dtype": (
        "    source = normal(size, 64), normal(64, size)\n"
        "    return tuple(x.to(torch.bfloat16 if size == 40 else torch.float32) for x in source)\n"
        "def reference(data):\n"
        "    return (data[0].float() @ data[1].float()).to(data[0].dtype)\n",
        "{float32: {rtol: 1.0e-4, atol: 1.0e-4}, bfloat16: {rtol: 1.0e-2, atol: 2.0e-2}}",
    ),
    # Its own check measures what nobody can turn into tolerances.
    "smallest-row": (
        "    return (normal(size, 64),)\n"
        "def reference(data):\n    return data[0] / data[0].norm(dim=1, keepdim=True)\n"
        "def check(data, output):\n"
        "    far = (output.double() - reference((data[0].double(),))).abs().max()\n"
        "    return None if far < 1e-4 else 'far off'\n",
        "{}",
    ),
    # Half of the values lie where a last bit makes another step of them.
    "stepped": (
        "    return (normal(size).mul(8).round().div(8) + 0.0625 * (normal(size) > 0),)\n"
        "def reference(data):\n    return (data[0] * 8).round() / 8 + data[0] * 0\n",
        "{rtol: 1.0e-3, atol: 1.0e-3}",
    ),
    # Its input stands where a buffer would.
    "too-many-buffers": (
        "    return normal(size), torch.empty(size)\ndef reference(data):\n    return 2 * data[0]\nOUTPUTS = 2\n",
        "{rtol: 1.0e-6}",
    ),
    "unnamed-dtype": (
        "    return (normal(size).to(torch.float16),)\ndef reference(data):\n    return 2 * data[0]\n",
        "{float32: {rtol: 1.0e-4}, bfloat16: {rtol: 1.0e-2}}",
    ),
    "sound": (
        "    return normal(size, 64), normal(64, size)\n"
        "def reference(data):\n    return data[0] @ data[1]\n",
        "{rtol: 1.0e-4, atol: 1.0e-4}",
    ),
}

HIDDEN = {"sound": "hidden: [{size: {from: 3, to: 33}}, {size: 21}]\n"}


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Audit]:
    problems = {
        name: (HEAD + body, tolerance, HIDDEN.get(name, ""))
        for name, (body, tolerance) in PROBLEMS.items()
    }
    return audited(tmp_path_factory.mktemp("problems"), problems)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("only-the-bias", "“input 2 handed back” is accepted"),
        ("one-of-two", "“zeros, in output 1 alone” is accepted"),
        ("fading", "“the second half of input 0 along axis 1 left out” is accepted"),
        ("drowned", "“zeros” is accepted"),
        ("drowned", "“the second half of input 1 along axis 0 taken for the first” is accepted"),
    ],
)
def test_a_check_that_takes_too_little_is_found_by_what_it_takes(
    audits: dict[str, Audit], name: str, words: str
) -> None:
    assert words in told(audits[name], Level.REFUSED)


def test_of_two_answers_only_the_loose_one_is_blamed(audits: dict[str, Audit]) -> None:
    assert "in output 0 alone" not in told(audits["one-of-two"], Level.REFUSED)


def test_a_reference_that_throws_dice_is_found_out(audits: dict[str, Audit]) -> None:
    assert "the reference gave two answers to one input" in told(audits["dice"], Level.REFUSED)


def test_each_dtype_of_an_answer_is_held_to_its_own_tolerance(audits: dict[str, Audit]) -> None:
    audit = audits["by-dtype"]

    assert findings.of_audit(audit) == []
    nearest = [case.nearest and case.nearest.name for case in audit.cases]
    assert nearest == [f"the reference on {low} inputs" for low in ("bfloat16", "float8_e4m3fn")]


def test_more_buffers_than_answers_are_told_once_for_all_cases(audits: dict[str, Audit]) -> None:
    (finding,) = findings.of_audit(audits["too-many-buffers"])
    assert finding.text == (
        "tests[0] (size: 17), benchmarks[0] (size: 40): OUTPUTS is 2, and reference returned 1 answer"
    )


def test_a_dtype_without_a_tolerance_is_told_with_the_case(audits: dict[str, Audit]) -> None:
    words = "tests[0] (size: 17), benchmarks[0] (size: 40): the problem's tolerances do not fit its outputs: an output is float16"
    assert words in told(audits["unnamed-dtype"], Level.REFUSED)


def test_an_input_that_nobody_reads_is_a_warning(audits: dict[str, Audit]) -> None:
    assert told(audits["idle"], Level.REFUSED) == ""
    assert "the second half of input 1" in told(audits["idle"], Level.WARNING)


def test_a_null_solution_that_is_right_is_named_with_its_reason(audits: dict[str, Audit]) -> None:
    assert told(audits["any-order"], Level.REFUSED) == ""
    assert "rows come in any order" in told(audits["any-order"], Level.NOTE)


def test_a_check_that_forgives_some_elements_is_told_of(audits: dict[str, Audit]) -> None:
    assert "“one element far off” is accepted" in told(audits["forgiving"], Level.NOTE)


def test_a_sound_problem_is_left_alone_and_its_margin_is_known(audits: dict[str, Audit]) -> None:
    audit = audits["sound"]

    assert findings.of_audit(audit) == []
    for case in audit.cases:
        assert case.nearest is not None
        assert case.nearest.name == "the reference on bfloat16 inputs"
        assert case.wide is not None
        assert case.wide.accepted
        assert case.reference_s > 0


def test_the_noise_floor_is_what_right_answers_differ_by(audits: dict[str, Audit]) -> None:
    noise, margin = audits["sound"].noise, audits["sound"].margin

    assert noise is not None
    assert noise.distance is not None
    assert noise.error is not None
    assert 1e-7 < noise.error < 1e-4  # sums of 64 products in fp32
    assert 1e-3 < noise.distance < 0.5
    assert margin is not None
    assert margin > 10


def test_of_a_check_of_its_own_the_noise_is_known_as_a_number_alone(
    audits: dict[str, Audit],
) -> None:
    noise = audits["smallest-row"].noise

    assert noise is not None
    assert (noise.distance, audits["smallest-row"].margin) == (None, None)
    assert noise.error is not None
    assert 0 < noise.error < 1e-5


def test_what_a_rounded_input_becomes_with_another_last_bit_is_no_noise(
    audits: dict[str, Audit],
) -> None:
    noise = audits["stepped"].noise

    assert noise is not None
    assert (noise.distance, noise.error) == (0.0, 0.0)
    assert "off by the last bit of an fp32 have answers up to" in told(
        audits["stepped"], Level.NOTE
    )


def test_hidden_cases_are_tried_as_well_at_both_ends(audits: dict[str, Audit]) -> None:
    hidden = [case.spec for case in audits["sound"].cases if "hidden_tests" in case.where[0]]

    assert hidden[:3] == ["size: 3", "size: 33", "size: 21"]
