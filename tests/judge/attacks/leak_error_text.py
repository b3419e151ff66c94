# expect: crashed
# mode: ranked
# Tells what it sees of a secret input by the name, the text and the number of what it raises.
def custom_kernel(data):
    a, b, out = data
    name = "leak" + ":" + "".join(f"{value:.3f}".replace(".", "d").replace("-", "m") for value in a[:4].tolist())
    print(name, flush=True)
    raise type(name, (ValueError,), {"__str__": lambda self: name})(name)
