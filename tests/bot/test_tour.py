"""A walk through the bot as people see it: who takes part, who manages a server, who organizes. What they see is drawn.

``DRAW`` draws the pictures of ``docs/discord.md`` anew, and writes the transcript beside them. What is measured or
depends on the hour is fixed here or drawn as a reader would take it, so the files change only with what the bot shows.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import io
import os
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain import canary, evidence
from kernelbot.domain.competition import Competition, Freeze, Prize, Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.domain.people import Actor, Role
from kernelbot.judge.protocol import (
    Artefact,
    CaseResult,
    Device,
    Event,
    Harness,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
)
from kernelbot.services import (
    artefacts,
    dispatch,
    guilds,
    identity,
    invitations,
    logins,
    notices,
    preferences,
    quarantine,
    reveal,
    runners,
)
from kernelbot.storage import people
from tests import factories
from tests.bot.conftest import BotProcess
from tests.bot.tour import TRANSCRIPT, Tour, outdated, write
from tests.conftest import ADMIN_TOKEN
from tests.fakes import discord_picture
from tests.fakes.discord import LoopbackDiscord, Upload
from tests.fakes.discord_world import Channel
from tests.services.contest import HOUR, board, contest, now, published
from tests.services.machines import machine
from tests.services.test_canaries import grown, later, one
from tests.services.test_canaries import timed as canary_timed

PAGE = Path(__file__).parents[2] / "docs/discord.md"
FOLDER = PAGE.parent / "discord"
DRAW = "TOUR_PICTURES=docs/discord .venv/bin/python -m pytest tests/bot/test_tour.py"
FASTER = factories.CODE.replace(b"return torch.add", b"# one pass\n    return torch.add")
DAY = 24 * HOUR
NEXT = """
name: winter
title: Winter kernels
licence: MIT
gpus: [CPU]
problems:
  - {problem: vectoradd, leaderboard: winter-sum}
"""
MISTAKEN = NEXT.replace("vectoradd,", "vectorad,").replace("CPU", "CPU, H20")
BEFORE = (
    ("barbara", 93_000), ("edsger", 61_000), ("alan", 42_000), ("barbara", 31_000), ("grace", 26_400),
    ("alan", 24_300), ("grace", 21_000),
)  # fmt: skip
"""What others reached before, day by day."""
LIGHT_US = {1024: 1.31072, 2048: 5.24288, 4096: 20.97152, 8192: 83.88608, 16384: 335.54432}
"""Of the benchmarks of vectoradd on an H200: 6 bytes an element at 4.8 TB/s."""
SPENT = """
UPDATE spent s SET gpu_s = CASE WHEN hour = (
  SELECT min(hour) FROM spent o WHERE (o.user_id, o.gpu) = (s.user_id, s.gpu)) THEN 84 ELSE 0 END
"""
"""However long runs took."""
LOG = "\n".join(
    f"[{at}] a[{at * 37}]={at * 0.37:.3f} b[{at * 37}]={at * 0.11:.3f} sum={at * 0.48:.3f}"
    for at in range(40)
)
PROFILE = """\
Profile of benchmark 1 (size: 8192)

Nsight Compute
#  kernel      launches     time  share  bound   compute  memory  occupancy
1  add_kernel         1  90.6 us  100 %  memory      9 %    88 %       80 %

1 kernel, 90.6 us on the device.

#1 add_kernel(const __half *, const __half *, __half *, long)
  memory-bound: compute at 9 % and memory at 88 % of the peak (device memory)
  device memory: 4.25 TB/s of 4.81 TB/s (88 %)
  occupancy: 80 % of the warps that fit; 100 % are possible
