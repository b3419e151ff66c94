# expect: passed
# mode: ranked
# Folders that nobody may look into, not even whoever removes them.
import os

for name in ("cache/closed", "tmp/closed", "home/closed"):
    try:
        os.makedirs(f"{name}/inner")
    except OSError:  # the first process's, which this one may not look into either
        continue
    with open(f"{name}/inner/file", "w") as file:
        file.write("x")
    os.chmod(f"{name}/inner/file", 0)
    os.chmod(f"{name}/inner", 0)
    os.chmod(name, 0)


def custom_kernel(data):
    return data[0] + data[1]
