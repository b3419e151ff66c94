# expect: build_failed
# The reference is not where the contestant can import it.
from reference import reference


def custom_kernel(data):
    return reference(data)
