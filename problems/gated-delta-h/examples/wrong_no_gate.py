# expect: wrong_answer
"""Keeps all of a state, whatever the gates say."""

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, w, u, g, h, v_new = data
    keys, rows, values, fresh = chunks(k), chunks(w), chunks(u), chunks(v_new)
    state = h[:, 0].zero_()
    for at in range(h.shape[1]):
        h[:, at] = state
        fresh[:, at] = values[:, at] - rows[:, at] @ state
        state = state + keys[:, at].mT @ fresh[:, at]
    return h, v_new
