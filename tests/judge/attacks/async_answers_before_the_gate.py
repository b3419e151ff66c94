# expect: wrong_answer or disqualified or crashed
# device: cuda
# Replaces the runtime: the words that end the clock are written before the gate opens, the words of the output
# that it was asked for when there is time.
import gc
import struct
import sys

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
Case = sys.modules[type(runtime).__module__].CudaCase
gates = sys.modules[type(runtime.gates).__module__]


def call(self, kernel, number, loaded, around):
    wanted, words = number & gates.MASK, self.words
    stream = torch.cuda.current_stream().cuda_stream
    self._load(stream)
    a, b, out = self.slots[self.at]
    base = self.bases[self.at]
    words[gates.ANSWER] = words[gates.PROBED] = wanted
    loaded()
    self.gates.hold(stream, number, base, self.withheld)
    torch.add(a, b, out=out)
    words[gates.ARMED] = wanted
    while words[gates.ASKED] != wanted:
        pass
    torch.cuda.synchronize()
    everything = memoryview(words.obj)
    asked = torch.frombuffer(everything, dtype=torch.int64, count=self.asked, offset=gates.ASKED_AT)
    probes = torch.frombuffer(everything, dtype=torch.int64, count=self.asked, offset=gates.PROBED_AT)
    probes.copy_(out.view(torch.int64)[((asked + base - out.data_ptr()) // 8).cuda()])
    return struct.pack("<d", 2_500.0)


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)


Case.call = call
