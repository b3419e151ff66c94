# expect: passed
# Files where devices are: in memory, of no bounded size, and in no folder that anybody watches.
import os


def custom_kernel(data):
    for place in ("/dev", "/dev/pts", "/dev/mqueue"):
        try:
            with open(f"{place}/kept", "wb") as file:
                file.write(bytes(1 << 20))
        except OSError:
            continue
        os.unlink(f"{place}/kept")
        raise RuntimeError(f"leak: {place} keeps files")
    return data[0] + data[1]
