# expect: wrong_answer
"""Leaves what lies between the two products as it is: nearer to what was meant, and not what is asked for."""

import fp4
import mxfp4
import torch
from torch.nn.functional import silu

from task import input_t, output_t

# A number times its scale has two significant bits, of which TF32 loses none.
torch.backends.cuda.matmul.allow_tf32 = True


def custom_kernel(data: input_t) -> output_t:
    x, gate_up, gate_up_scale, down, down_scale, shares, chosen, out = data
    tokens = fp4.decoded(*mxfp4.quantised(x))
    total = torch.zeros_like(tokens)
    for expert in range(len(gate_up)):
        rows, places = (chosen == expert).nonzero(as_tuple=True)
        if len(rows):
            weights = fp4.decoded(gate_up[expert], gate_up_scale[expert])
            gate, up = (tokens[rows] @ weights.t()).chunk(2, dim=1)
            gated = silu(gate) * up
            answer = gated @ fp4.decoded(down[expert], down_scale[expert]).t()
            total[rows] += shares[rows, places, None] * answer
    return out.copy_(total)
