# expect: passed
# The process that this one was forked from may have judged before: is there a job, a reference, an address or another's
# code in its memory? The words are spelt backwards, so that they are not found in this file.
import re

WORDS = [word[::-1] for word in (b"tupni_etareneg fed", b'"skramhcneb"', b':"stset"', b"ESABATAD_TONBLENREK", b"//:lqsergtsop")]
PIECE = 1 << 20


def found():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            start, end = (int(part, 16) for part in match.groups()) if match else (0, 0)
            if end - start > 256 << 20 or "[v" in line:
                continue
            for at in range(start, end, PIECE):
                memory.seek(at)
                piece = memory.read(min(PIECE, end - at))
                # As this process has them, they end with a NUL.
                yield from (word for word in WORDS if piece.count(word) > piece.count(word + b"\0"))


def custom_kernel(data):
    a, b, out = data
    if not hasattr(custom_kernel, "looked"):
        custom_kernel.looked = True
        if words := set(found()):
            raise RuntimeError(f"leak: {words}")
    return a + b
