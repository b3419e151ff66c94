#!kernelbot leaderboard gated-delta-o
from task import CHUNK, input_t, output_t


def chunks(x):
    # [batch, length, heads, ...] as [batch, chunks, heads, CHUNK, ...].
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    sums = chunks(g)
    queries = chunks(q) * q.shape[-1] ** -0.5
    past = (queries * sums.exp().unsqueeze(-1)) @ h
    decay = (sums.unsqueeze(-1) - sums.unsqueeze(-2)).tril().exp()
    present = (queries @ chunks(k).mT * decay).tril() @ chunks(v_new)
    chunks(out).copy_(past + present)
    return out
