# expect: crashed
# only: cpu
# Empty files where files are in memory: no bytes of theirs, and a kilobyte of the kernel's each.
import os
import time

for folder in range(30):
    os.mkdir(f"/dev/shm/m{folder}")
    place = os.open(f"/dev/shm/m{folder}", os.O_RDONLY)
    for number in range(10_000):
        os.mknod(str(number), dir_fd=place)
    os.close(place)


def custom_kernel(data):
    time.sleep(6)
    return data[0] + data[1]
