# expect: wrong_answer
"""Takes fp8 numbers for what they say, and lets the softmax have scores that are some hundred times too large."""

import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, _, fp8, fp8_scale, _, _, out = data
    entries = fp8.float()
    weights = (torch.bmm(q.float(), entries.mT) * KEY**-0.5).softmax(dim=2)
    return out.copy_(torch.bmm(weights, entries[:, :, :VALUE]) * fp8_scale)
