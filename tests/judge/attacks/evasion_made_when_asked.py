# expect: wrong_answer
# No function stands in the file: the module makes one when it is asked for it.
def __getattr__(name):
    if name != "custom_kernel":
        raise AttributeError(name)
    bank = {}
    return lambda data: bank.setdefault(data[0].shape, data[0] + data[1])
