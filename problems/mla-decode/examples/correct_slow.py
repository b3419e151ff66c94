# expect: passed
"""Correct, and slow: one sequence after the other, each at its own length."""

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, cache, lengths, out = data
    for at, length in enumerate(lengths.tolist()):
        keys = cache[at, :length].float()
        weights = (q[at].float() @ keys.t() * KEY**-0.5).softmax(dim=1)
        out[at] = (weights @ keys[:, :VALUE]).to(out.dtype)
    return out
