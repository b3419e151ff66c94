# expect: timed_out
"""Never returns."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    while True:
        pass
