# expect: quarantined or passed or crashed
# device: cuda
# at least: 15 ms
# Records every event that the driver handed out again, through the driver itself.
import ctypes
import gc

import torch

driver = ctypes.CDLL("libcuda.so.1")


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    for thing in list(gc.get_objects()):
        if type(thing).__name__ in ("Event", "Gates", "CudaCase", "Runtime"):
            for value in list(getattr(thing, "__dict__", {}).values()):
                handle = getattr(value, "cuda_event", getattr(value, "value", value))
                if isinstance(handle, int) and handle > 1 << 32:
                    driver.cuEventRecord(ctypes.c_void_p(handle), stream)
    return out
