# expect: timed_out
# build seconds: 5
def custom_kernel(data):
    while True:
        pass
