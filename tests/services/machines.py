"""A machine that speaks to the gateway's services, in place of an agent."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import Device, Harness, Verdict, VerdictKind, dump
from kernelbot.services import gateway, identity, runners
from kernelbot.services.dispatch import Hold
from kernelbot.services.gateway import Heard, Leased, Sign
from kernelbot.services.runners import Announcement, Runner, Unit
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_verdict

CPU = Unit(id="cpu", kind="cpu", name="a processor")


def h200(index: int, name: str = "NVIDIA H200") -> Unit:
    return Unit(id=f"GPU-{index}", kind="cuda", name=name, memory_bytes=141 << 30, sm_count=132)


async def administrator(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


def announcement(app: App, **changes: object) -> Announcement:
    values: dict[str, object] = {
        "host": "box",
        "tree": runners.tree(app)[0],
        "judge_digest": runners.own_judge(app),
        "isolation": "bubblewrap",
        "slots": {"CPU": 2},
        "units": (CPU,),
    }
    return Announcement(**{**values, **changes})  # type: ignore[arg-type]


async def never() -> bool:
    return False


@dataclass
class Machine:
    """One process on a machine that was let in."""

    app: App
    secret: str
    session: uuid.UUID = field(default_factory=uuid.uuid4)
    poll: int = 0

    async def known(self) -> Runner:
        """As its token finds it now."""
        return await runners.authenticate(self.app, self.secret)

    async def announce(self, **changes: object) -> None:
        said = announcement(self.app, **changes)
        self.session = await runners.announce(self.app, await self.known(), said)

    async def lease(
        self,
        *offers: Mapping[str, int],
        wait_s: float = 0.0,
        gone: gateway.Gone = never,
        free: Sequence[str] = (),
        holds: Sequence[Hold] | None = None,
    ) -> Leased:
        self.poll += 1
        asked = offers or ({"CPU": 1},)
        leases = None if holds is None else [hold.lease for hold in holds]
        return await gateway.lease(
            self.app, await self.known(), self.session, self.poll, asked, wait_s, gone, free, leases
        )

    async def one(self, gpu: str = "CPU") -> Hold:
        (run,) = (await self.lease({gpu: 1})).runs
        return run

    async def beat(
        self, *held: Hold, devices: Sequence[str] = ("cpu",), trouble: str = ""
    ) -> Heard:
        signs = [Sign(run_id=run.run_id, lease=run.lease, devices=devices) for run in held]
        return await gateway.heartbeat(
            self.app, await self.known(), self.session, {"CPU": 2}, signs, trouble
        )

    async def finish(self, held: Hold, verdict: Verdict | bytes) -> Verdict:
        content = verdict if isinstance(verdict, bytes) else dump(verdict).encode()
        runner = await self.known()
        hold = await gateway.held(self.app, runner, self.session, held.run_id, held.lease)
        return await gateway.finish(self.app, runner, hold, content)

    def verdict(
        self, held: Hold, kind: VerdictKind = VerdictKind.PASSED, **changes: object
    ) -> Verdict:
        """One that our judge could have given on this machine, but for the changes."""
        values = {
            "run_id": str(held.run_id),
            "device": Device(kind="cpu", name=CPU.name),
            "harness": Harness(judge_digest=runners.own_judge(self.app), isolation="bubblewrap"),
            **changes,
        }
        return dataclasses.replace(make_verdict(kind), **values)  # type: ignore[arg-type]


async def machine(
    app: App,
    name: str = "donor",
    *,
    targets: Sequence[str] = ("CPU",),
    **announced: object,
) -> Machine:
    """A machine that was let in and has announced itself."""
    admin = await administrator(app)
    made = await runners.create(app, admin, name, targets, trusted=False)
    found = Machine(app, made.secret)
    await found.announce(**announced)
    return found
