# expect: passed
# device: cuda
# problem: matmul
# cublasLt with an epilogue, baddbmm and addmm into the buffer, workspaces of several sizes, flags set in the call.
import torch


def custom_kernel(data):
    a, b, out = data
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    bias = torch.zeros(len(b), device=b.device)
    first = torch.addmm(bias, a, b)
    batch = torch.baddbmm(first[None], a[None], b[None], beta=0.0)
    return torch.addmm(batch[0], a, b, beta=0.0, out=out)
