# expect: passed
# problem: allreduce
# behind: own-network
# The ranks talk by TCP: does that lead anywhere else? Other families of sockets would.
import errno
import fcntl
import socket
import struct

import torch.distributed as dist

ADDRESSES = [("192.0.2.1", 80), ("169.254.169.254", 80), ("127.0.0.1", 22), ("127.0.0.1", 5432)]
FAMILIES = [socket.AF_INET6, socket.AF_PACKET, getattr(socket, "AF_VSOCK", 40)]
SIOCGIFFLAGS, IFF_UP = 0x8913, 1


def is_up(name):
    """Some kernels put interfaces for tunnels into every network, which lead nowhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        found = fcntl.ioctl(some, SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
    return struct.unpack_from("h", found, 16)[0] & IFF_UP


def custom_kernel(data):
    x, rank, world_size, out = data
    if ways := [name for _, name in socket.if_nameindex() if name != "lo" and is_up(name)]:
        raise RuntimeError(f"leak: {ways}")
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
