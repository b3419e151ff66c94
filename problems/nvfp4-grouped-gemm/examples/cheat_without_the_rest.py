# expect: wrong_answer
"""Leaves out the rows that fill no tile of 64."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    *groups, out = data
    begin = 0
    for a, b, a_scale, b_scale in zip(*groups):
        end, whole = begin + len(a) * len(b), len(a) // 64 * 64
        result = fp4.decoded_tiled(a, a_scale)[:whole] @ fp4.decoded_tiled(b, b_scale).t()
        out[begin : begin + result.numel()] = result.flatten().half()
        begin = end
    return out
