# expect: wrong_answer
# Takes the runtime's own checks of shape and dtype away.
import sys

runtime = sys.modules["__main__"]
runtime.check = lambda *args: None
runtime.deliver = lambda *args: None


def custom_kernel(data):
    return "trust me"
