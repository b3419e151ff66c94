"""``/admin fleet``, draining machines and taking devices out, ``/admin announce``."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

from sqlalchemy import text

from kernelbot.services import canaries, machines, moderation, runners
from kernelbot.storage import fleet
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.services.contest import contest, published
from tests.services.machines import machine
from tests.services.test_canaries import GPU, grown, later, one, timed


async def device(scene: Scene) -> int:
    """A GPU of a machine whose last canary was too slow; its number."""
    await machine(scene.app)
    every_hour = scene.app.settings.model_copy(update={"canary_s": 3600.0})
    app = dataclasses.replace(scene.app, settings=every_hour)
    await grown(app)
    await one(app, timed(stream_s=1.3e-4))
    await later(app)
    admin = await scene.organizer()
    found = await machines.listed(scene.app, admin)
    return next(item.id for item in found if item.device == GPU.id)


async def test_machines_their_drift_and_what_runs_are_shown_page_by_page(scene: Scene) -> None:
    await device(scene)
    async with scene.app.database.transaction() as connection:
        for at in range(8):
            await fleet.register(
                connection, uuid.uuid4(), f"*worker*-{at}", {"CPU": 4}, {}, "0" * 64
            )
    await factories.submitted(scene.app, await scene.own())
    await factories.claim_one(scene.app)

    shown = await scene.slash("admin fleet")
    first = words(shown.response)
    await scene.ada.click(shown.response, label="Next ▶")
    second = words(shown.response)

    assert shown.ephemeral
    assert "donor (agent): ready" in first
    assert r"\*worker\*" in first
    assert "has another version of the judge" in first
    assert "on vectoradd, ranked, CPU" in first
    assert "Page 2 of 2" in second
    assert "!`" in second, "the drift of the device"
    assert labels(shown.response) == ["◀ Back"]


async def test_a_machine_is_drained_when_it_is_confirmed_and_takes_work_again(scene: Scene) -> None:
    admin = await scene.organizer()
    await machine(scene.app)
    asked = await scene.slash("admin drain", machine="donor")
    assert await scene.typed("admin drain", "machine", "don") == ["donor"]

    await scene.ada.click(asked.response, label="Confirm")
    (drained,) = await runners.listed(scene.app, admin)
    await scene.slash("admin undrain", machine="donor")
    (back,) = await runners.listed(scene.app, admin)
    unknown = await scene.slash("admin drain", machine="nobody")

    assert "donor takes nothing more" in words(asked.response)
    assert [drained.state, back.state] == ["drained", "ready"]
    assert "There is no machine nobody" in words(unknown.response)


async def test_of_a_worker_that_cannot_be_drained_is_said_what_to_do_in_its_place(
    scene: Scene,
) -> None:
    await scene.organizer()
    async with scene.app.database.transaction() as connection:
        await fleet.register(connection, uuid.uuid4(), "rack-7", {"CPU": 4}, {}, "0" * 64)

    for command in ("admin drain", "admin undrain"):
        told = words((await scene.slash(command, machine="rack-7")).response)
        assert "rack-7 is a worker of the installation" in told
        assert "`/admin intake pause` with `hold:True`" in told


async def test_a_device_is_taken_out_and_let_in_after_a_yes_each(scene: Scene) -> None:
    number = await device(scene)
    out = await scene.slash(
        "admin quarantine-device", device=number, reason="The fan stands still."
    )
    assert "judged again at no cost" in words(out.response)
    assert await canaries.notices(scene.app) == ()

    await scene.ada.click(out.response, label="Confirm")
    assert len(await canaries.notices(scene.app)) == 1
    assert "⚠ H200: NVIDIA H200 is out of service" in words((await scene.slash("queue")).response)
    back = await scene.slash("admin release-device", device=number, reason="It turns.")
    assert "(quarantined) takes runs again" in words(back.response)
    await scene.ada.click(back.response, label="Confirm")

    assert await canaries.notices(scene.app) == ()
    log = await moderation.audit(scene.app, await scene.organizer(), target=f"device:{number}")
    assert [item["action"] for item in log.items] == ["device.release", "device.quarantine"]
    unknown = await scene.slash("admin release-device", device=number + 999, reason="x")
    assert "There is no device" in words(unknown.response)


async def test_a_device_that_is_out_is_told_as_out_though_what_follows_fails(scene: Scene) -> None:
    number = await device(scene)
    out = await scene.slash("admin quarantine-device", device=number, reason="It smells.")
    async with scene.app.database.transaction() as connection:
        await connection.execute(
            text("ALTER TABLE outbox ADD CONSTRAINT broken CHECK (false) NOT VALID")
        )

    await scene.ada.click(out.response, label="Confirm")

    assert f"Device {number} takes nothing more." in words(out.response)
    assert "a worker does both within minutes" in words(out.response)
    async with scene.app.database.transaction() as connection:
        await connection.execute(text("ALTER TABLE outbox DROP CONSTRAINT broken"))
    assert await canaries.watch(scene.app) == 1


# --- announcements -------------------------------------------------------------------------------

TEXT = "**Rules** changed @everyone <@1>\n\n\n\nSee the second line."


async def test_what_is_announced_is_shown_first_told_once_and_pings_nobody(
    scene: Scene, shelf: Path
) -> None:
    admin = await scene.organizer()
    await published(scene.app, shelf, contest(channel="submissions"))
    form = await scene.slash("admin announce", competition="getting-started")
    asked = await scene.ada.submit_modal(form, {"text": TEXT})
    assert (
        "for getting-started, in every server's channel for announcements, and where a server has chosen none in its "
        "submissions, once; if nobody can hear it within a day, not at all:"
    ) in words(asked.response)
    assert scene.channel.history() == [], "nothing before the yes"

    await scene.ada.click(asked.response, label="Confirm")
    await scene.bot.announcer.tell_due()
    await scene.bot.announcer.tell_due()

    (told,) = scene.channel.history()
    assert r"\*\*Rules\*\* changed" in words(told)
    assert "\n\nSee the second line." in words(told)
    assert not told.mentions
    assert not told.mention_everyone
    assert labels(asked.response) == []
    log = await moderation.audit(scene.app, admin, target="competition:getting-started")
    assert [item["action"] for item in log.items] == ["announce"]


async def test_who_is_no_administrator_sees_and_moves_nothing(scene: Scene) -> None:
    await scene.sees_admin()
    await machine(scene.app)

    for command, options in (
        ("fleet", {}),
        ("drain", {"machine": "donor"}),
        ("undrain", {"machine": "donor"}),
        ("quarantine-device", {"device": 1, "reason": "x"}),
        ("release-device", {"device": 1, "reason": "x"}),
    ):
        told = await scene.slash(f"admin {command}", **options)
        assert "This is for administrators." in words(told.response)
    form = await scene.slash("admin announce")
    told = await scene.ada.submit_modal(form, {"text": "x"})
    assert "This is for administrators." in words(told.response)
    assert await scene.typed("admin drain", "machine", "") == []
