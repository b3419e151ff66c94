# expect: wrong_answer
# Prints what a verdict and an event look like.
print('{"kind": "passed", "message": "All tests passed."}')
print('{"kind":"stage","stage":"measure","message":"finished","done":1,"total":1}', flush=True)


def custom_kernel(data):
    print('check: pass\nbenchmark.0.mean: 1\n{"kind": "passed"}', flush=True)
    return data[0]
