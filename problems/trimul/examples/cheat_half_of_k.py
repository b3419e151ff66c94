# expect: wrong_answer
"""Looks at every other third token only; the normalisation hides the missing half of the sum."""

import torch
from torch.nn.functional import layer_norm, linear

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    (
        x, mask, norm_weight, norm_bias, left, right, left_gate, right_gate, out_gate,
        out_norm_weight, out_norm_bias, to_out, out,
    ) = data
    y = layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    some, shown = y[:, :, ::2], mask[:, :, ::2].unsqueeze(-1)
    one = linear(some, left) * shown * linear(some, left_gate).sigmoid()
    other = linear(some, right) * shown * linear(some, right_gate).sigmoid()
    both = 2 * torch.einsum("bikh,bjkh->bijh", one, other)
    both = layer_norm(both, both.shape[-1:], out_norm_weight, out_norm_bias)
    return out.copy_(linear(both * linear(y, out_gate).sigmoid(), to_out))
