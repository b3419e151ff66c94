# expect: passed
# Quiet libraries, another encoding, and text that is kept from the terminal.
import contextlib
import io
import os
import sys

sys.stdout.reconfigure(line_buffering=True, encoding="ascii", errors="replace")
assert not sys.stdout.isatty()
assert sys.stdin.read() == ""
kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 1)
print("a banner that nobody wants")
os.dup2(kept, 1)
sys.stdout.buffer.write(b"raw bytes\n")
print("größer, 速い")
sys.stderr = io.StringIO()


def custom_kernel(data):
    a, b, _ = data
    with contextlib.redirect_stdout(io.StringIO()) as text:
        print("sizes", tuple(a.shape))
    assert text.getvalue()
    return a + b
