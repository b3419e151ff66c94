# expect: passed
# device: cuda
# New streams and events in every call, used out of order, joined by the last event.
import torch


def custom_kernel(data):
    a, b, out = data
    main = torch.cuda.current_stream()
    begun, half = torch.cuda.Event(), torch.cuda.Event()
    first, second = torch.cuda.Stream(priority=-1), torch.cuda.Stream()
    begun.record(main)
    second.wait_event(begun)
    with torch.cuda.stream(second):
        copy = b.clone()
        half.record()
    first.wait_event(half)
    with torch.cuda.stream(first):
        torch.add(a, copy, out=out)
    for tensor in (a, b, out, copy):
        tensor.record_stream(first)
    main.wait_stream(first)
    return out
