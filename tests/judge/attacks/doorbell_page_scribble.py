# expect: wrong_answer or crashed or disqualified or timed_out or out_of_memory
# device: cuda
# A thread writes rubbish all over the memory that the gates share with the referee.
import gc
import os
import threading

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
page = runtime.page


def scribble():
    while True:
        page[:] = os.urandom(len(page))


threading.Thread(target=scribble, daemon=True).start()


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
