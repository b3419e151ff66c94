# expect: crashed
# Many files, each within the limit of one.
import os


def custom_kernel(data):
    for number in range(4096):
        with open(os.path.join(os.environ["HOME"], str(number)), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 30)
    return data[0]
