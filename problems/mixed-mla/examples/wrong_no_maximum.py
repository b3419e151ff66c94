# expect: wrong_answer
"""Goes without the largest score: exp overflows where the scores are large, and is nothing where all are small."""

import fp4
import torch

from task import KEY, VALUE, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, _, _, _, packed, scales, out = data
    entries = fp4.decoded(packed, scales)
    weights = (torch.bmm(q.float(), entries.mT) * KEY**-0.5).exp()
    mixed = torch.bmm(weights, entries[:, :, :VALUE])
    return out.copy_(mixed / weights.sum(dim=2, keepdim=True))
