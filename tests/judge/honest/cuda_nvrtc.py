# expect: passed
# device: cuda
# build seconds: 300
# Compiled from a string at run time, where this torch can do so.
import torch

SOURCE = """
extern "C" __global__ void add(const float* a, const float* b, float* out, int n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}
"""
compiler = getattr(torch.cuda, "_compile_kernel", None)
add = compiler(SOURCE, "add") if compiler else None


def custom_kernel(data):
    a, b, out = data
    if add is None:
        return torch.add(a, b, out=out)
    n = a.numel()
    add(grid=(-(-n // 256), 1, 1), block=(256, 1, 1), args=(a, b, out, n))
    return out
