# expect: wrong_answer
"""Everything but the mask."""

import torch
from torch.nn.functional import layer_norm, linear

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    (
        x, _, norm_weight, norm_bias, left, right, left_gate, right_gate, out_gate,
        out_norm_weight, out_norm_bias, to_out, out,
    ) = data
    y = layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    one = linear(y, left) * linear(y, left_gate).sigmoid()
    other = linear(y, right) * linear(y, right_gate).sigmoid()
    both = torch.einsum("bikh,bjkh->bijh", one, other)
    both = layer_norm(both, both.shape[-1:], out_norm_weight, out_norm_bias)
    return out.copy_(linear(both * linear(y, out_gate).sigmoid(), to_out))
