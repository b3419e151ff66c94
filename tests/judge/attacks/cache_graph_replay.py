# expect: wrong_answer
# device: cuda
# Replays a graph that was captured on copies of the first input.
import torch

graphs = {}


def custom_kernel(data):
    a, b, out = data
    if a.numel() not in graphs:
        x, y = a.clone(), b.clone()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            z = x + y
        graphs[a.numel()] = (graph, x, y, z)
    graph, x, y, z = graphs[a.numel()]
    graph.replay()
    return z
