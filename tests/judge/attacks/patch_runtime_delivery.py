# expect: wrong_answer
# Takes the runtime's own checks of shape and dtype away, and the delivery with them.
import gc
import sys

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
package = type(runtime).__module__.rpartition(".")[0]
for name, module in list(sys.modules.items()):
    if name.startswith(package):
        for function in ("check", "deliver", "listed"):
            if hasattr(module, function):
                setattr(module, function, lambda *args: None)


def custom_kernel(data):
    return "trust me"
