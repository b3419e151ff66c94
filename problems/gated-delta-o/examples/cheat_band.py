# expect: wrong_answer
"""The four nearest tokens, and no state: what is left where gates are strong."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    q, k, v_new, h, g, out = data
    sums = chunks(g)
    decay = (sums.unsqueeze(-1) - sums.unsqueeze(-2)).tril().exp()
    score = chunks(q) @ chunks(k).mT * decay * q.shape[-1] ** -0.5
    chunks(out).copy_(score.tril().triu(-3) @ chunks(v_new))
    return out
