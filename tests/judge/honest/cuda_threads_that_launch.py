# expect: passed
# device: cuda
# Four threads, each with a stream of its own, launch a part each and are joined, streams and threads.
from concurrent.futures import ThreadPoolExecutor

import torch

pool = ThreadPoolExecutor(4)
streams = [torch.cuda.Stream() for _ in range(4)]


def custom_kernel(data):
    a, b, out = data
    main = torch.cuda.current_stream()
    begun = main.record_event()

    def part(stream, x, y, z):
        with torch.cuda.stream(stream):
            stream.wait_event(begun)
            torch.add(x, y, out=z)
            return stream.record_event()

    parts = [pool.submit(part, s, *p) for s, *p in zip(streams, a.chunk(4), b.chunk(4), out.chunk(4))]
    for done in parts:
        main.wait_event(done.result())
    return out
