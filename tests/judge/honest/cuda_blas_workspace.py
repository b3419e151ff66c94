# expect: passed
# device: cuda
# problem: matmul
# The vendor's library, told which one to be and how much workspace to keep.
import os

os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"

import torch

torch.backends.cuda.preferred_blas_library("cublaslt")
torch.use_deterministic_algorithms(True)


def custom_kernel(data):
    a, b, out = data
    return torch.addmm(torch.zeros_like(out), a, b, out=out)
