# expect: passed
import threading

table = {}


def fill(key):
    table[key] = key * 2


threads = [threading.Thread(target=fill, args=(key,)) for key in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()


def custom_kernel(data):
    a, b, _ = data
    return a + b
