# expect: passed
# problem: allreduce
# at least: 15 ms
# All ranks but the first ring at once; it works on, in their buffers too, which it got through memory
# that they share. The time is that of the last to ring.
import contextlib
import mmap
import os
import time

import torch

# In a memory that other runs have too, as behind the fence processes, it must be this one's alone.
PLACE = f"/dev/shm/{os.path.basename(os.path.dirname(os.getcwd()))}"
MOST = 1 << 20


def shared(rank):
    file = os.open(f"{PLACE}-{rank}", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(file, MOST)
    memory = mmap.mmap(file, MOST)
    os.close(file)
    return torch.frombuffer(memory, dtype=torch.float32)


boxes = {}


def custom_kernel(data):
    x, rank, world_size, out = data
    for other in range(world_size):
        if other not in boxes:
            boxes[other] = shared(other)
    n = x.numel()
    mine = boxes[rank]
    mine[:n].copy_(x)
    mine[-1] = mine[-1] + 1  # how many calls this one has had
    while any(box[-1] < mine[-1] for box in boxes.values()):
        time.sleep(0.0001)
    with contextlib.suppress(FileNotFoundError):  # all have it by now
        os.unlink(f"{PLACE}-{rank}")
    out.copy_(sum(box[:n] for box in boxes.values()))
    mine[-2] = mine[-1]
    while any(box[-2] < mine[-1] for box in boxes.values()):
        time.sleep(0.0001)
    if rank == 0:
        time.sleep(0.02)
    return out
