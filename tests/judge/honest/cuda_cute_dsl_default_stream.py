# expect: passed
# device: cuda
# packages: cutlass
# build seconds: 300
import cutlass.cute as cute
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
def add(a: cute.Tensor, b: cute.Tensor, out: cute.Tensor):
    blocks = (cute.size(out) + THREADS - 1) // THREADS
    add_elements(a, b, out).launch(grid=[blocks, 1, 1], block=[THREADS, 1, 1])


def custom_kernel(data):
    tensors = [from_dlpack(tensor) for tensor in data]
    n = data[2].numel()
    if n not in COMPILED:
        COMPILED[n] = cute.compile(add, *tensors)
    COMPILED[n](*tensors)
    return data[2]
