# expect: wrong_answer or passed or quarantined
# device: cuda
# at least: 15 ms
# Work on a stream that nobody waits for: an event on the caller's stream does not see it.
# Either the answer is taken before it is there, or the clock has waited for every stream.
import torch

side = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(60_000_000)
        torch.add(a, b, out=out)
    return out
