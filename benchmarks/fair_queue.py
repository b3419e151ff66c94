"""A day of submissions on eight GPUs in simulated time: fair shares beside first come, first served.

``python -m benchmarks.fair_queue [--seed 1] [--half-life 3600]`` takes half a minute and sleeps nowhere.

5,700 submissions: 4,700 by 250 people over a day with a deadline at its end, whose last hour brings ten
times the usual rate, and 1,000 ranked ones that one person sends within a minute at noon. While those wait,
40 newcomers come. The decision and the forecast are the worker's own (``kernelbot.domain.fairness`` and
``forecast``); only the clock is made up. Run times are drawn, and learnt from nothing as the recording does it.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import statistics
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kernelbot.domain import fairness, waiting
from kernelbot.domain.fairness import Group, Lanes, Queue, Turn
from kernelbot.domain.forecast import Forecast, forecast
from kernelbot.domain.waiting import Duration, Wait
from kernelbot.judge.protocol import Mode

SLOTS = 8
DAY_S = 86_400.0
HOUR_S = 3600.0
PEOPLE, NEWCOMERS, FLOODER = 250, 40, 1
USUAL, FLOOD = 4700, 1000
FLOOD_AT_S = DAY_S / 2
TAKES_S = {Mode.TEST: 6.0, Mode.BENCHMARK: 15.0, Mode.RANKED: 30.0}
MIX = ((Mode.TEST, 0.5), (Mode.BENCHMARK, 0.15), (Mode.RANKED, 0.35))
BOARDS = {0: 0.6, 1: 0.9, 2: 1.2, 3: 1.6}  # how much longer or shorter runs are there
SPREAD = 0.35  # standard deviation of a run's time, as a part of it
FRESH_S = 1.0  # as old may a forecast be, as in services/waits.py
WINDOW_S = 120.0


@dataclass(slots=True)
class Run:
    place: int
    account: int
    board: int
    mode: Mode
    at_s: float
    takes_s: float
    told: Wait | None = None
    started_s: float = math.nan

    @property
    def wait_s(self) -> float:
        return self.started_s - self.at_s


def a_day(seed: int) -> list[Run]:
    """Who sends what when."""
    chance = random.Random(seed)
    keen = [chance.paretovariate(1.2) for _ in range(PEOPLE)]  # a few send most
    sent: list[tuple[float, int, Mode]] = []
    newcomers = [(FLOOD_AT_S + chance.uniform(60, HOUR_S), 1000 + n) for n in range(NEWCOMERS)]
    for at, account in newcomers:
        for _ in range(chance.randint(1, 4)):
            sent.append((at, account, _mode(chance)))
            at += chance.expovariate(1 / 120)
    for _ in range(USUAL - len(sent)):
        late = chance.random() < 10 / 33  # of 24 hours the last brings ten times as much
        at = DAY_S - HOUR_S * chance.random() ** 2 if late else (DAY_S - HOUR_S) * chance.random()
        account = 10 + chance.choices(range(PEOPLE), keen)[0]
        sent.append((at, account, _mode(chance)))
    sent += [(FLOOD_AT_S + 60 * chance.random(), FLOODER, Mode.RANKED) for _ in range(FLOOD)]
    sent.sort(key=lambda item: item[:2])
    runs = []
    for place, (at, account, mode) in enumerate(sent, 1):
        board = chance.choice(list(BOARDS))
        mean = TAKES_S[mode] * BOARDS[board]
        spread = math.log1p(SPREAD**2)
        takes = math.exp(chance.gauss(math.log(mean) - spread / 2, math.sqrt(spread)))
        runs.append(Run(place, account, board, mode, at, takes))
    return runs


def _mode(chance: random.Random) -> Mode:
    modes = [mode for mode, _ in MIX]
    return chance.choices(modes, [weight for _, weight in MIX])[0]


@dataclass
class Site:
    """What the database holds: who waits, what runs, who used what, how long runs take."""

    waiting: dict[tuple[int, int, Mode], deque[Run]] = field(default_factory=dict)
    running: dict[int, Run] = field(default_factory=dict)
    used: dict[int, tuple[float, float]] = field(default_factory=dict)
    durations: dict[tuple[int, Mode], Duration] = field(default_factory=dict)
    ended: deque[tuple[float, float, bool]] = field(default_factory=deque)
    lanes: list[float] = field(default_factory=lambda: [0.0, 0.0])
    sent: deque[tuple[float, int, float]] = field(default_factory=deque)

    def queue(self, now: float) -> Queue:
        groups = [
            Group(account=account, mode=mode, places=_Places(line), expected=self.expected(board, mode),
                  waited_s=now - line[0].at_s)
            for (account, board, mode), line in self.waiting.items()
        ]  # fmt: skip
        running = [self.group(run, now).begun(now - run.started_s) for run in self.running.values()]
        while self.ended and self.ended[0][0] < now - fairness.HALF_LIFE_S:
            _, took, test = self.ended.popleft()
            self.lanes[0] -= took
            self.lanes[1] -= took * test
        used = {
            account: fairness.decayed(seconds, now - at)
            for account, (seconds, at) in self.used.items()
        }
        while self.sent and self.sent[0][0] < now - fairness.SENT_S:
            self.sent.popleft()
        sent: dict[int, float] = defaultdict(float)
        for _, account, seconds in self.sent:
            sent[account] += seconds
        lanes = Lanes(total_s=self.lanes[0], tests_s=max(0.0, self.lanes[1]))
        return Queue(waiting=groups, running=running, used=used, sent=sent, slots=SLOTS,
                     lanes=lanes)  # fmt: skip

    def group(self, run: Run, now: float) -> Group:
        expected = self.expected(run.board, run.mode)
        return Group(account=run.account, mode=run.mode, places=[run.place], expected=expected,
                     waited_s=now - run.at_s)  # fmt: skip

    def expected(self, board: int, mode: Mode) -> Duration:
        """As services/waits.py guesses what it does not know."""
        known = self.durations.get((board, mode))
        if known is not None:
            return known
        alike = [value for (_, other), value in self.durations.items() if other is mode]
        return max(alike, key=lambda value: value.mean_s, default=Duration())

    def come(self, run: Run) -> None:
        self.waiting.setdefault((run.account, run.board, run.mode), deque()).append(run)
        expected = self.expected(run.board, run.mode)
        self.sent.append((run.at_s, run.account, expected.mean_s))

    def begin(self, run: Run, now: float) -> None:
        key = (run.account, run.board, run.mode)
        line = self.waiting[key]
        line.remove(run)
        if not line:
            del self.waiting[key]
        run.started_s = now
        self.running[run.place] = run

    def end(self, run: Run, now: float) -> None:
        del self.running[run.place]
        before, at = self.used.get(run.account, (0.0, now))
        self.used[run.account] = (fairness.decayed(before, now - at) + run.takes_s, now)
        key = (run.board, run.mode)
        self.durations[key] = waiting.updated(self.durations.get(key, Duration()), run.takes_s)
        self.ended.append((now, run.takes_s, run.mode is Mode.TEST))
        self.lanes[0] += run.takes_s
        self.lanes[1] += run.takes_s * (run.mode is Mode.TEST)


class _Places(Sequence[int]):
    """The places of a line without copying them."""

    def __init__(self, line: deque[Run]):
        self._line = line

    def __len__(self) -> int:
        return len(self._line)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._line[index].place


Chooser = Callable[[Site, float, int], Iterable[int]]


def fair(site: Site, now: float, free: int) -> Iterable[int]:
    turns: list[Turn] = fairness.order(site.queue(now), free)
    return [turn.place for turn in turns]


def fifo(site: Site, now: float, free: int) -> Iterable[int]:
    heads = heapq.merge(*([run.place for run in itertools.islice(line, free)]
                          for line in site.waiting.values()))  # fmt: skip
    return list(itertools.islice(heads, free))


@dataclass
class Day:
    runs: list[Run]
    shares: list[float]  # the part of GPU time that went elsewhere, by window
    busy_s: float


def simulate(runs: list[Run], choose: Chooser, *, told: bool) -> Day:
    site, by_place = Site(), {run.place: run for run in runs}
    events: list[tuple[float, int, int]] = [(run.at_s, 1, run.place) for run in runs]
    heapq.heapify(events)
    shares = Shares()
    seen: tuple[float, Forecast] | None = None
    while events:
        now, kind, place = heapq.heappop(events)
        run = by_place[place]
        shares.pass_to(now, site)
        if kind == 0:
            site.end(run, now)
        else:
            site.come(run)
            if told:
                if seen is None or now - seen[0] > FRESH_S:
                    seen = now, forecast(site.queue(now))
                run.told = seen[1].of(place, site.group(run, now))
        free = SLOTS - len(site.running)
        if free and site.waiting:
            for chosen in list(choose(site, now, free)):
                begun = by_place[chosen]
                site.begin(begun, now)
                heapq.heappush(events, (now + begun.takes_s, 0, chosen))
    return Day(runs, shares.errors, sum(run.takes_s for run in runs))


class Shares:
    """What part of the GPU time went to others than it should have, in windows of two minutes, among those
    who always had something waiting."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        self._at = self._ends = 0.0
        self._got: dict[int, float] = {}
        self._hungry: set[int] = set()
        self._used: dict[int, float] = {}

    def pass_to(self, now: float, site: Site) -> None:
        hungry = {account for account, _, _ in site.waiting}
        self._hungry &= hungry
        while self._at < now:
            step = min(now, self._ends) - self._at
            for run in site.running.values():
                self._got[run.account] = self._got.get(run.account, 0.0) + step
            self._at += step
            if self._at >= self._ends:
                self._judge()
                self._ends += WINDOW_S
                self._got, self._hungry = {}, set(hungry)
                self._used = {
                    account: fairness.decayed(seconds, self._at - since)
                    for account, (seconds, since) in site.used.items()
                }

    def _judge(self) -> None:
        got = {account: self._got.get(account, 0.0) for account in self._hungry}
        total = sum(got.values())
        if len(got) < 2 or not total:
            return
        # With a GPU for each they have equal parts; else whoever used least comes first.
        used = self._used if len(got) > SLOTS else {}
        ideal = raised({account: used.get(account, 0.0) for account in got}, total)
        self.errors.append(sum(abs(got[item] - ideal[item]) for item in got) / 2 / total)


