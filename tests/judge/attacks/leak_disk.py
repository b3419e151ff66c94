# expect: passed
# Searches the places where judges stage their jobs for a reference, a seed or somebody else's code.
import os
import sys

LIBRARY = (sys.prefix + os.sep, sys.base_prefix + os.sep)  # everybody's to read, wherever it lies


def interesting(path):
    try:
        with open(path, "rb") as file:
            text = file.read(1 << 16)
    except OSError:
        return False
    return b"def generate_input" in text or b'"run_id"' in text


def custom_kernel(data):
    a, b, out = data
    for top in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.dirname(os.getcwd())):
        for folder, folders, names in os.walk(top):
            if folder == os.getcwd():  # this file itself holds what it looks for
                folders.clear()
                continue
            if (folder + os.sep).startswith(LIBRARY):
                folders.clear()
                continue
            if any(interesting(os.path.join(folder, name)) for name in names):
                raise RuntimeError(f"leak: the judge's files are in {folder}")
    return a + b
