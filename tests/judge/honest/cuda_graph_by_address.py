# expect: passed
# device: cuda
# A graph for each place that inputs and outputs come at: it reads what is there when it is replayed.
import torch

graphs = {}


def captured(a, b, out):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.add(a, b, out=out)
    return graph


def custom_kernel(data):
    a, b, out = data
    key = (a.data_ptr(), b.data_ptr(), out.data_ptr(), a.numel())
    if key not in graphs:
        graphs[key] = captured(a, b, out)
    graphs[key].replay()
    return out
