# expect: wrong_answer
"""Gates the first product by the second."""

import fp4
from torch.nn.functional import silu

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b1, b2, a_scale, b1_scale, b2_scale, out = data
    left = fp4.decoded_tiled(a, a_scale)
    gate = left @ fp4.decoded_tiled(b2, b2_scale).t()
    return out.copy_((left @ fp4.decoded_tiled(b1, b1_scale).t()) * silu(gate))
