# expect: passed
# problem: allreduce
# The ranks talk by TCP: does that lead anywhere else? Other families of sockets would.
import errno
import socket

import torch.distributed as dist

ADDRESSES = [("192.0.2.1", 80), ("169.254.169.254", 80), ("127.0.0.1", 22), ("127.0.0.1", 5432)]
FAMILIES = [socket.AF_INET6, socket.AF_PACKET, getattr(socket, "AF_VSOCK", 40)]


def custom_kernel(data):
    x, rank, world_size, out = data
    if len(socket.if_nameindex()) != 1:
        raise RuntimeError(f"leak: {socket.if_nameindex()}")
    for family in FAMILIES:
        try:
            socket.socket(family).close()
        except OSError:
            continue
        raise RuntimeError(f"leak: sockets of family {family}")
    for address in ADDRESSES:
        with socket.socket() as attempt:
            attempt.settimeout(0.2)
            code = attempt.connect_ex(address)
        if code not in (errno.ENETUNREACH, errno.ECONNREFUSED):
            raise RuntimeError(f"leak: {address} answers with {code}")
    out.copy_(x)
    dist.all_reduce(out)
    return out
