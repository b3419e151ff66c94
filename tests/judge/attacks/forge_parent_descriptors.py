# expect: wrong_answer
# Opens the referee's own descriptors through /proc.
import os


def custom_kernel(data):
    for number in range(64):
        try:
            with open(f"/proc/{os.getppid()}/fd/{number}", "w") as file:
                file.write('{"kind": "passed"}\n')
        except OSError:
            pass
    return data[0]
