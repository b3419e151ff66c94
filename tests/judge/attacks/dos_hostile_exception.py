# expect: crashed
# An exception that cannot be printed, in a chain that has no end.
class Hostile(Exception):
    def __str__(self):
        raise self

    __repr__ = __str__


def custom_kernel(data):
    first, second = Hostile(), Hostile()
    first.__cause__, second.__cause__ = second, first
    raise first
