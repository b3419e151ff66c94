# expect: build_failed
"""Does not parse."""


def custom_kernel(data)
    return data[0] + data[1]
