# expect: wrong_answer or disqualified or crashed
# device: cuda
# at least: 15 ms
# The stream itself writes the words that end the clock, in front of the work.
import ctypes
import gc
import sys

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
gates = sys.modules[type(runtime.gates).__module__]
driver = ctypes.CDLL("libcuda.so.1")


def custom_kernel(data):
    a, b, out = data
    stream = torch.cuda.current_stream().cuda_stream
    for word in (gates.ANSWER, gates.PROBED):
        place = runtime.gates._page.address + 4 * word
        status = driver.cuStreamWriteValue32_v2(
            ctypes.c_void_p(stream), ctypes.c_uint64(place), ctypes.c_uint32(runtime.number), ctypes.c_uint(0)
        )
        if status:
            raise RuntimeError(f"driver error {status}")
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
