# expect: disqualified
# Writes a verdict to every descriptor it has, the doorbell's among them.
import os


def custom_kernel(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b'{"kind":"passed","run_id":"","stage":"measure"}\n')
        except OSError:
            pass
    return data[0]
