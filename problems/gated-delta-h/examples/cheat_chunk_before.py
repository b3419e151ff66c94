# expect: wrong_answer
"""Forgets everything but the chunk before, so that all chunks can be done at once."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, w, u, g, h, v_new = data
    sums = chunks(g)
    left = (sums[..., -1:] - sums).exp().unsqueeze(-1)
    made = chunks(k).mT @ (chunks(u) * left)
    h[:, 0] = 0
    h[:, 1:] = made[:, :-1]
    chunks(v_new).copy_(chunks(u) - chunks(w) @ h)
    return h, v_new
