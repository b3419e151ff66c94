# expect: passed
# Neither this machine nor any other can be reached.
import errno
import socket


def refused_by_own_loopback(address, code):
    return address[0] == "127.0.0.1" and code == errno.ECONNREFUSED and len(socket.if_nameindex()) == 1


def custom_kernel(data):
    a, b, out = data
    for address in (("127.0.0.1", 22), ("127.0.0.1", 5432), ("192.0.2.1", 80)):
        try:
            attempt = socket.socket()
        except OSError:
            continue
        with attempt:
            attempt.settimeout(0.2)
            code = attempt.connect_ex(address)
        if code not in (errno.ENETUNREACH, errno.EACCES) and not refused_by_own_loopback(address, code):
            raise RuntimeError(f"leak: {address} answers with {code}")
    return a + b
