# expect: crashed
# A file larger than the limit.
import os


def custom_kernel(data):
    with open(os.path.join(os.environ["HOME"], "big"), "wb") as file:
        file.truncate(16 << 30)
    return data[0]
