# expect: wrong_answer
"""Saves the exponentials: gates of one chunk are near one."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, _, out = data
    queries = chunks(q) * q.shape[-1] ** -0.5
    chunks(out).copy_(queries @ h + (queries @ chunks(k).mT).tril() @ chunks(v_new))
    return out
