# expect: passed
"""Correct, and slow: one column of the triangular matrix after the other."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, v, beta, a, g, w, u = data
    columns = chunks(a)
    for out, scaled in ((w, k * (beta * g.exp()).unsqueeze(-1)), (u, v * beta.unsqueeze(-1))):
        rows, total = chunks(scaled), chunks(out.zero_())
        for at in range(CHUNK):
            total[..., at:, :] += columns[..., at:, at : at + 1] * rows[..., at : at + 1, :]
    return w, u
