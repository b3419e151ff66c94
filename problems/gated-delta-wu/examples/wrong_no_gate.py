# expect: wrong_answer
"""The delta rule without gates."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, v, beta, a, g, w, u = data
    chunks(w).copy_(chunks(a) @ chunks(k * beta.unsqueeze(-1)))
    chunks(u).copy_(chunks(a) @ chunks(v * beta.unsqueeze(-1)))
    return w, u
