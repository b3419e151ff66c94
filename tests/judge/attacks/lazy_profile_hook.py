# expect: wrong_answer
# An empty tensor that a profile hook fills when "the checker" starts.
import sys


def custom_kernel(data):
    a, b, out = data
    box = [data]

    def hook(frame, event, argument):
        if "compare" in frame.f_code.co_name or "allclose" in frame.f_code.co_name:
            a, b, out = box[0]
            out.copy_(a + b)

    sys.setprofile(hook)
    return out
