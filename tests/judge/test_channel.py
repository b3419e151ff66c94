"""What the two sides share: the layout of the memory, and doorbells that nobody believes."""

from __future__ import annotations

import os
import socket

import pytest
import torch

from kernelbot.judge import channel
from kernelbot.judge.channel import (
    Arena,
    Channel,
    Closed,
    Doorbell,
    Garbled,
    Switchboard,
)
from kernelbot.judge.inside.cpu import CpuCase

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip


def carried(data: tuple[object, ...], expected: torch.Tensor, buffers: int = 0) -> CpuCase:
    """The data as the contestant sees it."""
    arena = Arena(channel.plan(data, expected, buffers))
    arena.fill(data, 0xFF)
    case = CpuCase(arena.layout.to_json(), os.dup(arena.descriptor))
    arena.close()
    return case


def test_an_empty_tensor_lies_where_it_was_laid_whatever_the_submission_made_the_default() -> None:
    with torch.device("meta"):
        case = carried((torch.zeros(0, 3, device="cpu"),), torch.zeros(1, device="cpu"))
    assert case.data[0].device.type == "cpu"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_arrives_bit_for_bit(dtype: torch.dtype) -> None:
    sent = torch.randint(0, 2, (5, 7)).to(dtype)
    case = carried((sent,), torch.zeros(1))
    assert case.data[0].dtype == dtype
    assert torch.equal(case.data[0].view(torch.uint8), sent.view(torch.uint8))


def test_dense_strides_survive_and_gaps_are_closed() -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    transposed, sliced, expanded = base.permute(2, 0, 1), base[:, ::2], base[:1].expand(5, 3, 4)
    case = carried((transposed, sliced, expanded), torch.zeros(1))
    for mine, sent in zip(case.data, (transposed, sliced, expanded), strict=True):
        assert torch.equal(mine, sent)
    assert case.data[0].stride() == transposed.stride()
    assert case.data[1].is_contiguous()


def test_numbers_strings_and_nested_containers_arrive() -> None:
    tensor = torch.ones(2)
    data = (1, 2.5, True, None, "fp16", [tensor, {"w": tensor, "k": (3,)}], torch.empty(0, 4))
    case = carried(data, torch.zeros(1))
    assert case.data[:5] == data[:5]
    assert torch.equal(case.data[5][1]["w"], tensor)
    assert case.data[5][1]["k"] == (3,)
    assert case.data[6].shape == (0, 4)


def test_data_of_another_kind_is_refused_with_its_type() -> None:
    with pytest.raises(TypeError, match="returned a list_iterator"):
        channel.plan((iter([1]),), torch.zeros(1), 0)


def test_the_preallocated_output_is_the_referees_buffer() -> None:
    out = torch.empty(3)
    case = carried((torch.ones(3), out), torch.zeros(3), buffers=1)
    assert case.data[1].data_ptr() == case.targets[0].data_ptr()
    assert bool(case.data[1].isnan().all())


def test_outputs_are_poisoned_and_inputs_rewritten_before_every_call() -> None:
    data = (torch.ones(3), torch.empty(3))
    arena = Arena(channel.plan(data, data[1], 1))
    arena.fill(data, 0xFF)
    (first,) = arena.outputs()
    arena.fill((torch.zeros(3), data[1]), 0xA5)
    (second,) = arena.outputs()
    assert bool(first.isnan().all())
    assert not torch.equal(first.view(torch.int32), second.view(torch.int32))
    arena.close()


def test_the_shared_memory_cannot_be_resized() -> None:
    arena = Arena(channel.plan((torch.ones(3),), torch.ones(3), 0))
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.descriptor, size)
    arena.close()


def rung(packet: bytes, timeout_s: float = 5) -> Doorbell:
    ours = Channel()
    ours.theirs.send(packet)
    try:
        assert Switchboard([ours]).heard(timeout_s) == [0]
        return ours.receive()
    finally:
        ours.close()


def test_a_doorbell_is_a_tag_a_number_and_opaque_text() -> None:
    bell = rung(channel.HEADER.pack(b"D", 7) + b"\xff\0text")
    assert bell == Doorbell(b"D", 7, b"\xff\0text")


def test_a_packet_too_short_to_be_a_doorbell_is_garbled() -> None:
    with pytest.raises(Garbled):
        rung(b"x")


def test_silence_and_a_closed_end_are_told_apart() -> None:
    ours = Channel()
    board = Switchboard([ours])
    assert board.heard(0.01) == []
    ours.theirs.close()
    assert board.heard(5) == [0]
    with pytest.raises(Closed):
        ours.receive()
    ours.close()


def test_of_several_channels_those_are_heard_that_speak_or_whose_end_is_gone() -> None:
    three = [Channel() for _ in range(3)]
    board = Switchboard(three)
    three[0].theirs.send(channel.HEADER.pack(b"E", 1))
    assert board.heard(5) == [0]
    three[2].theirs.close()
    assert board.heard(5) == [0, 2]
    for one in three:
        one.close()


def test_descriptors_sent_by_the_contestant_are_dropped() -> None:
    ours = Channel()
    before = set(os.listdir("/proc/self/fd"))
    socket.send_fds(ours.theirs, [channel.HEADER.pack(b"D", 1)], [0, 1, 2])
    assert ours.receive().number == 1
    assert set(os.listdir("/proc/self/fd")) <= before
    ours.close()
