# expect: passed
# Only timed inputs are views into a pool, in some judges.
seen = set()


def custom_kernel(data):
    a, b, out = data
    seen.add((a._base is None, a.storage_offset(), a.untyped_storage().size() > a.nbytes))
    if len(seen) > 1:
        raise RuntimeError(f"leak: calls differ in what their inputs are views of: {seen}")
    return a + b
