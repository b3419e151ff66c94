"""Several processes that run a submission together: forked before anything is known of the job, then
joined into the process group that the submission finds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

HOST = "127.0.0.1"
ENDED = struct.Struct("<cQi")
"""A doorbell: which rank was the first to end, and its exit code or minus the signal."""
PATIENCE = timedelta(days=1)
"""Of collectives. The referee's limits are shorter, and all stand still between calls."""
PR_SET_PDEATHSIG = 1
ENVIRONMENT = {
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_FAMILY": "AF_INET",
    "NCCL_IB_DISABLE": "1",  # all ranks are on one machine
    "TORCH_NCCL_ENABLE_MONITORING": "0",  # it takes a process that was stopped for one that hangs
}


class Meeting:
    """Where the ranks find each other: a socket that listens before they are forked."""

    def __init__(self) -> None:
        self._listening = socket.create_server((HOST, 0))
        self._port: int = self._listening.getsockname()[1]

    def join(self, rank: int, world_size: int, device: Any) -> None:
        """Make torch's process group of all ranks. ``device`` is the rank's own, None on a processor."""
        import torch.distributed as dist

        os.environ.update(ENVIRONMENT, RANK=str(rank), WORLD_SIZE=str(world_size))
        os.environ.update(LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(world_size))
        first = rank == 0
        with quiet():
            store = dist.TCPStore(
                HOST, self._port, world_size, first, PATIENCE,
                master_listen_fd=self._listening.detach() if first else None,
            )  # fmt: skip
        if not first:
            self._listening.close()
        dist.init_process_group(
            "gloo" if device is None else "nccl", store=store, rank=rank, world_size=world_size,
            timeout=PATIENCE, device_id=device,
        )  # fmt: skip


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without standard error: the store complains of names and IPv6, which this network has not."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def divide(waiting: socket.socket, channels: Sequence[int]) -> tuple[socket.socket, Meeting]:
    """Fork a rank for every channel. Returns in the ranks only; the process that forks them waits for the
    first to end, says through ``waiting`` which and how, and takes the others along."""
    meeting = Meeting()
    parent = os.getpid()
    ranks: dict[int, int] = {}
    for rank, channel in enumerate(channels):
        if pid := os.fork():
            ranks[pid] = rank
            continue
        waiting.close()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        for other in channels:
            if other != channel:
                os.close(other)
        return socket.socket(fileno=channel), meeting
    for channel in channels:
        os.close(channel)
    pid, status = os.wait()
    with contextlib.suppress(OSError):  # nobody listens any more
        waiting.send(ENDED.pack(b"X", ranks[pid], os.waitstatus_to_exitcode(status)))
    os._exit(0)
