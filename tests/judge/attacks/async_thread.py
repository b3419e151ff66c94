# expect: wrong_answer
# Returns at once; a thread does the work later.
import threading
import time


def work(a, b, out):
    time.sleep(0.02)
    out.copy_(a + b)


def custom_kernel(data):
    threading.Thread(target=work, args=data, daemon=True).start()
    return data[2]
