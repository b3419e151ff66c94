#!kernelbot leaderboard nvfp4-grouped-gemm
import fp4
import torch

from task import input_t, output_t

# A number times its scale has six significant bits, of which TF32 loses none.
torch.backends.cuda.matmul.allow_tf32 = True


def custom_kernel(data: input_t) -> output_t:
    *groups, out = data
    begin = 0
    for a, b, a_scale, b_scale in zip(*groups):
        end = begin + len(a) * len(b)
        result = fp4.decoded_tiled(a, a_scale) @ fp4.decoded_tiled(b, b_scale).t()
        out[begin:end] = result.flatten().half()
        begin = end
    return out
