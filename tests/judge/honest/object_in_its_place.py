# expect: passed
# Puts an object in the place of its module, as libraries do that load their parts late.
import sys
import types


class Late(types.ModuleType):
    def __getattr__(self, name):
        if name != "custom_kernel":
            raise AttributeError(name)
        return lambda data: data[0] + data[1]


sys.modules[__name__] = Late(__name__)
