# expect: timed_out
def custom_kernel(data):
    while True:
        pass
