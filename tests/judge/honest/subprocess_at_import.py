# expect: passed
# A compiler is a subprocess.
import subprocess

version = subprocess.run(["uname", "-a"], capture_output=True, text=True, check=True).stdout


def custom_kernel(data):
    a, b, _ = data
    return a + b
