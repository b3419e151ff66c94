# expect: crashed or disqualified
# A message of no bytes, which reads like the end of a connection.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    runtime.channel.send(b"")
    return data[0] + data[1]
