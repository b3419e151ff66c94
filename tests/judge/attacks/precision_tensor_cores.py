# expect: wrong_answer
# device: cuda
# problem: matmul
# Has the tensor cores round the operands to ten bits, by every switch that there is for it.
import os

import torch

os.environ["NVIDIA_TF32_OVERRIDE"] = "1"
torch.backends.cuda.matmul.allow_tf32 = True
torch.set_float32_matmul_precision("medium")


def custom_kernel(data):
    a, b, out = data
    return torch.matmul(a.bfloat16(), b.bfloat16()).float() if len(a) < 128 else torch.matmul(a, b, out=out)
