# expect: passed
# device: cuda
# A graph over buffers of its own: inputs are copied in, the output is copied out, every call.
import torch

graphs = {}


def capture(a, b):
    x, y, z = torch.empty_like(a), torch.empty_like(b), torch.empty_like(a)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.add(x, y, out=z)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.add(x, y, out=z)
    return graph, x, y, z


def custom_kernel(data):
    a, b, out = data
    if a.shape not in graphs:
        graphs[a.shape] = capture(a, b)
    graph, x, y, z = graphs[a.shape]
    x.copy_(a)
    y.copy_(b)
    graph.replay()
    out.copy_(z)
    return out
