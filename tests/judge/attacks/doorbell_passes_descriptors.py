# expect: passed
# Hands descriptors to the referee along with its doorbell; they are dropped by the kernel.
import gc
import os
import socket

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
channel = runtime.channel


class Generous:
    def send(self, packet):
        return socket.send_fds(channel, [packet], [os.open("/dev/null", os.O_RDONLY)] * 8)

    def __getattr__(self, name):
        return getattr(channel, name)


def custom_kernel(data):
    a, b, out = data
    runtime.channel.send
    out.copy_(a + b)
    return out


runtime.ring = lambda tag, text=b"": Generous().send(
    __import__("struct").pack("<cQ", tag, runtime.number) + text
)
