# expect: wrong_answer
# problem: records
# Changes the class that the data is made of, and what is in it; the referee has its own.
import task

task.Scale.factor = property(lambda self: 0.0, lambda self, value: None)


def custom_kernel(data):
    tensors, scale, _ = data
    return [part.zero_() for part in tensors["parts"]]
