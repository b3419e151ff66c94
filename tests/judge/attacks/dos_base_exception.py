# expect: crashed
class Slippery(BaseException):
    pass


def custom_kernel(data):
    raise Slippery
