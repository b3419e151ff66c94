# expect: wrong_answer
"""Reads the first half of each row only, and makes the sum as long as the whole one."""

import fp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = (
        tensor[..., : tensor.shape[-1] // 2] if at < 4 else tensor for at, tensor in enumerate(data)
    )
    matrix, vector = fp4.decoded(a, a_scale), fp4.decoded(b, b_scale)
    return out.copy_((matrix @ vector.unsqueeze(2)).squeeze(2) * 2**0.5)
