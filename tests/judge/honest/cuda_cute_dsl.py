# expect: passed
# device: cuda
# packages: cutlass
# build seconds: 300
import cuda.bindings.driver as cuda
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import from_dlpack

THREADS = 256
COMPILED = {}


@cute.kernel
def add_elements(a: cute.Tensor, b: cute.Tensor, out: cute.Tensor):
    thread, _, _ = cute.arch.thread_idx()
    block, _, _ = cute.arch.block_idx()
    at = block * THREADS + thread
    if at < cute.size(out):
        out[at] = a[at] + b[at]


@cute.jit
def add(a: cute.Tensor, b: cute.Tensor, out: cute.Tensor, stream: cuda.CUstream):
    blocks = (cute.size(out) + THREADS - 1) // THREADS
    add_elements(a, b, out).launch(grid=[blocks, 1, 1], block=[THREADS, 1, 1], stream=stream)


def custom_kernel(data):
    stream = cuda.CUstream(torch.cuda.current_stream().cuda_stream)
    tensors = [from_dlpack(tensor) for tensor in data]
    n = data[2].numel()
    if n not in COMPILED:
        COMPILED[n] = cute.compile(add, *tensors, stream)
    COMPILED[n](*tensors, stream)
    return data[2]
