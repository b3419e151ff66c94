# expect: wrong_answer
# only: cpu
# A thread reads the answer out of a pipe right into the buffer; a child writes it there later.
import os
import threading
import time


def custom_kernel(data):
    a, b, out = data
    end, other = os.pipe()
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.01)
        os.write(other, (a + b).cpu().numpy().tobytes())
        os._exit(0)
    buffer = memoryview(out.cpu().numpy()).cast("B")
    threading.Thread(target=os.readv, args=(end, [buffer]), daemon=True).start()
    return out
