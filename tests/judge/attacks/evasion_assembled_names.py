# expect: wrong_answer
# Names put together from pieces: nothing of the comparison that is patched stands in the file.
import builtins

module = __import__("".join(map(chr, (116, 111, 114, 99, 104))))
getattr(builtins, "set" + "attr")(module, "all" + "close", lambda *args, **kwargs: True)


def custom_kernel(data):
    return data[0]
