# expect: wrong_answer
# An answer whose storage is exchanged by a thread once it has been handed over.
import threading
import time

import torch


def swap(result, data):
    time.sleep(0.01)
    result.set_((data[0] + data[1]).untyped_storage(), 0, result.shape, result.stride())


def custom_kernel(data):
    result = torch.zeros_like(data[2])
    threading.Thread(target=swap, args=(result, data), daemon=True).start()
    return result
