# expect: timed_out or wrong_answer or crashed
# device: cuda
# A kernel that never ends adds whatever lies at the places of the input, over and over: no launch is seen in a call.
import torch
import triton
import triton.language as tl

stop = torch.zeros(1, dtype=torch.int32, device="cuda")
side = torch.cuda.Stream()
places = set()


@triton.jit
def forever(a, b, out, n, stop, BLOCK: tl.constexpr):
    while tl.load(stop, volatile=True) == 0:
        for start in range(0, n, BLOCK):
            at = start + tl.arange(0, BLOCK)
            x = tl.load(a + at, mask=at < n, volatile=True)
            tl.store(out + at, x + tl.load(b + at, mask=at < n, volatile=True), mask=at < n)


def custom_kernel(data):
    a, b, out = data
    if a.data_ptr() not in places:
        places.add(a.data_ptr())
        with torch.cuda.stream(side):
            forever[(1,)](a, b, out, a.numel(), stop, BLOCK=1024)
    return out
