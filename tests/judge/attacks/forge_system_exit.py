# expect: crashed
import sys


def custom_kernel(data):
    sys.exit(0)
