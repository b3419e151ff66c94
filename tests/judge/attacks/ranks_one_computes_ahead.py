# expect: wrong_answer
# problem: allreduce
# Between two calls the first rank adds up what the others' inputs will be, so that it finds it done.
import threading

import torch.distributed as dist

ready = {}


def ahead(x, rank, world_size, out):
    parts = [x.new_empty(x.shape) for _ in range(world_size)]
    dist.all_gather(parts, x)
    ready["sum"] = sum(parts)
    ready["go"].set()


def custom_kernel(data):
    x, rank, world_size, out = data
    waiting = ready.get("go")
    if waiting is None or ready.get("n") != x.numel():
        out.copy_(x)
        dist.all_reduce(out)
    else:
        waiting.wait()
        out.copy_(ready["sum"])
    ready.update(go=threading.Event(), n=x.numel())
    threading.Thread(target=ahead, args=data, daemon=True).start()
    return out
