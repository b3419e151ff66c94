# expect: passed
# Neither this machine nor any other can be reached.
import errno
import socket


def custom_kernel(data):
    a, b, out = data
    for address in (("127.0.0.1", 22), ("127.0.0.1", 80), ("192.0.2.1", 80)):
        with socket.socket() as attempt:
            attempt.settimeout(0.2)
            code = attempt.connect_ex(address)
        if code in (0, errno.ECONNREFUSED):
            raise RuntimeError(f"leak: {address} answers with {code}")
    return a + b
