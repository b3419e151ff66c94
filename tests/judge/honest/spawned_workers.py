# expect: passed
# build seconds: 60
# A pool of fresh interpreters, started once, that share memory by name.
import atexit
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

import numpy as np
import torch


def part(name, start, stop, total):
    block = shared_memory.SharedMemory(name=name)
    try:
        rows = np.ndarray((3, total), dtype=np.float32, buffer=block.buf)
        rows[2, start:stop] = rows[0, start:stop] + rows[1, start:stop]
        del rows
    finally:
        block.close()
    return stop - start


_pool = None


def pool():
    global _pool
    if _pool is None:
        _pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        atexit.register(_pool.shutdown, wait=False, cancel_futures=True)
    return _pool


def custom_kernel(data):
    a, b, out = data
    total = a.numel()
    block = shared_memory.SharedMemory(create=True, size=12 * total)
    try:
        rows = np.ndarray((3, total), dtype=np.float32, buffer=block.buf)
        rows[0], rows[1] = a.cpu().numpy(), b.cpu().numpy()
        spans = ((0, total // 2), (total // 2, total))
        jobs = [pool().submit(part, block.name, *span, total) for span in spans]
        assert sum(job.result() for job in jobs) == total
        out.copy_(torch.from_numpy(rows[2].copy()))
        del rows
    finally:
        block.close()
        block.unlink()
    return out
