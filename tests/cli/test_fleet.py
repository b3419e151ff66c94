"""``kernelbot runners``, ``admin device`` and ``admin usage``."""

from __future__ import annotations

import re
import uuid

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.cli.fleet import chart
from kernelbot.report import spark
from kernelbot.storage import fleet
from tests.api.serving import Listening
from tests.cli.conftest import CommandLine
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_actor, submitted
from tests.services.machines import machine
from tests.services.test_canaries import GPU, app, grown, later, one, timed

__all__ = ["app"]


async def test_an_administrator_sees_what_judges_how_it_drifts_and_takes_it_out(
    app: App, plain: CommandLine, server: Listening
) -> None:
    box = await machine(app)
    await box.announce(driver="580.1", torch="2.13.0+cu130")
    await box.beat()
    ada = await make_actor(app)
    sent, _ = await submitted(app, ada), await submitted(app, ada)
    await box.one()
    await grown(app)
    async with app.database.transaction() as connection:
        await connection.execute(
            text("UPDATE devices SET outcomes = '..x.' WHERE name = 'NVIDIA H200'")
        )
    await one(app, timed(stream_s=1.3e-4))
    await later(app)
    async with app.database.transaction() as connection:
        about = {"elsewhere": ["H100"]}
        await fleet.register(
            connection, uuid.uuid4(), "worker-1", {"H200": 1, "H100": 4}, about, "0" * 64
        )
    signed_in = {"KERNELBOT_URL": server.url, "KERNELBOT_TOKEN": ADMIN_TOKEN}
    admin = CommandLine(plain.home, plain.environment | signed_in)

    seen = await admin("runners")
    device = next(
        item["id"]
        for item in (await admin("runners", "--json")).document["devices"]
        if item["device"] == GPU.id
    )
    drift = await admin("runners", str(device))
    about = await admin("runners", "Donor")
    unknown = await admin("runners", "nobody")
    out = await admin("admin", "device", "quarantine", str(device), "The fan stands still.")
    after = await admin("runners")
    back = await admin("admin", "device", "release", str(device), "It turns.")
    paid = await admin("admin", "usage", "--by", "target")

    assert seen.code == drift.code == out.code == back.code == paid.code == 0, seen.err
    for words in ("donor", "agent", "worker-1", "elsewhere (Modal, Slurm): H100 4", "NVIDIA H200"):
        assert words in seen.out
    header = re.search(r"Runner .*Fence +Driver", seen.out)
    assert header, seen.out
    assert re.search(r"donor +agent +ready .* bubblewrap +580\.1", seen.out), seen.out
    assert re.search(r"NVIDIA H200 .* 1 of 4 +1980 MHz ", seen.out), seen.out
    for words in ("Fence:     bubblewrap", "Driver:    580.1", "PyTorch:   2.13.0+cu130"):
        assert words in about.out, about.out
    assert re.search(rf"{sent.id} +vectoradd +CPU +ranked +", about.out), about.out
    assert re.search(r"CPU +1 +1 +2 ", about.out), about.out
    assert "There is no runner 'nobody'" in unknown.err
    assert "▄▄▄▄!" in seen.out or "▅▅▅▅!" in seen.out
    assert "stream: 100 µs, inside" in drift.out
    assert " 130 µs  " in drift.out
    assert "its stream takes 130.0 µs" in drift.out
    assert "quarantined: The fan stands still." in after.out
    assert "0.00 GPU-hours" in paid.out


async def test_what_judges_is_shown_to_administrators_alone(kernelbot: CommandLine) -> None:
    for line in (("runners",), ("runners", "1"), ("admin", "usage")):
        assert "for administrators" in (await kernelbot(*line)).err


def test_a_chart_shows_where_in_the_band_a_time_lies() -> None:
    band = {"median": 1e-4, "low": 0.95e-4, "high": 1.05e-4}
    assert chart(1e-4, band).index("●") == len(chart(None, band)) // 2
    assert chart(1.2e-4, band).endswith("●")
    assert chart(0.5e-4, band).startswith("●")
    assert chart(None, band).strip() == "[         |         ]"


def test_a_line_of_canaries_marks_those_outside() -> None:
    assert spark([1.0, 2.0, 0.5, 1.3], [True, True, True, False]) == "▅█▁!"
    assert spark([None], [True]) == "·"
    assert spark([], []) == "–"
