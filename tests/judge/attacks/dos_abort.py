# expect: crashed
import os


def custom_kernel(data):
    os.abort()
