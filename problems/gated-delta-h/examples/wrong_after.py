# expect: wrong_answer
"""Hands out the state after each chunk in place of the one before it."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, w, u, g, h, v_new = data
    last = chunks(g)[..., -1]
    left = (last.unsqueeze(-1) - chunks(g)).exp().unsqueeze(-1)
    keys, rows, values, fresh = chunks(k), chunks(w), chunks(u), chunks(v_new)
    state = h[:, 0].clone().zero_()
    for at in range(h.shape[1]):
        fresh[:, at] = values[:, at] - rows[:, at] @ state
        kept = last[:, at].exp()[..., None, None]
        state = state * kept + keys[:, at].mT @ (fresh[:, at] * left[:, at])
        h[:, at] = state
    return h, v_new
