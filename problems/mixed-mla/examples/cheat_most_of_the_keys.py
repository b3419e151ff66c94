# expect: wrong_answer
"""Leaves out one key in twenty."""

import fp4
import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, _, _, _, packed, scales, out = data
    most = packed.shape[1] * 19 // 20
    entries = fp4.decoded(packed[:, :most], scales[:, :most])
    weights = (torch.bmm(q.float(), entries.mT) * KEY**-0.5).softmax(dim=2)
    return out.copy_(torch.bmm(weights, entries[:, :, :VALUE]))
