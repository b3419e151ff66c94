# expect: passed
# mode: ranked
# What the judge holds while it runs is taken for abandoned by whoever can hold it in its place.
import fcntl
import os

import torch


def held(folder):
    """Whether this folder of the judge's could be held from here."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


for place in ("/run", "/dev/shm"):
    found = os.path.join(place, "kernelbot-uids")
    if held(found) or (os.path.isdir(found) and os.access(found, os.W_OK)):
        raise RuntimeError("leak: uids of other runs can be taken")
# In a mount namespace of its own it is another folder, and not root's.
if os.stat("..").st_uid == 0 and (held("..") or os.access("..", os.W_OK)):
    raise RuntimeError("leak: the judge's folder can be taken for abandoned")


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