def raised(used: dict[int, float], total: float) -> dict[int, float]:
    """``total`` given so that those who had least reach one level."""
    ordered = sorted(used.values())
    level, left = ordered[0], total
    for count, nxt in enumerate([*ordered[1:], math.inf], 1):
        if (nxt - level) * count >= left:
            level += left / count
            break
        left -= (nxt - level) * count
        level = nxt
    return {account: max(0.0, level - value) for account, value in used.items()}


def at(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))] if ordered else math.nan


def per_person(runs: Iterable[Run]) -> list[tuple[float, float]]:
    waits: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        waits[run.account].append(run.wait_s)
    return [(statistics.median(found), at(found, 0.95)) for found in waits.values()]


def show(name: str, day: Day) -> None:
    ends = max(run.started_s + run.takes_s for run in day.runs if run.account == FLOODER)
    others = [run for run in day.runs if run.account != FLOODER]
    parts = {
        "everybody but the flooder": others,
        "regulars during the flood": [
            run for run in others if FLOOD_AT_S <= run.at_s < ends and run.account < 1000
        ],
        "newcomers during the flood": [run for run in others if run.account >= 1000],
        "their tests": [r for r in others if r.account >= 1000 and r.mode is Mode.TEST],
        "the last hour": [run for run in others if run.at_s > DAY_S - HOUR_S],
        "tests of the last hour": [
            run for run in others if run.at_s > DAY_S - HOUR_S and run.mode is Mode.TEST
        ],
        "the flooder": [run for run in day.runs if run.account == FLOODER],
    }
    print(f"\n{name} (the flood is over after {(ends - FLOOD_AT_S) / 60:.0f} min)")
    print(f"{'wait in seconds':28}{'runs':>6}{'p50':>9}{'p95':>9}{'most':>9}   a person's: "
          f"{'p50 of p50':>10}{'p95 of p50':>11}{'p95 of p95':>11}")  # fmt: skip
    for label, runs in parts.items():
        waits = [run.wait_s for run in runs]
        people = per_person(runs)
        print(
            f"{label:28}{len(runs):6}{at(waits, 0.5):9.1f}{at(waits, 0.95):9.1f}{max(waits):9.1f}"
            f"{'':15}{at([p for p, _ in people], 0.5):10.1f}{at([p for p, _ in people], 0.95):11.1f}"
            f"{at([q for _, q in people], 0.95):11.1f}"
        )
    print(
        "GPU time that went to others than it should have, of who always had something waiting: "
        f"mean {statistics.fmean(day.shares or [0]):.1%}, p95 {at(day.shares, 0.95):.1%} of {len(day.shares)} windows"
    )


