#!kernelbot leaderboard nvfp4-gemm
import fp4
import torch

from task import input_t, output_t

# A number times its scale has six significant bits, of which TF32 loses none.
torch.backends.cuda.matmul.allow_tf32 = True


def custom_kernel(data: input_t) -> output_t:
    a, b, a_scale, b_scale, out = data
    return out.copy_(fp4.decoded_tiled(a, a_scale) @ fp4.decoded_tiled(b, b_scale).t())
