"""The fp4 formats in ``problems/shared`` mean what the statements say they mean."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "problems" / "shared"
MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SHARED / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fp4, mxfp4 = loaded("fp4"), loaded("mxfp4")


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    source = torch.Generator().manual_seed(1)
    if dtype is torch.uint8:
        return torch.randint(0, 256, shape, generator=source, dtype=dtype)
    return torch.randn(shape, generator=source).to(dtype)


def test_a_byte_holds_two_numbers_the_earlier_one_in_its_lower_half() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(4, 64)
    scales = torch.tensor([0.5, 1.0, 2.0, 448.0]).repeat(4, 2).to(torch.float8_e4m3fn)

    decoded = fp4.decoded(every_byte, scales)

    for byte in range(256):
        for half, code in enumerate((byte & 15, byte >> 4)):
            column = byte % 64 * 2 + half
            number = MAGNITUDES[code & 7] * (-1 if code & 8 else 1)
            assert decoded[byte // 64, column] == number * scales[byte // 64, column // 16].float()


def test_the_scale_of_a_row_and_column_lies_in_its_tile_where_the_statements_say() -> None:
    scales = drawn(300, 12)

    tiles = fp4.tiled(scales)

    assert tiles.shape == (3, 3, 32, 4, 4)
    assert torch.equal(fp4.untiled(tiles, 300), scales)
    for r, c in ((0, 0), (31, 3), (32, 4), (127, 11), (128, 0), (299, 7)):
        assert tiles[r // 128, c // 4, r % 32, r % 128 // 32, c % 4] == scales[r, c]
    assert torch.count_nonzero(tiles) == scales.numel()


def nearest(value: float) -> float:
    """Of e2m1; halfway to the one whose code is even."""
    code = min(range(8), key=lambda at: (abs(MAGNITUDES[at] - abs(value)), at % 2))
    return math.copysign(MAGNITUDES[code], value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_quantising_takes_the_nearest_number_to_a_scale_that_leaves_the_largest_below_seven(
    dtype: torch.dtype,
) -> None:
    x = drawn(64, 128, dtype=dtype)

    packed, scales = mxfp4.quantised(x)

    decoded, factors = fp4.decoded(packed, scales), scales.float()
    largest = x.float().abs().unflatten(1, (-1, 32)).amax(dim=2) / factors
    assert largest.min() >= 3.5
    assert largest.max() < 7
    assert torch.equal(factors.log2().frac(), torch.zeros_like(factors))
    for row, column in zip(range(64), range(0, 128, 2), strict=True):
        scale = float(factors[row, column // 32])
        assert decoded[row, column] == scale * nearest(float(x[row, column]) / scale)


def test_what_lies_halfway_goes_to_the_even_number_and_what_is_beyond_six_to_six() -> None:
    halfway = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.9]
    x = torch.tensor([*halfway, *(-value for value in halfway), *[0.0] * 16])

    decoded = fp4.decoded(*mxfp4.quantised(x))

    assert decoded[:8].tolist() == [0, 1, 1, 2, 2, 4, 4, 6]
    assert decoded[8:16].tolist() == [0, -1, -1, -2, -2, -4, -4, -6]


def test_a_block_of_zeros_stays_one() -> None:
    decoded = fp4.decoded(*mxfp4.quantised(torch.zeros(32)))

    assert torch.equal(decoded, torch.zeros(32))
