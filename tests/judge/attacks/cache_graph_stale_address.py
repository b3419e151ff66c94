# expect: wrong_answer
# device: cuda
# A graph of the first place that a size came at is replayed wherever it comes.
import torch

graphs = {}


def custom_kernel(data):
    a, b, out = data
    if a.numel() not in graphs:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            torch.add(a, b, out=out)
        graphs[a.numel()] = graph
    graphs[a.numel()].replay()
    return out
