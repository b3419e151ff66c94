# expect: crashed or timed_out
# build seconds: 60
# slow
# Empty files: no bytes to speak of, and minutes to remove.
import os
import time

for folder in range(60):
    os.mkdir(f"m{folder}")
    place = os.open(f"m{folder}", os.O_RDONLY)
    for number in range(10_000):
        os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)


def custom_kernel(data):
    time.sleep(6)
    return data[0] + data[1]
