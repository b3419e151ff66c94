# expect: wrong_answer or passed or crashed or timed_out
# at least: 15 ms
# The parent sleeps in vfork, where no signal stops it, while the child rings in its place and works on.
import ctypes
import gc
import os
import subprocess
import tempfile

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
SOURCE = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
void go(int fd, const char* bell, int size, const float* a, const float* b, float* out, long n) {
  if (vfork() == 0) {
    send(fd, bell, size, 0);
    struct timespec end, now; clock_gettime(CLOCK_MONOTONIC, &end);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - end.tv_sec) * 1000000000L + now.tv_nsec - end.tv_nsec < 16000000L);
    for (long i = 0; i < n; i++) out[i] = a[i] + b[i];
    _exit(0);
  }
}
"""
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "go.c")
    with open(path, "w") as file:
        file.write(SOURCE)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", path + ".so", path], check=True)
    library = ctypes.CDLL(path + ".so")


def custom_kernel(data):
    a, b, out = data
    bell = b"D" + runtime.number.to_bytes(8, "little")
    pointers = [ctypes.c_void_p(t.data_ptr()) for t in data]
    library.go(runtime.channel.fileno(), bell, len(bell), *pointers, ctypes.c_long(a.numel()))
    runtime.ring = lambda *args: None
    return out
