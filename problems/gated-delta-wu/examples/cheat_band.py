# expect: wrong_answer
"""Keeps four diagonals of the triangular matrix: with strong gates nothing else is left of it."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, v, beta, a, g, w, u = data
    band = chunks(a).triu(-3)
    chunks(w).copy_(band @ chunks(k * (beta * g.exp()).unsqueeze(-1)))
    chunks(u).copy_(band @ chunks(v * beta.unsqueeze(-1)))
    return w, u
