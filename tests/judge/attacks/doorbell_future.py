# expect: disqualified
# Rings for a call that has not been made.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    runtime.channel.send(runtime_header(runtime.number + 1))
    out.copy_(a + b)
    return out


def runtime_header(number):
    import struct

    return struct.pack("<cQ", b"D", number)
