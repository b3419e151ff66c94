# expect: wrong_answer
"""Looks ahead inside a chunk."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    sums = chunks(g)
    queries = chunks(q) * q.shape[-1] ** -0.5
    past = (queries * sums.exp().unsqueeze(-1)) @ h
    decay = (sums.unsqueeze(-1) - sums.unsqueeze(-2)).exp()
    present = (queries @ chunks(k).mT * decay) @ chunks(v_new)
    chunks(out).copy_(past + present)
    return out
