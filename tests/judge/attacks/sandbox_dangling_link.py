# expect: passed
# mode: ranked
# A link to nowhere, met when the folder changes hands between the two processes.
import os

if not os.path.islink("gone"):
    os.symlink("/nonexistent", "gone")


def custom_kernel(data):
    a, b, out = data
    out.copy_(a + b)
    return out
