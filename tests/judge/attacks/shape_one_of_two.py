# expect: wrong_answer
# problem: pair
# One of two outputs: what nobody handed in is not compared, in some judges.
def custom_kernel(data):
    a, b, first, second = data
    return (a + b,)
