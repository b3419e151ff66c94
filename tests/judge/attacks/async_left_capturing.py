# expect: crashed or timed_out or wrong_answer
# device: cuda
# Leaves the judge's stream in capture, so that what follows the call is written down and not done, and has a
# thread launch it all later.
import threading
import time

import torch

side = torch.cuda.Stream()
torch.cuda.set_stream(side)


def custom_kernel(data):
    a, b, out = data
    graph = torch.cuda.CUDAGraph()
    graph.capture_begin(capture_error_mode="relaxed")
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)

    def later():
        time.sleep(0.01)
        with torch.cuda.stream(side):
            graph.capture_end()
            graph.replay()

    threading.Thread(target=later).start()
    return out
