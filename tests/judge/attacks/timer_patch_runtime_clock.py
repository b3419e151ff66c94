# expect: passed
# at least: 15 ms
# Replaces the clocks that the runtime can reach and the time that its doorbell tells; neither decides.
import gc
import struct
import sys
import time

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
package = type(runtime).__module__.rpartition(".")[0]
for name, module in list(sys.modules.items()):
    if name.startswith(package):
        for clock in ("time", "monotonic_ns", "perf_counter_ns", "claimed_ns"):
            if hasattr(module, clock):
                setattr(module, clock, lambda *args: 0)
ring = type(runtime).ring


def quick(self, tag, text=b""):
    ring(self, tag, struct.pack("<d", 1.0) if tag == b"D" else text)


type(runtime).ring = quick


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)
    return out
