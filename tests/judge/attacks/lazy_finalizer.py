# expect: wrong_answer
# The answer is computed when the returned object is thrown away, after the call.
import gc


class Trailer:
    def __init__(self, data):
        self.data = data
        self.me = self  # only the collector ends it

    def __del__(self):
        a, b, out = self.data
        out.copy_(a + b)


gc.disable()


def custom_kernel(data):
    gc.collect()
    Trailer(data)
    return data[2]
