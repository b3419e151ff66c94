# expect: wrong_answer
"""Scales what is inside the chunk only."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    sums = chunks(g)
    past = (chunks(q) * sums.exp().unsqueeze(-1)) @ h
    decay = (sums.unsqueeze(-1) - sums.unsqueeze(-2)).tril().exp()
    present = (chunks(q) @ chunks(k).mT * decay).tril() @ chunks(v_new)
    chunks(out).copy_(past + present * q.shape[-1] ** -0.5)
    return out
