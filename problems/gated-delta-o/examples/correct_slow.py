# expect: passed
"""Correct, and slow: the distance of two tokens after the other."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    queries, keys, values, sums = (chunks(x) for x in (q * q.shape[-1] ** -0.5, k, v_new, g))
    total = (queries @ h) * sums.exp().unsqueeze(-1)
    for back in range(CHUNK):
        until = CHUNK - back
        score = (queries[..., back:, :] * keys[..., :until, :]).sum(dim=-1)
        weight = score * (sums[..., back:] - sums[..., :until]).exp()
        total[..., back:, :] += weight.unsqueeze(-1) * values[..., :until, :]
    chunks(out).copy_(total)
    return out
