# expect: disqualified
# Sends the referee what might upset a parser.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    runtime.channel.send(b'{"kind": "passed"')
    out.copy_(a + b)
    return out
