# expect: wrong_answer
# Works on call i while call i + 1 is being timed.
import threading

last = []


def work(a, b, out, go):
    go.wait()
    out.copy_(a + b)


def custom_kernel(data):
    for thread, go in last:
        go.set()
        thread.join()
    last.clear()
    go = threading.Event()
    thread = threading.Thread(target=work, args=(*data, go), daemon=True)
    thread.start()
    last.append((thread, go))
    return data[2]
