# expect: wrong_answer
# Every fifth answer is the one before: spot checks rarely meet it.
state = {"calls": 0}


def custom_kernel(data):
    a, b, out = data
    state["calls"] += 1
    if state["calls"] % 5 or state.get("shape") != a.shape:
        state["last"], state["shape"] = a + b, a.shape
    return state["last"]