"""


def championship() -> Competition:
    at = now()
    window = {"opens": at - 9 * DAY, "closes": at + 12 * DAY}
    return contest(
        board(points=100, **window),
        board("histogram", points=150, **window),
        title="Autumn kernels", host="The GPU club", **window,
        rules="One account a person. Share what you learn, not your code, until the end.",
        prizes=(Prize(prize="A GPU", place=1),), scoring=CompetitionScoring(),
        gpu_seconds_per_day={"CPU": 3600.0},
    )  # fmt: skip


def sprint(freeze: Freeze | None = None) -> Competition:
    """On GPUs, whose speed of light is known."""
    made = board("sprint", problem="vectoradd", gpus=("H200", "B200"), freeze=freeze)
    return contest(made, name="gpu-sprint", title="GPU sprint")


def by_invitation() -> Competition:
    return contest(
        board("class-sum", problem="vectoradd"), name="class", title="A closed class",
        visibility=Visibility.INVITE,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def a_worker(app: App) -> AsyncIterator[None]:
    """It is heard of every other second."""
    alive = uuid.UUID(int=1), "gpu-box-1", {"CPU": 2, "H200": 1, "B200": 1}

    async def live() -> None:
        while True:
            await asyncio.sleep(2)
            await dispatch.heartbeat(app, *alive, {}, runners.own_judge(app), {})

    await dispatch.heartbeat(app, *alive, {}, runners.own_judge(app), {})
    living = asyncio.create_task(live())
    try:
        yield
    finally:
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living


async def rows(app: App, query: str) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text(query))


def on_h200(share: float) -> Verdict:
    """A run of vectoradd that reached this part of the speed of light."""
    checked, _ = factories.make_verdict().cases
    timed = tuple(
        CaseResult(
            stage=Stage.MEASURE, index=at, spec=f"size: {size}", ok=True,
            measurement=factories.make_measurement(ns=light * 1e3 / share, error=0.002),
        )
        for at, (size, light) in enumerate(LIGHT_US.items())
    )  # fmt: skip
    return dataclasses.replace(
        factories.make_verdict(), cases=(checked, *timed), device=Device(kind="cuda", name="NVIDIA H200"),
        harness=Harness(judge_digest="0" * 64, evidence=evidence.OUTSIDE),
        spent=Spent(wall_s=34.2, build_s=6.1, device_s=12.4),
    )  # fmt: skip


async def sprinted(app: App, who: Actor, share: float) -> None:
    await factories.submitted(app, who, leaderboard="sprint", gpus=("H200",))
    await factories.judge_one(app, on_h200(share), gpu="H200")


async def another(app: App, name: str) -> Actor:
    return await identity.person(app, "test", name, name, "api")


async def what_came_before(app: App) -> None:
    for at, (name, ns) in enumerate(BEFORE):
        code = factories.CODE + f"# {at}\n".encode()
        await factories.ranked(app, await another(app, name), ns, code)
    await rows(app, "UPDATE bests SET created_at = now() - (9 - id) * interval '1 day'")


async def finding_out(tour: Tour) -> None:
    await tour.see("help", "help")
    await tour.see("problem", "problem", name="vectoradd")
    admin = await identity.authenticate(tour.app, ADMIN_TOKEN, "api")
    code = (await invitations.create(tour.app, admin, "class", None, None)).code
    assert code is not None
    sent = await tour.discord.slash(tour.who, tour.channel, "join", code=code)
    tour.draw("join", await tour.discord.answer(sent), "/join code:(what its organizer gave)")


async def before_anything_judges(tour: Tour) -> None:
    discord = tour.discord
    tour.draw("accepted", await tour.submit("ranked"), "/submit file:kernel.py mode:ranked")
    asked = await discord.slash(tour.who, tour.channel, "submit", mode="benchmark")
    await discord.until(lambda: asked.form, "the form")
    assert asked.form is not None
    tour.pictures["paste"] = discord_picture.form(asked.form)
    tour.draw("card-waiting", await tour.in_thread("in line"), "in a private thread")


async def submitting(tour: Tour) -> None:
    app, discord = tour.app, tour.discord
    card = await tour.in_thread("#8 · vectoradd")
    await tour.see("queue", "queue")
    held = await factories.claim_one(app)
    event = Event(kind="case", stage=Stage.CHECK, message="", done=3, total=5)
    await dispatch.progress(app, held, event)
    await discord.until(lambda: "3 of 5" in card.text(), "progress on the card")
    tour.draw("card-running", card, "the same card, later")
    assert await dispatch.finish(app, held, factories.make_verdict(ns=26_000))
    await tour.in_thread("#8 on vectoradd: passed")


async def results(tour: Tour) -> None:
    app, discord = tour.app, tour.discord
    await tour.submit("ranked", FASTER)
    await factories.judge_one(app, factories.make_verdict(ns=22_400))
    result = await tour.in_thread("#9 on vectoradd: passed")
    tour.draw("result", result, "the result")
    tour.draw("diff", await tour.press(result, "Diff to my best"), "[Diff to my best]")
    await tour.press(result, "Share")
    shared = [item for item in discord.read(tour.channel) if "shares #9" in item.text()]
    tour.draw("shared", shared[0], "[Share], in the channel")
    await tour.submit("test", b"import torch\n\ndef custom_kernel(data:\n")
    failed = dataclasses.replace(
        factories.make_verdict(VerdictKind.BUILD_FAILED, message="line 3: '(' was never closed"),
        stage=Stage.BUILD,
        cases=(),
    )
    await factories.judge_one(app, failed)
    tour.draw("failed", await tour.in_thread("#10 on vectoradd: failed"), "a failure")


async def looking_around(tour: Tour) -> None:
    await tour.see("leaderboard", "leaderboard", leaderboard="vectoradd", gpu="CPU")
    await tour.see("standings", "standings", competition="getting-started")
    await tour.see("submissions", "submissions")
    await tour.see("submission", "submission", id=9, compare=8)
    await tour.see("submission-code", "submission", id=9)
    await rows(tour.app, SPENT)
    own = await identity.person(tour.app, "discord", str(tour.who.id), tour.who.shown, "discord")
    await preferences.switch(tour.app, own, "overtaken")
    await tour.see("me", "me")
    login = await logins.begin(tour.app, "kernelbot on adas-laptop")
    sent = await tour.discord.slash(tour.who, tour.channel, "link", code=login.code)
    tour.draw("link", await tour.discord.answer(sent), "/link code:(what the command line shows)")
    await factories.ranked(tour.app, await another(tour.app, "edsger"), 21_700)
    tour.draw("notice", await tour.directly("passed you"), "a direct message that was asked for")
    await preferences.switch(tour.app, own, "deadlines")
    closes = (
        "UPDATE leaderboards SET closes_at = now() + interval '20 hours' WHERE name = 'vectoradd'"
    )
    await rows(tour.app, closes)
    await notices.plan_deadlines(tour.app)
    tour.draw("reminder", await tour.directly("before that counts"), "another")
    await rows(tour.app, closes.replace("20 hours", "12 days"))


async def what_else_comes_of_it(tour: Tour) -> None:
    """Submissions 12 to 16: cancelled, with a log, profiled, set aside and decided about."""
    app, discord = tour.app, tour.discord
    await tour.submit("test")
    card = await tour.in_thread("#12 · vectoradd")
    await discord.press(tour.who, card, "Cancel")
    await discord.until(lambda: "cancelled" in card.text(), "that it is cancelled")
    tour.draw("card-cancelled", card, "[Cancel]")

    await tour.submit("test", FASTER + b"# with prints\n")
    wrong = factories.make_verdict(
        VerdictKind.WRONG_ANSWER,
        message="size: 127: 3 of 16,129 elements differ; the first is [0, 5]",
    )
    (checked,) = wrong.cases
    missed = dataclasses.replace(checked, ok=False, message="3 elements differ")
    await factories.judge_one(app, dataclasses.replace(wrong, cases=(missed,), log=LOG))
    tour.draw("log", await tour.in_thread("#13 on vectoradd: failed"), "a result with a log")

    await tour.submit("profile", FASTER)
    held = await factories.claim_one(app)
    listed = Artefact(name="profile.ncu-rep", bytes=6, media_type="application/octet-stream")
    profile = dataclasses.replace(
        factories.make_verdict(), cases=(checked,), log=PROFILE, artefacts=(listed,)
    )

    async def read(_: str) -> AsyncIterator[bytes]:
        yield b"report"

    await artefacts.collect(app, held, profile, read)
    assert await dispatch.finish(app, held, profile)
    tour.draw("profile", await tour.in_thread("#14 on vectoradd: passed"), "a profile")

    await tour.submit("ranked", FASTER + b"# in no time\n")
    held = await factories.judge_one(app, doubtful(20_100))
    tour.draw("set-aside", await tour.in_thread("#15 on vectoradd: set aside"), "set aside")
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    why = "The machine was busy just then; a second run on another gives the same time."
    await quarantine.release(app, admin, held.run_id, why)
    tour.draw("decided", await tour.in_thread("an organizer has decided"), "later")


async def going_wrong(tour: Tour) -> None:
    sent = Upload("kernel.py", factories.CODE)
    await tour.see("refused", "submit", file=sent, leaderboard="vectorad", gpu="CPU")
    await rows(tour.app, "ALTER TABLE logins RENAME TO lost")
    await tour.see("apology", "link", code="BCDF-GHJK")
    await rows(tour.app, "ALTER TABLE lost RENAME TO logins")


async def on_several_gpus(tour: Tour, announcements: Channel) -> None:
    app, discord = tour.app, tour.discord
    await sprinted(app, await another(app, "barbara"), 0.52)
    await sprinted(app, await another(app, "alan"), 0.688)
    sent = Upload("kernel.py", FASTER)
    await tour.see("which-gpu", "submit", file=sent, leaderboard="sprint", mode="ranked")
    answer = await tour.submit("ranked", FASTER, board="sprint", gpu="H200, B200")
    tour.draw("accepted-several", answer, "/submit file:kernel.py gpu:H200, B200 mode:ranked")
    card = await tour.in_thread("sprint · ranked")
    held = await factories.claim_one(app, "H200")
    await dispatch.progress(
        app, held, Event(kind="case", stage=Stage.MEASURE, message="", done=2, total=5)
    )
    await discord.until(lambda: "2 of 5" in card.text(), "progress on the card")
    tour.draw("card-several", card, "its card")
    assert await dispatch.finish(app, held, on_h200(0.71))
    crashed = factories.make_verdict(
        VerdictKind.CRASHED,
        message="CUDA error: no kernel image is available for execution on the device",
    )
    await factories.judge_one(app, crashed, gpu="B200")
    partly = await tour.in_thread("on sprint: partly passed")
    assert "71 % of speed of light" in partly.text()
    tour.draw("partly", partly, "on one it passed")
    record = await tour.posted(announcements, "New record: **Ada**")
    assert "−3.1 % against the time before, 71 % of speed of light" in record.text()
    tour.draw("record", record, f"in #{announcements.name}")


async def in_a_freeze(
    tour: Tour, announcements: Channel, shelf: Path, *others: Competition
) -> None:
    app = tour.app
    begins = now()
    await published(app, shelf, *others, sprint(Freeze(begins=begins, ends=begins + 5 * HOUR)))
    await rows(
        app,
        "UPDATE bests b SET created_at = (SELECT frozen_from FROM leaderboards WHERE name = 'sprint')"
        " - (20 - b.id) * interval '1 day' FROM runs r WHERE r.id = b.run_id AND r.gpu = 'H200'",
    )
    await sprinted(app, await another(app, "edsger"), 0.8)
    await tour.see("frozen", "leaderboard", leaderboard="sprint", gpu="H200")
    await published(app, shelf, *others, sprint(Freeze(begins=begins, ends=now())))
    assert await reveal.due(app) == 1
    over = await tour.posted(announcements, "The freeze of sprint is over")
    tour.draw("reveal", over, f"in #{announcements.name}")


async def devices_come_and_go(tour: Tour, announcements: Channel) -> None:
    every_hour = tour.app.settings.model_copy(update={"canary_s": 3600.0})
    app = dataclasses.replace(tour.app, settings=every_hour)
    await grown(app)
    for _ in range(canary.STRIKES):
        await one(app, canary_timed(stream_s=1.3e-4))
    out = await tour.posted(announcements, "is out of service until")
    tour.draw("device-out", out, f"in #{announcements.name}")
    await tour.see("queue-out", "queue")
    for _ in range(canary.GOOD_AGAIN):
        await later(app, canary.SICK_EVERY_S)
        await one(app, canary_timed())
    back = await tour.posted(announcements, "back in service")
    tour.draw("device-back", back, f"in #{announcements.name}")


async def on_arrival(tour: Tour) -> None:
    """In a server that has just invited the bot."""
    discord = tour.discord
    guild = discord.guild("Another club")
    lobby = discord.text_channel(guild, "general")
    payload = discord.guild_payload(guild) | {"system_channel_id": str(lobby.id)}
    del payload["unavailable"]  # which says that the bot was in it already
    await discord.gateway.dispatch("GUILD_CREATE", payload)
    said = await discord.until(lambda: discord.read(lobby), "a hello")
    tour.draw("welcome", said[0], "in a server that has invited the bot")


def doubtful(ns: float) -> Verdict:
    return dataclasses.replace(
        factories.make_verdict(VerdictKind.QUARANTINED, ns=ns), rule="clocks disagree",
        evidence=f"events say {ns / 1e3:.1f} µs, the outside clock 21 µs",
    )  # fmt: skip


async def in_the_server(tour: Tour, announcements: Channel, category: Channel) -> None:
    discord = tour.discord

    def forum() -> Channel | None:
        inside = [item for item in discord.channels.values() if item.parent is category]
        own = [item for item in inside if item.name == "getting-started"]
        return own[0] if own and len(discord.posts(own[0])) == 3 else None

    found = await discord.until(forum, "a forum with its posts")
    posts = {post.name: discord.read(post)[0] for post in discord.posts(found)}
    listed = [
        (name, first.channel.tag_names, "Rules" in name, first.embeds[0]["description"].split("\n")[0][:80])
        for name, first in posts.items()
    ]  # fmt: skip
    tour.pictures["forum"] = discord_picture.forum(found.name, listed)
    tour.draw("rules", posts["Rules of Autumn kernels"], f"in the forum #{found.name}")
    live = posts["Vector addition"]
    await discord.until(lambda: "20.10 µs" in live.text(), "the card with what came last")
    tour.draw("live-card", live, f"in the forum #{found.name}")

    told = await tour.posted(announcements, "**edsger** took **2nd**")
    tour.draw("podium", told, f"in #{announcements.name}")
    discord.managers.add(tour.who)
    await tour.see("setup", "setup")


async def organizing(tour: Tour) -> None:
    await deciding(tour)
    await tour.see("admin-competitions", "admin competition list")
    sent = Upload("autumn.yaml", NEXT.encode())
    await tour.see("admin-plan", "admin competition plan", file=sent)
    wrong = Upload("autumn.yaml", MISTAKEN.encode())
    await tour.see("admin-mistakes", "admin competition plan", file=wrong)
    await tour.see(
        "admin-intake",
        "admin intake pause",
        gpu="CPU",
        reason="New drivers until 18:00 UTC.",
        hold=True,
    )
    form = await tour.discord.slash(tour.who, tour.channel, "admin announce")
    filled = await tour.discord.fill(form, text="The heats end on Sunday. Good luck!")
    tour.draw("admin-announce", await tour.discord.answer(filled), "/admin announce, its form sent")


async def deciding(tour: Tour) -> None:
    app = tour.app
    own = await identity.person(app, "discord", str(tour.who.id), tour.who.shown, "discord")
    async with app.database.transaction() as connection:
        await people.set_role(connection, own.user_id, Role.ADMIN.value)
    alan = await identity.person(app, "test", "alan", "alan", "api")
    await factories.submitted(app, alan, code=FASTER)
    await factories.judge_one(app, doubtful(900))
    await tour.see("admin-quarantine", "admin quarantine")
    asked = await tour.see(
        "admin-void", "admin void", submission=7, reason="It is somebody else's."
    )
    await tour.discord.press(tour.who, asked, "Confirm")
    await tour.discord.until(lambda: not asked.buttons, "that it is done")
    await tour.see("admin-rejudge", "admin rejudge", submission=9)
    await tour.see("admin-person", "admin person", person="grace")
    await tour.see(
        "admin-ban", "admin ban", person="grace", lasts="7d", reason="Three accounts.", void=True
    )
    await tour.see(
        "admin-allowance", "admin allowance grant", person="Ada", competition="getting-started",
        gpu="CPU", seconds=1800, lasts="3d", reason="A talk.",
    )  # fmt: skip
    await rows(app, SPENT)
    await tour.see("admin-allowances", "admin allowance show", person="Ada")
    await tour.see("admin-allowance-end", "admin allowance end", grant=1)
    await tour.see("admin-invites", "admin invite list", competition="class")
    await machine(app, "lab-box")
    await tour.see("admin-fleet", "admin fleet")
    await tour.see("admin-drain", "admin drain", machine="lab-box")
    await tour.see("admin-audit", "admin audit")


async def test_every_card_is_drawn_and_shown_in_the_documents_as_it_is_now(
    discord: LoopbackDiscord, process: BotProcess, app: App, shelf: Path
) -> None:
    held = championship(), by_invitation()
    await published(app, shelf, *held, sprint())
    guild = discord.guild()
    guild.features.append("COMMUNITY")
    discord.pace = False
    channel = discord.text_channel(guild, "submissions")
    announcements = discord.text_channel(guild, "announcements")
    category = discord.category(guild, "Competitions")
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await guilds.change(
        app, admin.user_id, guild.id,
        announcements_channel=announcements.id, competitions_category=category.id,
    )  # fmt: skip
    await what_came_before(app)
    await process.start()
    tour = Tour(discord, app, channel, discord.person(guild, "ada", "Ada"))

    await finding_out(tour)
    await before_anything_judges(tour)
    async with a_worker(app):
        await submitting(tour)
        await results(tour)
        await looking_around(tour)
        await what_else_comes_of_it(tour)
        await going_wrong(tour)
        await on_several_gpus(tour, announcements)
        await in_a_freeze(tour, announcements, shelf, *held)
        await in_the_server(tour, announcements, category)
        await devices_come_and_go(tour, announcements)
        await on_arrival(tour)
        await organizing(tour)

    drawn = tour.files()
    for name, picture in tour.pictures.items():
        ET.fromstring(picture)
        assert "&lt;@" not in picture, name
    assert not re.search(r"<[@#t]|\b\d{17,}\b", drawn[TRANSCRIPT]), "what nobody would read"
    if folder := os.environ.get("TOUR_PICTURES"):
        write(Path(folder), drawn)
    shown = set(re.findall(r"\(discord/([\w-]+)\.svg\)", PAGE.read_text()))
    assert shown == set(tour.pictures)
    old = ", ".join(outdated(FOLDER, drawn))
    assert not old, f"not as the bot shows it now: {old}. Drawn anew by: {DRAW}"


def test_what_is_not_as_it_is_drawn_now_is_named(tmp_path: Path) -> None:
    def shown(shade: int, words: str = "a") -> str:
        held = io.BytesIO()
        Image.new("RGB", (4, 4), (shade, shade, shade)).save(held, "PNG")
        return f"{words} 'data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}'"

    kept = {"same": shown(9), "edges": shown(9), "words": shown(9), "image": shown(9), "gone": "a"}
    write(tmp_path, kept)
    now_drawn = {
        "same": shown(9), "edges": shown(10), "words": shown(9, "b"), "image": shown(90), "new": "a",
    }  # fmt: skip

    assert outdated(tmp_path, now_drawn) == ["gone", "image", "new", "words"]
