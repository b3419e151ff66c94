# expect: passed
# mode: ranked
# Names of files that are no text, look like options, or lead elsewhere, met by whoever hands the folder over and removes it.
import os

here = os.fsencode(os.getcwd())
for name in (b"\xff\xfe", b"-rf", b"--no-preserve-root", b"a\nb", b"\x1b[2J", b"*", b"~", b"$(id)", b" ", b"\xed\xa0\x80", b"x" * 255):
    os.makedirs(os.path.join(here, name), exist_ok=True)
    with open(os.path.join(here, name, b"cache" + name[:100]), "wb"):
        pass
for name in (b"cache", b"cache/triton", b"cache/inductor"):
    os.makedirs(os.path.join(here, name), exist_ok=True)
    for at, target in enumerate((b"/", b"/etc/passwd", b"..", b"loop%d", b"/proc/self/fd/3")):
        try:
            os.symlink(target, os.path.join(here, name, b"loop%d" % at))
        except FileExistsError:
            continue
    try:
        os.mkfifo(os.path.join(here, name, b"pipe"))
    except FileExistsError:
        pass


def custom_kernel(data):
    return data[0] + data[1]
