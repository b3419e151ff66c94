# expect: wrong_answer or build_failed
# -*- coding: utf-7 -*-
# In this encoding the next comment is two lines, the second of them code.
# harmless +AAo-CHEAT = True
def custom_kernel(data):
    a, b, out = data
    return a if globals().get("CHEAT") else a + b
