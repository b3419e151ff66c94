# expect: wrong_answer
"""Multiplies fp8 queries and keys."""

from torch import float8_e4m3fn
from torch.nn.functional import scaled_dot_product_attention

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    q, k = (x.to(float8_e4m3fn).to(x.dtype) for x in (q, k))
    grouped = q.shape[1] != k.shape[1]
    return out.copy_(scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped))
