# expect: wrong_answer
"""Right when k is a multiple of 32 only: the rest of the sum is left out."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, out = data
    whole = a.shape[1] // 32 * 32
    out.copy_(a[:, :whole].float() @ b[:whole].float())
    return out
