# expect: passed
# only: cpu
# build seconds: 60
# Compiles C with the system's compiler and calls it through ctypes.
import ctypes
import subprocess

SOURCE = """
void add(const float *a, const float *b, float *out, long n) {
  for (long i = 0; i < n; i++) out[i] = a[i] + b[i];
}
"""
with open("add.c", "w") as file:
    file.write(SOURCE)
print(subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout)
subprocess.run(["gcc", "-O3", "-shared", "-fPIC", "add.c", "-o", "libadd.so"], check=True)
library = ctypes.CDLL("./libadd.so")


def custom_kernel(data):
    a, b, out = (ctypes.c_void_p(tensor.data_ptr()) for tensor in data)
    library.add(a, b, out, ctypes.c_long(data[0].numel()))
    return data[2]
