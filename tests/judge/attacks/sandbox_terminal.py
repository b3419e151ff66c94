# expect: passed
# Types commands into the terminal that the judge was started from, or takes another one.
import fcntl
import os

TIOCSTI, TIOCSCTTY, TIOCLINUX = 0x5412, 0x540E, 0x541C


def custom_kernel(data):
    for path in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/vcs", "/dev/pts/0", "/dev/ttyS0"):
        try:
            terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        except OSError:
            continue
        for request in (TIOCSTI, TIOCLINUX):
            try:
                fcntl.ioctl(terminal, request, b"\x0b")
            except OSError:
                continue
            raise RuntimeError(f"leak: {path} takes what is typed")
    return data[0] + data[1]
