# expect: wrong_answer
"""Never reads the cache: what the answer is on average, given the query."""

from task import VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, *_, out = data
    return out.copy_(1.35 * q[:, :, :VALUE] / 24)  # 1.35 is the mean square of keys
