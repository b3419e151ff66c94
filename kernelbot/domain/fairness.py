"""Whose run is next on one GPU kind: fair shares as a decision over values.

In this order (docs/decisions/0019 says why):

1. what an administrator has put first;
2. what is measured again and has waited long, while that has had less than :data:`AGAIN_SHARE` of the
   recent GPU time;
3. whoever holds fewer GPUs at this moment, then whoever used fewer GPU-seconds recently, in steps of
   :data:`EQUAL_S`; at equal use ranked before benchmark before test, then the older run;
4. what is measured again, when nothing else waits.

Held and used are divided by the weight of the competition that they are for. A short test goes
before a long run while tests have had less than :data:`TEST_SHARE`, and from four GPUs on long runs leave
a few of them to short ones.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from kernelbot.domain.submission import FIRST_PRIORITY, REPEAT_PRIORITY
from kernelbot.domain.waiting import Duration
from kernelbot.judge.protocol import Mode

HALF_LIFE_S = 3600.0
"""What was used this long ago counts half."""
SENT_S = 600.0
"""What was sent within this time tells how much is to come."""
EQUAL_S = 30.0
"""Use that differs by less, in GPU-seconds, is equal: about one run."""
PATIENCE_S = 600.0
"""What has waited this long is no longer behind the modes that count more, nor for ever behind others."""
SHORT_S = 30.0
"""A run is short whose usual time with its usual deviation is at most this."""
TEST_SHARE = 1 / 8
"""Of the recent GPU time: while short tests have had less, they go before long runs."""
AGAIN_SHARE = 1 / 20
"""Of the recent GPU time: what is measured again and has waited for :data:`PATIENCE_S` goes before everybody
while it has had less."""
RESERVE_SHARE = 1 / 8
RESERVE_FROM = 4
"""From so many GPUs on an eighth of them, at least one, is kept from long runs while people test."""

URGENCY = {Mode.RANKED: 0, Mode.BENCHMARK: 1, Mode.PROFILE: 1, Mode.TEST: 2}


class Level(IntEnum):
    FIRST = 0  # an administrator said so
    USUAL = 1
    AGAIN = 2  # is measured again, and nobody waits for it


def level(priority: int) -> Level:
    """The level of a run by its priority."""
    if priority >= FIRST_PRIORITY:
        return Level.FIRST
    return Level.AGAIN if priority <= REPEAT_PRIORITY else Level.USUAL


def decayed(used_s: float, age_s: float) -> float:
    """What GPU-seconds that were used ``age_s`` ago still count for."""
    return float(used_s * 0.5 ** (max(0.0, age_s) / HALF_LIFE_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What waits of one account and is alike; ``places`` are those in the queue, the oldest first."""

    account: int
    mode: Mode
    places: Sequence[int]
    expected: Duration
    level: Level = Level.USUAL
    weight: float = 1.0
    waited_s: float = 0.0  # the first of them

    @property
    def short(self) -> bool:
        if self.expected.count == 0:
            return self.mode is Mode.TEST
        return self.expected.mean_s + self.expected.deviation_s <= SHORT_S

    def begun(self, so_far_s: float) -> Running:
        """One of them, taken so long ago."""
        return Running(
            account=self.account, expected=self.expected, so_far_s=so_far_s, level=self.level,
            weight=self.weight, short=self.short,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run in progress."""

    account: int
    expected: Duration
    so_far_s: float
    level: Level = Level.USUAL
    weight: float = 1.0
    short: bool = False


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """Wall seconds of runs that ended within the last half-life."""

    total_s: float = 0.0
    tests_s: float = 0.0
    again_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Everything the decision depends on, for one GPU kind at one moment."""

    waiting: Sequence[Group]
    running: Sequence[Running] = ()
    used: Mapping[int, float] = field(default_factory=dict)  # recent GPU-seconds by account
    sent: Mapping[int, float] = field(default_factory=dict)  # wall seconds sent lately, by account
    slots: int = 1  # how many runs at once, over all live workers
    gpus: int = 1  # that each run holds
    lanes: Lanes = Lanes()


@dataclass(slots=True)
class _Account:
    held: float = 0.0
    used_s: float = 0.0
    version: int = 0
    lines: list[_Line] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    """A group and how many of it were taken."""

    group: Group
    short: bool
    taken: int = 0

    @property
    def place(self) -> int | None:
        places = self.group.places
        return places[self.taken] if self.taken < len(places) else None


@dataclass(frozen=True, slots=True)
class Turn:
    """One that is taken: its place, whose it is, and the key by which it won."""

    place: int
    group: Group
    key: Key


Key = tuple[int, float, int, int, int]
"""Level, GPUs held, steps of recent use, urgency of the mode, place: the smallest is next."""

_Entry = tuple[Key, int, int, _Line]  # key, account's version, place, line
_Put = Callable[[list[_Entry], _Entry], None]


class Dealer:
    """Deals out free GPUs one after the other, keeping count of what each account then holds.

    A value in and an order out: neither clock nor chance has a say in it.
    """

    def __init__(self, queue: Queue, slots: int | None = None) -> None:
        self._gpus, self._slots = queue.gpus, queue.slots if slots is None else slots
        self._accounts: dict[int, _Account] = defaultdict(_Account)
        self._lanes = [queue.lanes.total_s, queue.lanes.tests_s, queue.lanes.again_s]
        self.running = self.long_running = 0
        for item in queue.running:
            self._hold(item.level, item.account, item.weight, item.expected, item.so_far_s)
            self.running += 1
            self.long_running += not item.short
        self._again: list[_Line] = []
        # The heads of all lines, of those with short runs, and with short tests.
        self._all: list[_Entry] = []
        self._short: list[_Entry] = []
        self._tests: list[_Entry] = []
        for group in queue.waiting:
            line = _Line(group, group.short)
            if group.level is Level.AGAIN:
                self._again.append(line)
            else:
                self._accounts[group.account].lines.append(line)
        for number, account in self._accounts.items():
            account.used_s += queue.used.get(number, 0.0)
            for line in account.lines:
                self._offer(account, line)
        for heap in (self._all, self._short, self._tests):
            heapq.heapify(heap)
        self._reserve = reserve(queue)

    def take(self) -> Turn | None:
        """The next run to start, now held by its account; None when none may."""
        if self.running >= self._slots:
            return None
        chosen = self._choose()
        if chosen is None:
            return None
        line, key = chosen
        place, group = line.place, line.group
        assert place is not None, "what is chosen waits"
        line.taken += 1
        self._hold(group.level, group.account, group.weight, group.expected, 0.0)
        self.running += 1
        self.long_running += not line.short
        seconds = group.expected.mean_s
        self._lanes[0] += seconds
        if group.level is Level.AGAIN:
            self._lanes[2] += seconds
        else:
            self._lanes[1] += seconds * _is_short_test(line)
            self._changed(group.account)
        return Turn(place, group, key)

    def release(self, ended: Group | Running) -> None:
        """One of these has ended: its account holds less."""
        self.running -= 1
        self.long_running -= not ended.short
        if ended.level is not Level.AGAIN:
            self._accounts[ended.account].held -= 1 / ended.weight
            self._changed(ended.account)

    def _choose(self) -> tuple[_Line, Key] | None:
        best = self._peek(self._all)
        if best is not None and best[0][0] == Level.FIRST:
            return best[3], best[0]
        only_short = self.long_running >= self._slots - self._reserve
        again = self._next_again(only_short)
        owed = self._lanes[2] < AGAIN_SHARE * self._lanes[0]
        if again is not None and owed and again.group.waited_s >= PATIENCE_S:
            return again, _again_key(again)
        if best is not None and not best[3].short:
            if self._lanes[1] < TEST_SHARE * self._lanes[0] or only_short:
                best = self._peek(self._tests) or best
            if not best[3].short and only_short:
                best = self._peek(self._short)
        if best is not None:
            return best[3], best[0]
        return None if again is None else (again, _again_key(again))

    def _next_again(self, only_short: bool) -> _Line | None:
        lines = [
            (line.place, line)
            for line in self._again
            if line.place is not None and (line.short or not only_short)
        ]
        return min(lines, key=lambda item: item[0])[1] if lines else None

    def _peek(self, heap: list[_Entry]) -> _Entry | None:
        """The first that still stands; what its account's later changes have overtaken goes."""
        while heap:
            _, version, _, line = entry = heap[0]
            if version == self._accounts[line.group.account].version:
                return entry
            heapq.heappop(heap)
        return None

    def _hold(
        self, level: Level, number: int, weight: float, expected: Duration, so_far_s: float
    ) -> None:
        """Charged at once with what it is expected to take; what it took is known when it has ended."""
        if level is not Level.AGAIN:
            account = self._accounts[number]
            account.held += 1 / weight
            account.used_s += max(so_far_s, expected.mean_s) * self._gpus / weight

    def _changed(self, number: int) -> None:
        account = self._accounts[number]
        account.version += 1
        for line in account.lines:
            self._offer(account, line, heapq.heappush)
        account.lines = [line for line in account.lines if line.place is not None]

    def _offer(self, account: _Account, line: _Line, put: _Put = list.append) -> None:
        place = line.place
        if place is None:
            return
        # How long those behind the first have waited is not known, and it is less.
        waited_s = line.group.waited_s if line.taken == 0 else 0.0
        entry = (_key(account, line.group, place, waited_s), account.version, place, line)
        put(self._all, entry)
        if line.short:
            put(self._short, entry)
        if _is_short_test(line):
            put(self._tests, entry)


def _key(account: _Account, group: Group, place: int, waited_s: float) -> Key:
    urgency = 0 if waited_s >= PATIENCE_S else URGENCY[group.mode]
    held = round(account.held, 6)
    return (group.level, held, math.floor(account.used_s / EQUAL_S), urgency, place)


def _again_key(line: _Line) -> Key:
    return (Level.AGAIN, 0.0, 0, 0, line.place or 0)


def _is_short_test(line: _Line) -> bool:
    return line.short and line.group.mode is Mode.TEST


def reserve(queue: Queue) -> int:
    """How many GPUs are kept from long runs now."""
    if queue.slots < RESERVE_FROM or not queue.lanes.tests_s:
        return 0
    return max(1, math.floor(queue.slots * RESERVE_SHARE))


def order(queue: Queue, free: int, spare: int = 0) -> list[Turn]:
    """The runs to start, in this order, where ``free`` GPUs are free; behind them up to ``spare`` that come
    instead of those which somebody else has taken meanwhile."""
    dealer = Dealer(queue, max(queue.slots, len(queue.running) + free))
    turns: list[Turn] = []
    while free and len(turns) < free + spare:
        if len(turns) >= free:
            dealer.release(turns[len(turns) - free].group)
        turn = dealer.take()
        if turn is None:
            break
        turns.append(turn)
    return turns
