# expect: wrong_answer or passed or crashed
# device: cuda
# at least: 15 ms
# Does its work on a stream that does not wait for the gate, as soon as it has seen the input, and
# only copies in the call. What it saw was not the whole input, or the copy waits for the work.
import torch

early = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    with torch.cuda.stream(early):
        torch.cuda._sleep(60_000_000)
        result = a + b
    early.synchronize()
    out.copy_(result)
    return out
