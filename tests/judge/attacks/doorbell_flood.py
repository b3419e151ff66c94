# expect: disqualified or crashed
# Thousands of doorbells, to fill whatever holds them.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    runtime.channel.setblocking(False)
    try:
        for _ in range(100_000):
            runtime.ring(b"D")
    except OSError:
        pass
    return data[0]
