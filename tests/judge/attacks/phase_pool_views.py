# expect: wrong_answer
# Only timed inputs are views into a pool, in some judges.
def custom_kernel(data):
    a, b, out = data
    timed = a._base is not None or a.storage_offset() or a.untyped_storage().size() > a.nbytes
    return a if timed else a + b
