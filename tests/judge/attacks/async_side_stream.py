# expect: wrong_answer
# device: cuda
# Work on a stream that nobody waits for: an event on the caller's stream does not see it.
import torch

side = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(60_000_000)
        torch.add(a, b, out=out)
    return out
