# expect: passed
import torch

from task import input_t, output_t

BLOCK = 128


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    left = a.float() * a_scale.repeat_interleave(BLOCK, dim=1)
    right = b.float() * b_scale.repeat_interleave(BLOCK, dim=0)[: len(b)].repeat_interleave(BLOCK, dim=1)
    # fp16 holds eleven bits of a scaled value, which is enough; bf16 holds eight, which is not.
    dtype = torch.float16 if a.is_cuda else torch.float32
    return out.copy_(left.to(dtype) @ right.to(dtype).t())
