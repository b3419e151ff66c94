# expect: wrong_answer or passed or quarantined or crashed or timed_out
# device: cuda
# at least: 15 ms
# A side stream waits for a word of host memory, which a thread writes long after the call has returned.
import ctypes
import threading
import time

import torch

driver = ctypes.CDLL("libcuda.so.1")
word = torch.zeros(1, dtype=torch.int32, pin_memory=True)
side = torch.cuda.Stream()
number = 0


def custom_kernel(data):
    global number
    a, b, out = data
    number += 1
    side.wait_stream(torch.cuda.current_stream())
    status = driver.cuStreamWaitValue32_v2(
        ctypes.c_void_p(side.cuda_stream), ctypes.c_uint64(word.data_ptr()), ctypes.c_uint32(number), ctypes.c_uint(0)
    )
    if status:
        raise RuntimeError(f"driver error {status}")
    with torch.cuda.stream(side):
        torch.add(a, b, out=out)

    def later(wanted=number):
        time.sleep(0.03)
        word[0] = wanted

    threading.Thread(target=later).start()
    return out
