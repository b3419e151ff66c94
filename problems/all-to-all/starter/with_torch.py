#!kernelbot leaderboard all-to-all
import torch
import torch.distributed as dist

from task import BLOCK, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, chosen, shares, experts, rank, world_size, out = data
    tokens, top = chosen.shape
    wanted = chosen.flatten().long()
    order = wanted.argsort()  # by expert, which is by owner
    sent = (wanted // len(experts)).bincount(minlength=world_size)
    coming = torch.empty_like(sent)
    dist.all_to_all_single(coming, sent)
    sent, coming = sent.tolist(), coming.tolist()

    numbers, rows = wanted.new_empty(sum(coming)), x.new_empty((sum(coming), x.shape[1]))
    dist.all_to_all_single(numbers, wanted[order], coming, sent)
    dist.all_to_all_single(rows, x[order // top], coming, sent)

    answers = torch.empty_like(rows)
    for number, expert in enumerate(experts):
        own = (numbers == rank * len(experts) + number).nonzero().squeeze(1)
        blocks = rows[own].unflatten(1, (-1, BLOCK)).transpose(0, 1)
        answers[own] = (blocks @ expert.transpose(1, 2)).transpose(0, 1).flatten(1)

    back = x.new_empty((len(order), x.shape[1]))
    dist.all_to_all_single(back, answers, sent, coming)
    ordered = torch.empty_like(back)
    ordered[order] = back
    return out.copy_((ordered.view(tokens, top, -1) * shares[:, :, None]).sum(1))
