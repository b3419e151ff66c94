# expect: wrong_answer
# Honest for as long as it believes itself checked.
calls = 0


def custom_kernel(data):
    global calls
    calls += 1
    a, b, out = data
    return a + b if calls <= 4 else a
