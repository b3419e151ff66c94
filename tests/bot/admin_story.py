"""Every command of ``/admin``, in an order in which each finds what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelbot.domain.competition import Visibility
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import invitations
from kernelbot.services.publish import Source
from tests import factories
from tests.bot.scene import Scene
from tests.bot.test_admin_competition import CLASS
from tests.bot.test_admin_fleet import device
from tests.services.contest import board, contest, published

CLOSED, WHY = "closed", {"reason": "x"}
GRANT = {"person": "bob", "competition": CLOSED, "gpu": "CPU", "seconds": 1, **WHY}
FILE = {"file": ("class.yaml", CLASS.encode())}

COMMANDS: dict[str, dict[str, Any]] = {
    "hints": {"submission": 1},
    "rejudge": {"submission": 1},
    "void": {"submission": 1, **WHY},
    "restore": {"submission": 1, **WHY},
    "rerun": {"submission": 2, **WHY},
    "first": {"submission": 3, **WHY},
    "quarantine": {},
    "person": {"person": "bob"},
    "ban": {"person": "bob", "lasts": "7d", **WHY},
    "unban": {"person": "bob", **WHY},
    "role": {"person": "#2", "role": "admin"},
    "allowance show": {"person": "bob"},
    "allowance grant": GRANT,
    "allowance end": {"grant": 1},
    "invite create": {"competition": CLOSED},
    "invite list": {"competition": CLOSED},
    "invite revoke": {"competition": CLOSED, "number": 1},
    "audit": {},
    "competition plan": FILE,
    "competition apply": FILE,
    "competition hide": {"name": CLOSED},
    "competition list": {},
    "intake pause": {"gpu": "CPU", **WHY},
    "intake list": {},
    "intake resume": {"gpu": "CPU"},
    "fleet": {},
    "drain": {"machine": "donor"},
    "undrain": {"machine": "donor"},
    "quarantine-device": {"device": 1, **WHY},
    "release-device": {"device": 1, **WHY},
    "announce": {},
}
ASKING = {
    "void", "ban", "role", "allowance end", "invite revoke", "competition apply", "competition hide", "intake pause", "drain",
    "quarantine-device", "release-device", "announce",
}  # fmt: skip
AT_ONCE = {
    "rejudge", "restore", "rerun", "first", "unban", "allowance grant", "invite create",
    "intake resume", "undrain",
}  # fmt: skip
"""These do something, which the audit log tells, when they are confirmed and at once; all others only show."""


async def begin(scene: Scene, shelf: Path) -> None:
    """Ada is an administrator, and everything is there that the commands are about."""
    bob, eve = [await factories.make_actor(scene.app, name) for name in ("bob", "eve")]
    await factories.ranked(scene.app, bob, 1e6)
    await factories.submitted(scene.app, eve)
    await factories.judge_one(scene.app, factories.make_verdict(VerdictKind.WRONG_ANSWER))
    await factories.submitted(scene.app, eve, code=b"# another\nprint()\n")
    await device(scene)
    closed = contest(
        board("closed-add", problem="vectoradd"),
        name=CLOSED,
        visibility=Visibility.INVITE,
        gpu_seconds_per_day={"CPU": 30.0},
    )
    await published(scene.app, shelf, closed, source=Source(whole=False))
    await invitations.create(scene.app, await scene.organizer(), CLOSED, None, None)


async def sent(scene: Scene, command: str) -> Any:
    """What is answered, in the end, by the command, or by its form where it has one."""
    shown = await scene.slash(f"admin {command}", **COMMANDS[command])
    return await scene.ada.submit_modal(shown, {"text": "Hello."}) if shown.modal else shown
