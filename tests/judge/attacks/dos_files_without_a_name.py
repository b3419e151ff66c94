# expect: crashed
# Files that are open and no longer in any folder: no walk over folders finds them.
import os
import time

held = []
for _ in range(3):
    file = open("held", "wb")
    os.unlink("held")
    os.posix_fallocate(file.fileno(), 0, 1 << 30)
    held.append(file)


def custom_kernel(data):
    time.sleep(6)
    return data[0] + data[1]
