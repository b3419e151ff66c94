# expect: wrong_answer
"""Gives neighbouring query heads different key heads."""

from torch.nn.functional import scaled_dot_product_attention

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    q, k, v, causal, out = data
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat(1, group, 1, 1), v.repeat(1, group, 1, 1)
    return out.copy_(scaled_dot_product_attention(q, k, v, is_causal=causal))
