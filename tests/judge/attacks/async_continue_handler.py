# expect: wrong_answer
# Finishes the work when the process is continued: that is the next call's time.
import signal

pending = []


def on_continue(*args):
    while pending:
        a, b, out = pending.pop()
        out.copy_(a + b)


signal.signal(signal.SIGCONT, on_continue)


def custom_kernel(data):
    pending.append(data)
    return data[2]
