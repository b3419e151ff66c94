"""Where runs are judged on this machine, and which of them may be offered at once: no device is in two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernelbot.domain.target import Target
from kernelbot.launchers import devices, local
from kernelbot.launchers.base import Launcher, Site
from runners.agent.selftest import Proof


@dataclass(frozen=True, eq=False)
class Place:
    """One run at a time, on these devices."""

    target: str  # empty: for the canaries of a device that judges together with others only
    launcher: Launcher = field(repr=False)
    devices: frozenset[str] = frozenset()  # ids; empty: a share of the processor


def ids(place: Place) -> frozenset[str]:
    """What it judges on, the processor too, by the ids of the self-test."""
    return place.devices or frozenset({"cpu"})


def places_of(targets: Sequence[Target], proof: Proof, site: Site) -> list[Place]:
    """Everything that this machine can judge of what the server would give it."""
    found: list[Place] = []
    accelerators = [unit for unit in proof.units if unit.kind != "cpu"]
    processor = next(unit for unit in proof.units if unit.kind == "cpu")
    for target in targets:
        if target.device == "cpu" and not target.fits(processor.name):
            continue
        launchers = local.FACTORY.make(target, {}, site)
        if target.device == "cpu":
            found += [Place(target.name, launcher) for launcher in launchers]
            continue
        shares = devices.shares(target, proof.names)
        for share, launcher in zip(shares, launchers, strict=True):
            ids = frozenset(accelerators[index].id for index in share)
            found.append(Place(target.name, launcher, ids))
    return found + _for_canaries(found, [unit.id for unit in accelerators], site)


def _for_canaries(found: Sequence[Place], accelerators: Sequence[str], site: Site) -> list[Place]:
    """A place for each device that has none of its own."""
    used = frozenset().union(*(place.devices for place in found))
    alone = frozenset().union(*(place.devices for place in found if len(place.devices) == 1))
    return [
        Place("", local.alone(index, site), frozenset({device}))
        for index, device in enumerate(accelerators)
        if device in used - alone
    ]


class Board:
    """Which places are free, and whose turn it is.

    Targets that want the same devices, eight times one GPU and once all eight, take turns: who was served
    last comes last, and where a target comes first that waits for devices which others have, those are
    given nothing more until it has had its turn.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = list(places)
        self._taken: list[Place] = []
        self.shut: frozenset[str] = frozenset()  # devices that take no run
        self._turns = list(dict.fromkeys(place.target for place in places if place.target))

    @property
    def capacity(self) -> dict[str, int]:
        """How many runs at once, by target."""
        return {
            target: sum(
                place.target == target and not ids(place) & self.shut for place in self._places
            )
            for target in self._turns
        }

    @property
    def idle(self) -> list[str]:
        """Devices with a place of their own and nothing to do, those too that take no run."""
        found = (ids(place) for place in self._places if self._is_free(place))
        return sorted({id_ for devices in found if len(devices) == 1 for id_ in devices})

    def take_device(self, device: str) -> Place | None:
        """A free place on this device alone, taken; nobody's turn is over by that."""
        for place in self._places:
            if ids(place) == {device} and self._is_free(place):
                self._taken.append(place)
                return place
        return None

    def take(self, target: str) -> Place | None:
        """A free place of this target, taken; its turn is over."""
        for place in self._free(target):
            self._taken.append(place)
            self._turns.remove(target)
            self._turns.append(target)
            return place
        return None

    def free(self, place: Place) -> None:
        """Once for each taking: said again, it would free what another run has taken since."""
        if place in self._taken:
            self._taken.remove(place)

    def offers(self, waiting: Mapping[str, int]) -> list[dict[str, int]]:
        """What to ask for, the first choice first: in each choice no device is offered twice.

        ``waiting``: how many runs the server last had for each target.
        """
        saved = self._saved(waiting)
        found: list[dict[str, int]] = []
        for first in self._turns:
            offer: dict[str, int] = {}
            used: set[str] = set()
            for target in (first, *(other for other in self._turns if other != first)):
                free = [
                    place
                    for place in self._free(target)
                    if not place.devices & (used | saved.get(target, frozenset()))
                ]
                if free:
                    offer[target] = len(free)
                    used |= frozenset().union(*(place.devices for place in free))
            if first in offer and offer not in found:
                found.append(offer)
        return found

    def _free(self, target: str) -> list[Place]:
        return [
            place
            for place in self._places
            if place.target == target and self._is_free(place) and not ids(place) & self.shut
        ]

    def _is_free(self, place: Place) -> bool:
        busy = frozenset().union(*(taken.devices for taken in self._taken))
        return place not in self._taken and not place.devices & busy

    def _saved(self, waiting: Mapping[str, int]) -> dict[str, frozenset[str]]:
        """By target: devices that it must leave alone, because a target whose turn comes before its own waits
        for them. For one with a device that takes no run nobody waits: that may be for ever."""
        saved: dict[str, frozenset[str]] = {}
        wanted: frozenset[str] = frozenset()
        for target in self._turns:
            saved[target] = wanted
            if waiting.get(target) and not self._free(target):
                own = [
                    place.devices
                    for place in self._places
                    if place.target == target and not ids(place) & self.shut
                ]
                if not any(place.target == target for place in self._taken):
                    wanted = wanted | frozenset().union(*own)
        return saved
