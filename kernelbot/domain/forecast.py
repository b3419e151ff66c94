"""When will my run start and end: the decision of ``fairness`` played forward with measured run times."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernelbot.domain.fairness import (
    EQUAL_S,
    SENT_S,
    Dealer,
    Group,
    Key,
    Level,
    Queue,
    Running,
    order,
    reserve,
)
from kernelbot.domain.waiting import Duration, Wait, Z

MOST = 1000
"""So many starts are played forward; the wait behind them is drawn out from there."""
DRAWN = 40
"""With at most so many ahead the wait is drawn; with more it is as good as normal."""
DRAWS = 60
KNOWN_FROM = 25
"""How many runs a usual time is known from, about: older ones fade (``waiting.updated``)."""
BUSIEST = 0.8
"""At most this part of the GPUs is expected to go to who comes later and goes first."""
FEWER, MORE = 0.2, 2.0
"""Of what is expected to come, so much comes at least and at most."""


@dataclass(frozen=True, slots=True)
class _Start:
    place: int
    account: int
    key: Key
    expected: Duration
    short: bool
    at_s: float


@dataclass(frozen=True)
class Forecast:
    """The starts that are to be expected on one GPU kind, in their order."""

    queue: Queue
    starts: Sequence[_Start]
    by_place: dict[int, int]
    waiting: int  # all of them

    def of(self, place: int, group: Group) -> Wait:
        """The wait of a run at this place. One that came after the forecast was made is told by its like:
        ``group`` has its account, mode and times."""
        index = self.by_place.get(place)
        ahead = self._behind(place, group) if index is None else index
        if self.queue.slots < 1:
            return Wait(
                position=ahead + 1, ahead=ahead, start_low_s=None, start_high_s=None,
                finish_low_s=None, finish_high_s=None,
            )  # fmt: skip
        low, high = self._start(ahead, group.short or group.level is Level.FIRST)
        slots, coming = self.queue.slots, self._coming(group, ahead)
        low *= slots / (slots - min(FEWER * coming, BUSIEST * slots))
        high *= slots / (slots - min(MORE * coming, BUSIEST * slots))
        own = group.expected
        least = max(0.0, own.mean_s - Z * own.deviation_s)
        return Wait(
            position=ahead + 1,
            ahead=ahead,
            start_low_s=low,
            start_high_s=high,
            finish_low_s=low + least,
            finish_high_s=high + own.mean_s + Z * own.deviation_s,
        )

    def _behind(self, place: int, group: Group) -> int:
        """How many go before one that the forecast does not know."""
        mine = [index for index, item in enumerate(self.starts) if item.account == group.account]
        if group.level is Level.AGAIN or (mine and len(mine) >= MOST // 4):
            return max(self.waiting, len(self.starts))
        key = _key_of(self.queue, place, group)
        if mine:
            key = max(key, (*self.starts[mine[-1]].key[:3], key[3], place))
        for index, item in enumerate(self.starts):
            if item.key > key and (not mine or index > mine[-1]):
                return index
        return max(self.waiting, len(self.starts))

    def _start(self, ahead: int, anywhere: bool) -> tuple[float, float]:
        """``anywhere``: also on the GPUs that are kept from long runs."""
        slots, running = self.queue.slots, self.queue.running
        before = self.starts[:ahead]
        for_long = slots - reserve(self.queue)
        long = sum(not item.short for item in running) + sum(not item.short for item in before)
        if ahead < slots - len(running) and (anywhere or long < for_long):
            return 0.0, 0.0
        known = [item.expected for item in before]
        if ahead <= DRAWN and len(known) == ahead:
            return _drawn(before, running, slots, for_long, anywhere)
        rest = max(0, ahead - len(known))
        typical = _typical(known)
        mean = _last(self.starts[:ahead]) + rest * typical.mean_s / slots
        parts = [*known, *(item.expected for item in running)]
        by_chance = math.hypot(
            *(item.deviation_s for item in parts), math.sqrt(rest) * typical.deviation_s
        )
        # What is usual is known from a few dozen runs only, and that error does not average out.
        in_common = ahead * typical.deviation_s / math.sqrt(KNOWN_FROM)
        spread = Z * math.hypot(by_chance, in_common) / slots
        return max(0.0, mean - spread), mean + spread

    def _coming(self, group: Group, ahead: int) -> float:
        """How many GPUs go to what is to be sent and goes first, if people go on as of late: others go
        before whoever holds a GPU by then, or has used more."""
        queue, own = self.queue, group.account
        holds = any(item.account == own for item in queue.running) or any(
            item.account == own for item in self.starts[:ahead]
        )
        bound = math.inf if holds else queue.used.get(own, 0.0) + EQUAL_S
        seconds = math.fsum(
            sent
            for account, sent in queue.sent.items()
            if account != own and queue.used.get(account, 0.0) <= bound
        )
        return seconds / SENT_S


def forecast(queue: Queue) -> Forecast:
    """Play the queue forward: every run takes its usual time, and nobody comes."""
    starts = _played(queue) if queue.slots >= 1 else _in_order(queue)
    return Forecast(
        queue=queue,
        starts=starts,
        by_place={item.place: index for index, item in enumerate(starts)},
        waiting=sum(len(group.places) for group in queue.waiting),
    )


def _played(queue: Queue) -> list[_Start]:
    dealer = Dealer(queue)
    busy: list[tuple[float, int, Group | Running]] = [
        (max(item.expected.mean_s - item.so_far_s, 0.0), -1 - number, item)
        for number, item in enumerate(queue.running)
    ]
    heapq.heapify(busy)
    starts: list[_Start] = []
    now = 0.0
    while len(starts) < MOST:
        turn = dealer.take()
        if turn is not None:
            group, expected = turn.group, turn.group.expected
            starts.append(_Start(turn.place, group.account, turn.key, expected, group.short, now))
            heapq.heappush(busy, (now + expected.mean_s, turn.place, turn.group))
        elif busy:
            now, _, ended = heapq.heappop(busy)
            dealer.release(ended)
        else:
            break
    return starts


def _in_order(queue: Queue) -> list[_Start]:
    turns = order(queue, MOST)
    return [
        _Start(turn.place, turn.group.account, turn.key, turn.group.expected, turn.group.short, 0.0)
        for turn in turns
    ]


def _key_of(queue: Queue, place: int, group: Group) -> Key:
    alone = Queue(
        waiting=[Group(account=group.account, mode=group.mode, places=[place], expected=group.expected,
                       level=group.level, weight=group.weight)],
        running=[item for item in queue.running if item.account == group.account],
        used=queue.used, gpus=queue.gpus,
    )  # fmt: skip
    return order(alone, 1)[0].key


def _drawn(
    ahead: Sequence[_Start],
    running: Sequence[Running],
    slots: int,
    for_long: int,
    anywhere: bool,
) -> tuple[float, float]:
    """A 90 % range of the moment when the next GPU is free after these have begun one after the other; of those
    ``for_long`` runs, unless it may be ``anywhere``."""
    chance = random.Random(len(ahead))  # noqa: S311  the same question has the same answer
    found = []
    for _ in range(DRAWS):
        left = [_left(item, chance) for item in running]
        free = _ends(left, slots)
        long = _ends(
            [end for end, item in zip(left, running, strict=True) if not item.short], for_long
        )
        for item in ahead:
            begins = free[0] if item.short else max(free[0], long[0])
            ends = begins + _draw(item.expected, chance)
            heapq.heapreplace(free, ends)
            if not item.short:
                heapq.heapreplace(long, ends)
        found.append(free[0] if anywhere else max(free[0], long[0]))
    found.sort()
    return found[round(0.05 * (DRAWS - 1))], found[round(0.95 * (DRAWS - 1))]


def _ends(left: Sequence[float], slots: int) -> list[float]:
    """When each of so many is free, as a heap; more than there are go on elsewhere."""
    ends = [*left, *[0.0] * (slots - len(left))]
    heapq.heapify(ends)
    while len(ends) > slots:
        heapq.heappop(ends)
    return ends


def _left(item: Running, chance: random.Random) -> float:
    """What is left of a run that has taken so long already."""
    for _ in range(8):
        drawn = _draw(item.expected, chance)
        if drawn > item.so_far_s:
            return drawn - item.so_far_s
    return item.expected.deviation_s * chance.random()


def _draw(item: Duration, chance: random.Random) -> float:
    """Run times are never less than nothing, and sometimes much more than usual."""
    if item.mean_s <= 0:
        return 0.0
    spread = math.log1p((item.deviation_s / item.mean_s) ** 2)
    return math.exp(chance.gauss(math.log(item.mean_s) - spread / 2, math.sqrt(spread)))


def _last(starts: Sequence[_Start]) -> float:
    return starts[-1].at_s if starts else 0.0


def _typical(known: Iterable[Duration]) -> Duration:
    items = list(known)
    if not items:
        return Duration()
    mean = math.fsum(item.mean_s for item in items) / len(items)
    square = math.fsum(item.deviation_s**2 + item.mean_s**2 for item in items) / len(items)
    return Duration(
        mean_s=mean, deviation_s=math.sqrt(max(0.0, square - mean**2)), count=len(items)
    )