def calibration(day: Day) -> dict[str, tuple[int, float]]:
    """Of what was told when it was sent: how often it held."""
    rows: dict[str, list[bool]] = defaultdict(list)
    for run in day.runs:
        told = run.told
        assert told is not None
        assert told.start_low_s is not None
        assert told.start_high_s is not None
        assert told.finish_low_s is not None
        assert told.finish_high_s is not None
        start = told.start_low_s - 0.5 <= run.wait_s <= told.start_high_s + 0.5
        end = told.finish_low_s <= run.wait_s + run.takes_s <= told.finish_high_s
        rows["end, all"].append(end)
        if told.start_high_s > 0 or run.wait_s > 0.5:
            whose = "the flooder" if run.account == FLOODER else "others"
            when = "at the deadline" if run.at_s > DAY_S - HOUR_S else "before"
            rows["start, all who were to wait"].append(start)
            rows[f"start, {whose}, {when}"].append(start)
            rows[f"start, {('up to 20', 'more than 20')[told.ahead > 20]} ahead"].append(start)
            rows["earlier than told, all"].append(run.wait_s < told.start_low_s - 0.5)
            rows[f"earlier, {whose}, {when}"].append(run.wait_s < told.start_low_s - 0.5)
    return {name: (len(found), statistics.mean(found)) for name, found in rows.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half-life", type=float, default=fairness.HALF_LIFE_S, help="seconds")
    options = parser.parse_args()
    fairness.HALF_LIFE_S = options.half_life
    begun = time.perf_counter()
    shared = simulate(a_day(options.seed), fair, told=True)
    first = simulate(a_day(options.seed), fifo, told=False)
    show("fair shares", shared)
    show("first come, first served", first)
    newcomers = [run for run in shared.runs if run.account >= 1000]
    wait = at([run.wait_s for run in newcomers], 0.95)
    alone = statistics.mean(run.takes_s for run in newcomers)
    print("\nranges that were told when it was sent (90 % each)")
    found = calibration(shared)
    for name, (count, share) in found.items():
        print(f"{name:36}{count:6}{share:8.1%}")
    held = [found[name][1] for name in ("start, all who were to wait", "end, all")]
    rows = [
        ("newcomers' p95 wait / run time, flood", wait / alone, wait <= 2 * alone, "<= 2"),
        ("ranges of starts that held", held[0], 0.85 <= held[0] <= 0.95, "0.85 .. 0.95"),
        ("ranges of ends that held", held[1], 0.85 <= held[1] <= 0.95, "0.85 .. 0.95"),
    ]
    print(f"\n{'':40}{'measured':>10}{'to reach':>14}")
    for label, value, good, aim in rows:
        print(f"{label:40}{value:10.2f}{aim:>14}  {'yes' if good else 'NO'}")
    print(f"({time.perf_counter() - begun:.0f} s)")
    return 0 if all(good for _, _, good, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
