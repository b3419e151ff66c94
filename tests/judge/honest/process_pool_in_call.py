# expect: passed
# only: cpu
# Children that finish their part of the shared output before the call returns.
import os


def custom_kernel(data):
    a, b, out = data
    half = len(a) // 2
    child = os.fork()
    if child == 0:
        out.numpy()[:half] = a.numpy()[:half] + b.numpy()[:half]
        os._exit(0)
    out.numpy()[half:] = a.numpy()[half:] + b.numpy()[half:]
    os.waitpid(child, 0)
    return out
