# expect: build_failed
"""Imports something that nobody has."""

import a_module_that_does_not_exist

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    return a_module_that_does_not_exist.add(*data)
