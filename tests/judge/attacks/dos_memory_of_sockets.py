# expect: crashed
# What waits in sockets that nobody reads is the kernel's memory, and nobody's.
import contextlib
import os
import socket
import time

block = bytes(1 << 17)


def fill():
    kept = []
    while len(kept) < 3000:
        pair = socket.socketpair()
        kept.append(pair)
        pair[0].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                pair[0].send(block)


for _ in range(4):
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            fill()
        time.sleep(1000)


def custom_kernel(data):
    time.sleep(6)
    return data[0] + data[1]
