# expect: passed
# device: cuda
# Two side streams that wait for the caller's stream, and the caller's for them.
import torch

sides = [torch.cuda.Stream() for _ in range(2)]


def custom_kernel(data):
    a, b, out = data
    main = torch.cuda.current_stream()
    for side, x, y, z in zip(sides, a.chunk(2), b.chunk(2), out.chunk(2), strict=True):
        side.wait_stream(main)
        with torch.cuda.stream(side):
            torch.add(x, y, out=z)
    for side in sides:
        main.wait_stream(side)
    return out
