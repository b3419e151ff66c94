# expect: wrong_answer
# problem: sorting
# Where the answer lies in the input, an input of zeros is sorted already.
def custom_kernel(data):
    return data.zero_()
