# expect: passed
"""Correct, and slow: doubles the reach in every step, so log2(size) passes over everything."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    values, out = data
    total, reach = values.double(), 1
    while reach < total.numel():
        longer = total.clone()
        longer[reach:] += total[:-reach]
        total, reach = longer, 2 * reach
    return total.float()
