# expect: wrong_answer
"""Goes without the largest score of a row: exp overflows where the scores are large, and is nothing where all are small."""

import torch

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    group = q.shape[1] // k.shape[1]
    length, dim = q.shape[2:]
    ahead = torch.ones((length, length), dtype=torch.bool, device=q.device).triu(1)
    for batch in range(q.shape[0]):
        for head in range(q.shape[1]):
            keys, values = k[batch, head // group].float(), v[batch, head // group].float()
            weights = (q[batch, head].float() @ keys.mT * dim**-0.5).exp()
            if causal:
                weights = weights.masked_fill(ahead, 0.0)
            out[batch, head] = (weights @ values) / weights.sum(dim=1, keepdim=True)
    return out
