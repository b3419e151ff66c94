"""What one CUDA case lies in: device memory that the referee owns and the contestant maps.

Several sets of the same layout are used in turn, so that neither an address nor what a cache still
holds tells anything about the next input. Of each input some words are withheld until the gate opens
(the place has another word of the same tensor meanwhile), and of each output the referee asks for
words that the contestant cannot know beforehand: an output that somebody is still working on when the
clock stops does not match what is found there afterwards.
"""

from __future__ import annotations

import functools
import os
import secrets
from typing import Any

from kernelbot.judge import channel
from kernelbot.judge.channel import Arena, Layout, Slot
from kernelbot.judge.glance import Glance
from kernelbot.judge.inside.cuda import Place
from kernelbot.judge.inside.driver import DeviceMemory, Driver
from kernelbot.judge.inside.gates import PROBES, Sweeper

MOST_SETS, FEWEST_SETS = 8, 2
SETS_BYTES = 1 << 30
"""Memory that more than the fewest sets may take."""
STRIDE = 4096
SHARE = 8
"""One word in so many of a small input is withheld; more would warm the cache for it."""
WORD = 8


class Secrets:
    """Which words come late and which are asked for, drawn anew for every call.

    Ranks share what may be drawn: writing four times as many words takes the referee longer, and not always as long.
    """

    def __init__(self, layout: Layout, device: str, *, gated: bool = True, ranks: int = 1) -> None:
        import torch

        slots = layout.slots
        inputs = [slots[at] for at in layout.inputs if slots[at].nbytes >= SHARE * WORD]
        outputs = [slots[at] for at in dict.fromkeys(layout.outputs) if slots[at].nbytes]
        if not gated or any(slot.device == "cpu" for slot in slots):
            inputs, outputs = [], []
        most = PROBES // ranks
        late = _shares([slot.nbytes // WORD // SHARE for slot in inputs], most)
        asked = _shares([_words(slot) for slot in outputs], most)
        self._late = list(zip(inputs, late, strict=True))
        self._asked = list(zip(outputs, asked, strict=True))
        self.withheld, self.asked = sum(late), sum(asked)
        self._device = device
        self._chance = torch.Generator(device).manual_seed(secrets.randbits(63))

    def withhold(self, memory: Any) -> Any:
        """Overwrite words of the inputs in ``memory``; their offsets and values, a row each."""
        import torch

        found = []
        for slot, count in self._late:
            words = memory[slot.offset : slot.offset + slot.nbytes // WORD * WORD].view(torch.int64)
            places = self._places(words.numel(), count)
            found.append(torch.stack((places * WORD + slot.offset, words[places]), 1))
            words[places] = words[self._places(words.numel(), count)]
        return (
            torch.cat(found)
            if found
            else torch.empty((0, 2), dtype=torch.int64, device=memory.device)
        )

    def ask(self) -> list[tuple[Slot, Any]]:
        """Outputs and which of their words are wanted."""
        import torch

        return [
            (slot, self._places(_words(slot), count) if count < _words(slot)
             else torch.arange(count, device=self._device))
            for slot, count in self._asked
        ]  # fmt: skip

    def _places(self, total: int, count: int) -> Any:
        import torch

        return torch.randint(total, (count,), generator=self._chance, device=self._device)


class Sets:
    """One or more sets of a layout in memory that the contestant has too."""

    def __init__(
        self, layout: Layout, secret: Secrets, memory: Any, stride: int, descriptor: int
    ) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self.at = 0  # the set of the next call
        self.withheld, self.asked = _no_words(), _no_words()
        self._secrets = secret
        self._memory = memory
        self._stride = stride
        self._wanted: list[tuple[Slot, Any]] = []
        self._taken: dict[int, Any] = {}

    @property
    def _set(self) -> Any:
        """The bytes of the set in hand."""
        return self._memory[self.at * self._stride : (self.at + 1) * self._stride]

    def to_json(self) -> dict[str, Any]:
        """What the contestant must know."""
        return {
            "layout": self.layout.to_json(),
            "sets": 0,
            "withheld": self._secrets.withheld,
            "asked": self._secrets.asked,
        }

    def fill(self, data: Any, poison: int) -> None:
        """Write one input, all but what comes late, and overwrite every output with the poison."""
        self._make_ready(self._set, poison, data)

    def _write(self, data: Any, memory: Any) -> None:
        """Put an input into the memory of a set."""
        slots, sources = self.layout.slots, channel.tensors(data)
        for at in self.layout.inputs:
            if slots[at].nbytes:
                # Through memory of torch's on the same device: other devices may not write to a set.
                source = sources[at].detach().to(memory.device)
                _view(memory[slots[at].offset :], slots[at]).copy_(source)

    def _make_ready(self, memory: Any, poison: int, data: Any) -> None:
        """Write an input into ``memory``, poison the outputs, and draw what comes late and what is asked for."""
        import torch

        self._write(data, memory)
        for at, slot in enumerate(self.layout.slots):
            if at not in self.layout.inputs and slot.nbytes:
                memory[slot.offset : slot.offset + slot.nbytes].fill_(poison)
        late = self._secrets.withhold(memory).flatten()
        self._wanted = self._secrets.ask()
        asked = [places * WORD + slot.offset for slot, places in self._wanted]
        # In one go: each way to the host waits for the device.
        withheld, self.asked = torch.cat([late, *asked]).cpu().tensor_split([late.numel()])
        self.withheld = withheld.view(-1, 2)

    def outputs(self) -> list[Any]:
        """Private copies of the outputs; :meth:`words` is read off the same copies."""
        slots = [self.layout.slots[at] for at in self.layout.outputs]
        memory = self._set
        self._taken = {
            slot.offset: memory[slot.offset : slot.offset + WORD * _words(slot)].clone()
            for slot in slots
        }
        return [_view(self._taken[slot.offset], slot) for slot in slots]

    def words(self) -> Any:
        """The words that were asked for, as they were found afterwards."""
        import torch

        found = [self._taken[slot.offset].view(torch.int64)[at] for slot, at in self._wanted]
        return _joined(found)

    @property
    def hides(self) -> bool:
        """Whether a decoy lies in the place of the input."""
        return False

    def reveal(self) -> None:
        """Begin to put the true input in the place of a decoy."""

    def revealed(self) -> None:
        """Return when it is there."""

    def glance(self) -> None:
        """Take a look at the output as it is now, which costs no time worth the name."""

    def unchanged(self) -> bool:
        """Whether the output was the same then as in :meth:`outputs`."""
        return True

    def close(self) -> None:
        os.close(self.descriptor)


class Deck(Sets):
    """Sets in the memory of one device.

    Where a decoy lies in the place of the input until everything of a call is enqueued, whatever was done before
    the gate opened was done for nothing: whoever has not noticed gives a wrong answer, whoever has takes longer.
    """

    def __init__(self, layout: Layout, index: int = 0, ranks: int = 1) -> None:
        import torch

        self._index = index
        secret = Secrets(layout, f"cuda:{index}", ranks=ranks)
        stride = -(-layout.size // STRIDE) * STRIDE
        self._sets = min(MOST_SETS, max(FEWEST_SETS, SETS_BYTES // stride))
        try:
            memory, found = allocated(self._sets * stride, index)
        except RuntimeError:  # what torch keeps for later may be what is missing
            torch.cuda.empty_cache()
            self._sets = 1
            memory, found = allocated(stride, index)
        found.fill_(secrets.randbelow(256))  # what lay there before is nobody's business
        super().__init__(layout, secret, found, stride, memory.export())
        outputs = (layout.slots[at] for at in dict.fromkeys(layout.outputs))
        self._glances = [(slot, Glance(slot.nbytes, index)) for slot in outputs if slot.nbytes]
        self._hidden: Any = None

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "sets": self._sets, "stride": self._stride}

    def fill(self, data: Any, poison: int, decoy: Any = None) -> None:
        """``decoy``: another input of the same layout, to be seen until :meth:`reveal`."""
        import torch

        if self._sets > 1:
            self.at = (self.at + 1 + secrets.randbelow(self._sets - 1)) % self._sets
        self._hidden = None
        if decoy is None:
            super().fill(data, poison)
        else:
            self._hidden = torch.empty_like(self._set)
            # Poisoned and with words withheld like any other call's; the words of the second one are those that count.
            self._make_ready(self._set, poison, decoy)
            self._make_ready(self._hidden, poison, data)
        for slot, glance in self._glances:
            glance.aim(self._set.data_ptr() + slot.offset)
        torch.cuda.synchronize(self._index)

    @property
    def hides(self) -> bool:
        return self._hidden is not None

    def reveal(self) -> None:
        import torch

        # All in one: between two copies the contestant's device would run for a moment, and see the first.
        with torch.cuda.device(self._index):
            self._set.copy_(self._hidden)
            _sweeper(self._index)()  # what has just been written is in the cache

    def revealed(self) -> None:
        import torch

        torch.cuda.synchronize(self._index)
        self._hidden = None

    def glance(self) -> None:
        for _, glance in self._glances:
            glance.take()

    def unchanged(self) -> bool:
        return all(glance.agrees(self._taken[slot.offset]) for slot, glance in self._glances)

    def outputs(self) -> list[Any]:
        import torch

        found = super().outputs()
        torch.cuda.synchronize(self._index)
        return found

    def close(self) -> None:
        super().close()
        del self._memory


class HostDeck(Sets):
    """One set in host memory, where device memory cannot be shared: copied before and after."""

    def __init__(self, layout: Layout, *, gated: bool, ranks: int = 1) -> None:
        secret = Secrets(layout, "cpu", gated=gated, ranks=ranks)
        self._arena = Arena(layout)
        memory, descriptor = self._arena.contents(), self._arena.descriptor
        super().__init__(layout, secret, memory, layout.size, descriptor)

    def close(self) -> None:
        del self._memory
        self._arena.close()


@functools.cache
def driver(index: int) -> Driver:
    """The driver on this process's own context on a device."""
    import torch

    with torch.cuda.device(index):
        torch.zeros(1, device="cuda")
        return Driver()


def allocated(size: int, index: int = 0) -> tuple[DeviceMemory, Any]:
    """Memory of a device that can be shared, and its bytes."""
    import torch

    with torch.cuda.device(index):
        memory = DeviceMemory(driver(index), size)
        place = Place(memory.address, memory.size, memory)
        return memory, torch.as_tensor(place, device=f"cuda:{index}")


@functools.cache
def _sweeper(index: int) -> Sweeper:
    return Sweeper(driver(index), driver(index).kernels())


def trial(index: int = 0) -> DeviceMemory:
    """Memory whose first byte is 1, to see whether another process can read it."""
    import torch

    memory, found = allocated(1, index)
    found.fill_(1)
    torch.cuda.synchronize(index)
    return memory


def _shares(wanted: list[int], most: int) -> list[int]:
    """How many words of each when so many are to be had in all: everybody gets some."""
    total, spare = sum(wanted), most - len(wanted)
    if total <= most:
        return wanted
    if spare < 0:
        return [1] * most + [0] * -spare
    return [want * spare // total + 1 for want in wanted]


def _words(slot: Slot) -> int:
    return -(-slot.nbytes // WORD)


def _joined(parts: list[Any]) -> Any:
    import torch

    return torch.cat(parts).cpu() if parts else _no_words()


def _no_words() -> Any:
    import torch

    return torch.empty(0, dtype=torch.int64)


def _view(memory: Any, slot: Slot) -> Any:
    """The tensor at the front of some bytes."""
    import torch

    dtype = getattr(torch, slot.dtype)
    if not slot.nbytes:
        return torch.empty(slot.shape, dtype=dtype, device=memory.device)
    return memory[: slot.nbytes].view(dtype).as_strided(slot.shape, slot.stride)
