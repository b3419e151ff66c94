# expect: wrong_answer
"""Takes the exponent of a block's largest number as it is, so that what is above 7 times the scale becomes 6."""

import fp4
import mxfp4

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, b, b_scale, out = data
    largest = a.float().unflatten(1, (-1, 32)).abs().amax(dim=2)
    scales = (largest.log2().floor() - 2).exp2()
    left = fp4.decoded(mxfp4.packed(a, scales), scales)
    return out.copy_(left @ fp4.decoded(b, b_scale).t())
