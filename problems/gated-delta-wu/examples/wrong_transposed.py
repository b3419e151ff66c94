# expect: wrong_answer
"""Takes the rows of the triangular matrix for columns."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, v, beta, a, g, w, u = data
    chunks(w).copy_(chunks(a).mT @ chunks(k * (beta * g.exp()).unsqueeze(-1)))
    chunks(u).copy_(chunks(a).mT @ chunks(v * beta.unsqueeze(-1)))
    return w, u
