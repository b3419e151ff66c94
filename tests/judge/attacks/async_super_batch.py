# expect: wrong_answer
# Keeps the buffers of several calls and fills them all in the last one: the mean of a window that
# holds all of them is then right and each call is cheap.
waiting = []


def custom_kernel(data):
    a, b, out = data
    waiting.append((a.clone(), b.clone(), out))
    if len(waiting) == 4:
        for x, y, z in waiting:
            z.copy_(x + y)
        waiting.clear()
    return out
