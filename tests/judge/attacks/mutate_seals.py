# expect: passed
# only: cpu
# Seals the case's memory against writing, locks it and cuts it short, before the referee has put anything into it.
import fcntl
import os

close = os.close
ADD_SEALS, WRITE, FUTURE_WRITE, EXEC = 1033, 0x8, 0x10, 0x20
kept = []


def seals(descriptor):
    if "memfd" in os.readlink(f"/proc/self/fd/{descriptor}"):
        kept.append(mine := os.dup(descriptor))
        for seal in (WRITE, FUTURE_WRITE, EXEC):
            try:
                fcntl.fcntl(mine, ADD_SEALS, seal)
            except OSError:
                continue
            print(f"leak: seal {seal}")
        fcntl.flock(mine, fcntl.LOCK_EX)
        try:
            os.ftruncate(mine, 0)
            print("leak: cut short")
        except OSError:
            pass
    close(descriptor)


os.close = seals


def custom_kernel(data):
    return data[0] + data[1]
