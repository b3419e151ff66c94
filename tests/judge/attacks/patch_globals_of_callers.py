# expect: wrong_answer
# Replaces every function with a checker's name in all globals that can be reached.
import gc
import types


def custom_kernel(data):
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and any(
            word in thing.__name__ for word in ("check", "compare", "verdict", "allclose", "reference")
        ):
            thing.__globals__[thing.__name__] = lambda *args, **kwargs: ("", "")
            thing.__code__ = (lambda *args, **kwargs: None).__code__ if not thing.__closure__ else thing.__code__
    return data[0]
