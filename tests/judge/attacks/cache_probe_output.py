# expect: wrong_answer
# Hopes that the output buffer still holds the answer.
def custom_kernel(data):
    return data[2]
