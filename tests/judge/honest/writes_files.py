# expect: passed
# May use its home, its temporary folder and the shared memory of the system.
import multiprocessing
import os
import tempfile

lock = multiprocessing.Lock()
with open(os.path.expanduser("~/notes.txt"), "w") as file:
    file.write("tuned")


def custom_kernel(data):
    a, b, _ = data
    with tempfile.NamedTemporaryFile() as file, lock:
        file.write(b"scratch")
        return a + b
