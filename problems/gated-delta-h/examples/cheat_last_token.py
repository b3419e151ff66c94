# expect: wrong_answer
"""The last token of each chunk, and nothing else: what is left of a state where gates are strong."""

import torch

from task import CHUNK, input_t, output_t


def chunks(x):
    return x.unflatten(1, (-1, CHUNK)).transpose(2, 3)


def custom_kernel(data: input_t) -> output_t:
    k, w, u, g, h, v_new = data
    last_k, last_u = chunks(k)[..., -1, :], chunks(u)[..., -1, :]
    h[:, 0] = 0
    h[:, 1:] = torch.einsum("bchk,bchv->bchkv", last_k, last_u)[:, :-1]
    return h, v_new.copy_(u)
