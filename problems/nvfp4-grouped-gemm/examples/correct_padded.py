# expect: passed
"""Correct: all groups filled up with zeros to the largest and multiplied as one batch."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left, right = batch(a, a_scale), batch(b, b_scale)
    products = left @ right.transpose(1, 2)
    begin = 0
    for one, rows, columns in zip(products, a, b):
        end = begin + len(rows) * len(columns)
        out[begin:end] = one[: len(rows), : len(columns)].flatten().half()
        begin = end
    return out


def batch(packed, scales):
    decoded = [fp4.decoded_tiled(*pair) for pair in zip(packed, scales)]
    rows, columns = (max(one.shape[axis] for one in decoded) for axis in (0, 1))
    filled = decoded[0].new_zeros(len(decoded), rows, columns)
    for place, one in zip(filled, decoded):
        place[: one.shape[0], : one.shape[1]] = one
    return filled
