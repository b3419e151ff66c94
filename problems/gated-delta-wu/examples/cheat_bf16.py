# expect: wrong_answer
"""Multiplies in bf16."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.bfloat16().float().unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, v, beta, a, g, w, u = data
    found = chunks(a) @ chunks(k * (beta * g.exp()).unsqueeze(-1))
    w.copy_(found.transpose(2, 3).flatten(1, 2))
    found = chunks(a) @ chunks(v * beta.unsqueeze(-1))
    return w, u.copy_(found.transpose(2, 3).flatten(1, 2))
