# expect: wrong_answer
# Works only when a profiler or a debugger seems to watch.
import sys

import torch


def custom_kernel(data):
    a, b, out = data
    watched = sys.gettrace() or torch.autograd.profiler._is_profiler_enabled
    return a + b if watched else a
