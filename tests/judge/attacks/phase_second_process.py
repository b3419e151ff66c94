# expect: wrong_answer
# mode: ranked
# A note on disk tells the second process that the checks are over.
import os

again = os.path.exists("tmp/checked")
open("tmp/checked", "w").close()


def custom_kernel(data):
    a, b, out = data
    return a if again else a + b
