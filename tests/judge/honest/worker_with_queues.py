# expect: passed
# build seconds: 60
# A forked worker that lives as long as the process; tensors go to it and back through torch's own queues.
import torch
import torch.multiprocessing as processes

processes.set_sharing_strategy("file_system")
state = {}


def work(orders, answers):
    while (order := orders.get()) is not None:
        a, b, out = order
        torch.add(a, b, out=out)
        answers.put(True)


def custom_kernel(data):
    if not state:
        torch.set_num_threads(1)
        orders, answers = processes.SimpleQueue(), processes.SimpleQueue()
        worker = processes.Process(target=work, args=(orders, answers), daemon=True)
        worker.start()
        state.update(orders=orders, answers=answers, worker=worker)
    shared = [tensor.cpu().clone().share_memory_() for tensor in data]
    state["orders"].put(tuple(shared))
    assert state["answers"].get()
    return shared[2].to(data[2].device)
