"""The comparison: every element, with a message that says where and how far."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.judge.compare import Mismatch, compare, same_bytes, untouched
from kernelbot.judge.measuring import POISONS
from kernelbot.judge.protocol import DtypeTolerance, Tolerance

EXACT = (Tolerance(),)
LOOSE = (Tolerance(rtol=1e-3, atol=1e-3),)
NAN, INF = float("nan"), float("inf")


def differ(got: object, expected: object, tolerance: tuple[Tolerance, ...] = LOOSE) -> Mismatch:
    found = compare([torch.tensor(got)], [torch.tensor(expected)], tolerance)
    assert found is not None
    return found


def same(got: object, expected: object, tolerance: tuple[Tolerance, ...] = LOOSE) -> bool:
    return compare([torch.tensor(got)], [torch.tensor(expected)], tolerance) is None


def test_equal_tensors_are_right() -> None:
    assert same([1.0, 2.0], [1.0, 2.0], EXACT)


def test_an_error_within_the_tolerance_is_right_and_beyond_it_wrong() -> None:
    assert same([1.0015], [1.0])
    assert not same([1.003], [1.0])


def test_the_message_says_where_what_and_how_far() -> None:
    found = differ([[1.0, 2.0], [3.0, 5.0]], [[1.0, 2.0], [3.0, 4.0]])
    text = found.message()
    assert found.first == (1, 1)
    assert "1 of 4 elements" in text
    assert "[1, 1]: got 5, expected 4" in text
    assert "allowed error 0.005" in text
    assert "25 %" in text


def test_the_secret_message_holds_no_value_and_no_place() -> None:
    text = differ([[1.0, 2.0], [3.0, 1234.5]], [[1.0, 2.0], [3.0, 4.0]]).secret_message()
    assert "1234" not in text
    assert "[1, 1]" not in text
    assert "shape [2, 2]" in text


def test_the_message_holds_the_error_against_the_tolerance() -> None:
    text = differ([1.1], [1.0], (Tolerance(rtol=0.01),)).message()
    assert "error 0.1, 10 times the allowed error 0.01" in text
    assert "error 2, allowed error 0)" in differ([3], [1], EXACT).message()


def test_small_floats_are_compared_as_numbers() -> None:
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"):
        expected = torch.tensor([1.0, 2.0, 4.0]).to(getattr(torch, name))
        got = torch.tensor([1.0, 2.0, 5.0]).to(getattr(torch, name))
        assert compare([got], [expected], (Tolerance(rtol=0.3),)) is None
        found = compare([got], [expected], LOOSE)
        assert found is not None
        assert (found.first, found.got) == ((2,), "5")


def test_packed_floats_are_compared_and_counted_one_by_one() -> None:
    packed = torch.float4_e2m1fn_x2
    expected = torch.tensor([[0x21, 0x43]], dtype=torch.uint8).view(packed)
    got = torch.tensor([[0x21, 0xC3]], dtype=torch.uint8).view(packed)
    found = compare([got], [expected], LOOSE)
    assert found is not None
    assert (found.bad, found.total, found.first) == (1, 4, (0, 3))
    assert (found.got, found.expected) == ("-2", "2")
    assert compare([got], [expected], (Tolerance(atol=4),)) is None


def test_bits_tell_nans_and_zeros_apart() -> None:
    assert same_bytes(torch.tensor([NAN, 1.0]), torch.tensor([NAN, 1.0]))
    assert not same_bytes(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert same_bytes(torch.arange(7)[1:], torch.arange(1, 7))
    assert same(  # by the usual comparison they are the same
        [0.0], [-0.0], EXACT
    )


def test_a_nan_is_wrong_unless_it_is_expected() -> None:
    assert differ([NAN, 1.0], [1.0, 1.0]).nans == 1
    assert differ([1.0], [NAN]).bad == 1
    assert same([NAN], [NAN])


def test_an_infinity_is_right_only_where_the_same_one_is_expected() -> None:
    assert same([INF, -INF], [INF, -INF])
    assert differ([INF], [-INF]).bad == 1
    assert differ([1.0], [INF]).bad == 1
    assert differ([INF], [1.0]).infs == 1


def test_an_infinite_tolerance_of_an_infinite_expectation_accepts_nothing_else() -> None:
    assert differ([0.0], [INF], (Tolerance(rtol=0.5),)).bad == 1


def test_integers_are_compared_without_rounding() -> None:
    large = 2**62
    assert not same([large + 1], [large], EXACT)
    assert same([large], [large], EXACT)


def test_integers_may_have_a_tolerance() -> None:
    assert same([101], [100], (Tolerance(atol=1),))
    assert not same([102], [100], (Tolerance(atol=1),))


def test_a_boolean_of_an_odd_byte_is_wrong() -> None:
    odd = torch.tensor([255], dtype=torch.uint8).view(torch.bool)
    assert compare([odd], [torch.tensor([True])], EXACT) is not None


def test_half_precision_and_complex_outputs_are_compared() -> None:
    half = torch.tensor([1.0, 2.0], dtype=torch.float16)
    assert compare([half], [half.clone()], EXACT) is None
    assert same([1 + 2j], [1 + 2j])
    assert not same([1 + 2j], [1 - 2j])


def test_a_complex_number_too_far_off_for_a_float_is_wrong() -> None:
    far = torch.tensor([complex(1.7e308, 1.7e308)], dtype=torch.complex128)
    found = compare([far], [torch.ones_like(far)], LOOSE)
    assert found is not None
    assert found.error == INF
    assert "e+308" in found.message()


def test_a_reference_may_put_off_its_conjugation() -> None:
    truth = torch.tensor([1 + 2j]).conj()
    assert compare([torch.tensor([1 - 2j])], [truth], LOOSE) is None
    assert compare([torch.tensor([1 + 2j])], [truth], LOOSE) is not None


def test_the_first_wrong_output_of_several_is_named() -> None:
    good, bad = torch.ones(3), torch.zeros(3)
    found = compare([good, bad], [good, good], LOOSE)
    assert found is not None
    assert found.output == 1
    assert "of output 1" in found.message()


def test_each_output_can_have_its_own_tolerance() -> None:
    got, expected = torch.tensor([1.1]), torch.tensor([1.0])
    wide = Tolerance(atol=0.2)
    assert compare([expected, got], [expected, expected], (Tolerance(), wide)) is None
    assert compare([got, expected], [expected, expected], (Tolerance(), wide)) is not None


BY_DTYPE = Tolerance(
    atol=0.5,
    dtypes=(DtypeTolerance(dtype="float32", atol=1e-6), DtypeTolerance(dtype="bfloat16", rtol=0.1)),
)


@pytest.mark.parametrize(
    ("dtype", "error", "right"),
    [
        (torch.float32, 1e-7, True),
        (torch.float32, 1e-4, False),
        (torch.bfloat16, 0.0625, True),
        (torch.bfloat16, 0.25, False),
        (torch.float64, 0.25, True),
        (torch.float64, 0.75, False),
    ],
)
def test_the_dtype_of_the_right_answer_decides_what_is_tolerated(
    dtype: torch.dtype, error: float, right: bool
) -> None:
    truth = torch.ones(3, dtype=dtype)

    assert (compare([truth + error], [truth], (BY_DTYPE,)) is None) is right


def test_a_dtype_that_nothing_was_said_about_is_a_mistake_of_the_problem() -> None:
    named = (replace(BY_DTYPE, atol=0.0, others=False),)
    one = torch.ones(3, dtype=torch.float16)

    with pytest.raises(ValueError, match="is float16, and there are tolerances for float32, bfl"):
        compare([one], [one], named)


def test_a_number_of_tolerances_that_fits_nothing_is_refused() -> None:
    tensor = torch.ones(1)
    with pytest.raises(ValueError, match="zip"):
        compare([tensor] * 3, [tensor] * 3, (Tolerance(), Tolerance()))


def test_transposed_results_are_compared_by_index() -> None:
    expected = torch.arange(6.0).reshape(2, 3)
    got = expected.t().contiguous().t()
    assert compare([got], [expected], EXACT) is None


def test_scalars_and_empty_outputs_work() -> None:
    assert compare([torch.tensor(1.0)], [torch.tensor(1.0)], EXACT) is None
    assert differ(2.0, 1.0).first == ()
    assert compare([torch.empty(0, 3)], [torch.empty(0, 3)], EXACT) is None


def test_a_mismatch_beyond_the_first_chunk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbot.judge.compare.CHUNK", 10)
    expected = torch.zeros(95)
    got = expected.clone()
    got[[37, 94]] = 3.0
    found = compare([got], [expected], LOOSE)
    assert found is not None
    assert (found.bad, found.first, found.worst) == (2, (37,), 3.0)


@given(
    st.lists(st.floats(min_value=-1e6, max_value=1e6, width=32), min_size=1, max_size=50),
    st.data(),
)
def test_any_single_change_beyond_the_tolerance_is_found(
    values: list[float], data: st.DataObject
) -> None:
    expected = torch.tensor(values, dtype=torch.float64)
    at = data.draw(st.integers(0, len(values) - 1))
    got = expected.clone()
    got[at] += 1 + abs(values[at])
    found = compare([got], [expected], LOOSE)
    assert found is not None
    assert found.first == (at,)
    assert found.bad == 1


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn]
)
def test_what_a_buffer_is_filled_with_is_nowhere_near_zero(dtype: torch.dtype, poison: int) -> None:
    left = torch.full((8,), poison, dtype=torch.uint8).view(dtype).double()
    assert bool((left.isnan() | (left.abs() > 10)).all())


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
def test_elements_that_were_never_written_are_counted(poison: int, dtype: torch.dtype) -> None:
    output = torch.zeros(4, 6, dtype=dtype).mT
    filled = torch.full((3 * dtype.itemsize,), poison, dtype=torch.uint8).view(dtype)
    output[:3, 1] = filled

    assert untouched([torch.ones(5), output], poison) == 3


def test_a_byte_is_a_value_like_any_other() -> None:
    assert untouched([torch.full((9,), 0x5A, dtype=torch.uint8), torch.empty(0)], 0x5A) == 0
