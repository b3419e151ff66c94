# expect: build_failed
"""Defines everything but custom_kernel."""

from task import input_t, output_t


def my_kernel(data: input_t) -> output_t:
    return data[0] + data[1]
