# expect: wrong_answer
"""Takes the upper half of each byte for the earlier number."""

import fp4
import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, _, _, _, packed, scales, out = data
    entries = fp4.decoded(packed << 4 | packed >> 4, scales)
    weights = (torch.bmm(q.float(), entries.mT) * KEY**-0.5).softmax(dim=2)
    return out.copy_(torch.bmm(weights, entries[:, :, :VALUE]))
