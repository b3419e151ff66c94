# expect: wrong_answer or disqualified or crashed
# device: cuda
# at least: 15 ms
# Writes every word of the page that could mean "done", as soon as the gate opens.
import gc
import sys
import threading

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Case = sys.modules[type(runtime).__module__].CudaCase
gates = sys.modules[Case.__module__.replace("cuda", "gates")]
case = []
begin = Case._load


def remember(self, stream):
    case[:] = [self]
    begin(self, stream)


Case._load = remember


def forge():
    while True:
        for found in case:
            number = found.words[gates.GATE]
            found.words[gates.ANSWER] = number
            found.words[gates.PROBED] = found.words[gates.ASKED]


threading.Thread(target=forge, daemon=True).start()


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
