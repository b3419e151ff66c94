# expect: wrong_answer
"""The incoming update: sums over the first index instead of the second."""

import torch
from torch.nn.functional import layer_norm, linear

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    (
        x, mask, norm_weight, norm_bias, left, right, left_gate, right_gate, out_gate,
        out_norm_weight, out_norm_bias, to_out, out,
    ) = data
    y = layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    shown = mask.unsqueeze(-1)
    one = linear(y, left) * shown * linear(y, left_gate).sigmoid()
    other = linear(y, right) * shown * linear(y, right_gate).sigmoid()
    both = torch.einsum("bkih,bkjh->bijh", one, other)
    both = layer_norm(both, both.shape[-1:], out_norm_weight, out_norm_bias)
    return out.copy_(linear(both * linear(y, out_gate).sigmoid(), to_out))
