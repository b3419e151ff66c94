"""The referee's side of the page that gates a CUDA call (inside/gates.py is the other).

A call's time runs from the opening of its gate until the referee holds words of the output that it
chose after the call had answered. All of it is read off the referee's own clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import mmap
import os
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from kernelbot.judge.channel import monotonic_ns
from kernelbot.judge.inside.driver import address_of
from kernelbot.judge.inside.gates import (
    ANSWER,
    ARMED,
    ASKED,
    ASKED_AT,
    GATE,
    MASK,
    PAGE_BYTES,
    PING,
    PONG,
    PROBED,
    PROBED_AT,
    PROBES,
    SET,
    WITHHELD_AT,
    WORDS_BYTES,
)

SETTLE_NS = 30_000
"""From the last launch until the gate opens: what was enqueued has reached the device by then."""
LOOKS = 1 << 10
"""Looks at a word between two looks at everything else."""
WORD = 8
SCRATCH = 112  # a word that nobody reads
NOTHING = bytes(2 * WORD * PROBES)
REHEARSALS = 3
CORES = 4
"""With fewer there is none to spare for waiting."""


class Timed(NamedTuple):
    """A call by the referee's clock."""

    ns: int
    lag_ns: int = 0
    """Where a decoy was replaced: until every kernel at a gate had said that it runs again, which is not part of ``ns``."""
    host_ns: int = 0
    """Of ``ns``, in which the referee wrote words into the pages and waited for nobody."""


class Page:
    """Words in memory that the contestant's device can see, and the clock around them."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, PAGE_BYTES)
        # A contestant that shrank the file would make the referee die of SIGBUS.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self._memory = mmap.mmap(self.descriptor, PAGE_BYTES)
        self._address = address_of(self._memory)
        self.words = memoryview(self._memory)[:WORDS_BYTES].cast("I")
        self._held = bytearray(WORD * PROBES)

    def choose(self, at: int) -> None:
        """Say which set the next call is to use."""
        self.words[SET] = at

    def armed(self, number: int, patience_ns: int, hopeless: Callable[[], bool]) -> bool:
        """Wait until everything of a call is enqueued; False when that takes too long."""
        began = monotonic_ns()
        while self.words[ARMED] != number & MASK:
            if monotonic_ns() - began > patience_ns or hopeless():
                return False
        settled = monotonic_ns() + SETTLE_NS
        while monotonic_ns() < settled:
            pass
        return True

    def share(self, place: int, given: Any) -> tuple[memoryview, bytes]:
        """Where to and what: to copy a tensor of words into the page, with nothing left to work out."""
        size = WORD * given.numel()
        return memoryview(self._memory)[place : place + size], ctypes.string_at(
            given.data_ptr(), size
        )

    def hold(self, count: int) -> None:
        """Take the words that were asked for: what is written there from now on comes too late."""
        end = PROBED_AT + WORD * count
        self._held[: WORD * count] = self._memory[PROBED_AT:end]

    def probed(self, count: int) -> Any:
        """The words that were asked for as they were when the clock stopped, as 64-bit integers."""
        import torch

        if not count:
            return torch.empty(0, dtype=torch.int64)
        return torch.frombuffer(self._held, dtype=torch.int64, count=count).clone()

    def close(self) -> None:
        self.words.release()
        os.close(self.descriptor)
        with contextlib.suppress(BufferError):  # else it goes with the last view of it
            self._memory.close()


def time_gated(
    pages: Sequence[Page],
    number: int,
    withheld: Sequence[Any],
    asked: Sequence[Any],
    hopeless: Callable[[], bool],
    reveal: Callable[[], None] | None = None,
) -> Timed:
    """Open the gates, and wait until the words asked for of every page are here.

    Whichever process is last ends the call. The caller checks for failure. ``reveal`` puts the true inputs in place of
    decoys, by work of the referee's on the devices: the kernels at the gates are not to be timed until they run again.
    """
    wanted, clock = number & MASK, monotonic_ns
    words = [page.words for page in pages]
    late = [page.share(WITHHELD_AT, given) for page, given in zip(pages, withheld, strict=True)]
    chosen = [page.share(ASKED_AT, given) for page, given in zip(pages, asked, strict=True)]
    blanks = [(place, NOTHING[: len(place)]) for place, _ in (*late, *chosen)]
    scratch = memoryview(bytearray(NOTHING))
    kept = [(scratch[: len(given)], given) for _, given in (*late, *chosen)]

    def rehearse() -> None:
        """Code and memory that were not used for a while take microseconds. What stands in the pages then is used by
        nobody: all of it is written once more."""
        clock()
        for place, given in (*kept, *blanks):
            place[:] = given
        for each in words:
            each[SCRATCH] = wanted

    for _ in range(REHEARSALS):
        rehearse()
    lag = 0
    if reveal is not None:
        reveal()
        # The contestants' devices run again, with the true input: nothing may come before the ping.
        for each in words:
            each[PING] = wanted
        pinged = clock()
        rehearse()
        for each in words:
            _await(each, PONG, wanted, hopeless)
        lag = clock() - pinged
    began = clock()
    for place, given in late:
        place[:] = given
    written = clock() - began
    for each in words:
        each[GATE] = wanted
    for each in words:
        _await(each, ANSWER, wanted, hopeless)
    answered = clock()
    for place, given in chosen:
        place[:] = given
    for each in words:
        each[ASKED] = wanted
    written += clock() - answered
    for each in words:
        _await(each, PROBED, wanted, hopeless)
    taken = clock() - began
    for page, places in zip(pages, asked, strict=True):
        page.hold(places.numel())
    return Timed(taken, lag, written)


def time_ungated(pages: Sequence[Page], number: int, hopeless: Callable[[], bool]) -> Timed:
    """Let all begin, and wait until each of them says that its device is done."""
    wanted = number & MASK
    began = monotonic_ns()
    for page in pages:
        page.words[GATE] = wanted
    for page in pages:
        _await(page.words, ANSWER, wanted, hopeless)
    return Timed(monotonic_ns() - began)


def stuck(pages: Sequence[Page], heard: Collection[int], number: int, *, gated: bool) -> bool:
    """Whether one of those that have rung or ended had not finished its part of the call: nobody needs to
    wait for the others then. One that is done rings too, while slower ones still work."""
    last = PROBED if gated else ANSWER
    return any(pages[rank].words[last] != number & MASK for rank in heard)


def _await(words: Any, word: int, wanted: int, hopeless: Callable[[], bool]) -> None:
    while True:
        for _ in range(LOOKS):
            if words[word] == wanted:
                return
        if hopeless():
            return


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this thread where it is: one that moves to another core reads late."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) < CORES:
        yield
        return
    os.sched_setaffinity(0, {own_core()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@functools.cache
def own_core() -> int:
    """The core that this process waits on; another referee on the machine most likely has another."""
    return random.SystemRandom().choice(sorted(os.sched_getaffinity(0)))


def cores_beside() -> list[int]:
    """Cores for the contestant: all but the one that the referee waits on."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed if len(allowed) < CORES else [core for core in allowed if core != own_core()]
