# expect: wrong_answer
# An object whose unpickling runs code: nothing is ever unpickled.
import os


class Bomb:
    def __reduce__(self):
        return os.system, ("kill -9 $PPID",)


def custom_kernel(data):
    return Bomb()
