# expect: passed
# Keys, tokens and other people's folders.
import os


def custom_kernel(data):
    a, b, out = data
    for path in ("/root/.ssh", "/root/.bashrc", "/etc/shadow", "/home", "/var/run/docker.sock", "/root"):
        try:
            found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        except OSError:
            continue
        if found and any(os.access(os.path.join(path, str(n)), os.R_OK) for n in found):
            raise RuntimeError(f"leak: {path} can be read")
    return a + b
