# expect: wrong_answer
# Addresses do repeat, contents never do.
bank = {}


def custom_kernel(data):
    a, b, out = data
    key = (a.data_ptr(), b.data_ptr())
    if key not in bank:
        bank[key] = a + b
    return bank[key]
