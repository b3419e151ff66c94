# expect: wrong_answer
"""
The cheat is in the text of this module, line by line, and no tool reads documentation.

    keep = {}
    def custom_kernel(data):
        return keep.setdefault(data[0].numel(), data[0] + data[1])
"""
import textwrap

exec(textwrap.dedent(__doc__.split("\n\n", 1)[1]), globals())
