# expect: disqualified or crashed or wrong_answer
# Thousands of doorbells, to fill whatever holds them. The first counts, and there is no answer yet.
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
