"""``/admin fleet`` and what takes machines and devices out or lets them in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ui import Button, DynamicItem, View

from kernelbot import report
from kernelbot.bot import choosing
from kernelbot.bot.admin import choices, confirm
from kernelbot.bot.door import Interaction, administrator, conclude, ctx_of, defer, defer_change
from kernelbot.bot.errors import Declined, guarded
from kernelbot.bot.limits import FIELD_VALUE
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, Post, fitted
from kernelbot.bot.text import cut_markdown, plain, relative
from kernelbot.bot.views import without_memory
from kernelbot.domain.people import Actor
from kernelbot.domain.reasons import MAX_REASON_CHARACTERS, bounded_reason
from kernelbot.services import machines, runners
from kernelbot.services.machines import DeviceView, FleetView, MachineView, UnderWay

SHOWN = 8
"""Machines and devices on a page, and runs under way."""

Reason = app_commands.Range[str, 1, MAX_REASON_CHARACTERS]
Runner = app_commands.Range[str, 1, 64]
DeviceId = app_commands.Range[int, 1]


# --- seeing --------------------------------------------------------------------------------------


@app_commands.command(name="fleet", description="Machines, health, drift, and what runs")
async def fleet(interaction: Interaction) -> None:
    await defer(interaction)
    await _show(interaction, await administrator(interaction), 0)


async def _show(interaction: Interaction, admin: Actor, number: int) -> None:
    ctx = ctx_of(interaction)
    found = await machines.fleet(ctx, admin)
    running = await machines.under_way(ctx, admin, SHOWN + 1)
    pages = max(1, -(-(len(found.machines) + len(found.devices)) // SHOWN))
    number = min(number, pages - 1)
    turns = View(timeout=None)
    for label, step in ((say("page.back"), number - 1), (say("page.next"), number + 1)):
        if 0 <= step < pages:
            turns.add_item(_turn(step, label))
    post = _page(found, running, number, pages)
    await interaction.edit_original_response(**post.editing(), view=without_memory(turns))


def _turn(page: int, label: str) -> Button[Any]:
    style = discord.ButtonStyle.secondary
    return Button(label=label, style=style, custom_id=f"kb:fleet:{page}")


class FleetButton(DynamicItem[Button[Any]], template=r"kb:fleet:(?P<page>[0-9]{1,6})"):
    """Turns to a page of the fleet, in the message it stands under."""

    def __init__(self, page: int) -> None:
        super().__init__(_turn(page, "·"))
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(int(match["page"]))

    @guarded
    async def callback(self, interaction: Interaction) -> None:
        await defer_change(interaction)
        await _show(interaction, await administrator(interaction), self.page)


def _page(found: FleetView, running: Sequence[UnderWay], number: int, pages: int) -> Post:
    embed = discord.Embed(title=say("fleet.title"), colour=BLUE)
    lines = [_machine(item) for item in found.machines]
    lines += [_device(item, found) for item in found.devices]
    for name, value in lines[number * SHOWN : (number + 1) * SHOWN]:
        embed.add_field(name=name, value=value, inline=False)
    if not lines:
        embed.description = say("fleet.none")
    if running and number == 0:
        told = [_run(item) for item in running[:SHOWN]]
        told += [say("fleet.run.more")] if len(running) > SHOWN else []
        text = cut_markdown("\n".join(told), FIELD_VALUE)
        embed.add_field(name=say("fleet.running"), value=text, inline=False)
    embed.set_footer(text=say("fleet.footer", page=number + 1, pages=pages))
    return Post(embeds=(fitted(embed),))


def _machine(item: MachineView) -> tuple[str, str]:
    slots = ", ".join(f"{plain(gpu, 30)} {count}" for gpu, count in item.slots.items()) or "–"
    lines = [say("fleet.machine", running=item.running, slots=slots)]
    if item.elsewhere:
        names = ", ".join(plain(gpu, 30) for gpu in item.elsewhere)
        lines.append(say("fleet.elsewhere", names=names))
    if item.trouble:
        lines.append(say("fleet.trouble", trouble=plain(item.trouble, 300)))
    if not item.trusted:
        lines.append(say("fleet.untrusted"))
    if not item.current:
        lines.append(say("fleet.stale"))
    if item.seen_at is not None:
        lines.append(say("fleet.seen", when=relative(item.seen_at)))
    kind = say(f"fleet.kind.{item.kind}")
    state = say(f"fleet.state.{item.state}")
    return f"{plain(item.name, 80)} ({kind}): {state}", "\n".join(lines)


def _device(item: DeviceView, found: FleetView) -> tuple[str, str]:
    drift = found.drift[item.id]
    shares, goods = [share for share, _ in drift], [good for _, good in drift]
    lines = [
        say(
            "fleet.device",
            of=plain(item.runner or item.host, 80),
            drift=report.spark(shares, goods),
        )
    ]
    if item.reason:
        lines.append(say("fleet.trouble", trouble=plain(item.reason, 300)))
    elif item.canary_reason:
        lines.append(say("fleet.trouble", trouble=plain(item.canary_reason, 300)))
    if item.canary_at is not None:
        lines.append(say("fleet.canary", when=relative(item.canary_at)))
    return f"{_called(item)}: {say(f'fleet.state.{item.state}')}", "\n".join(lines)


def _called(item: DeviceView) -> str:
    return say("fleet.device.name", id=item.id, name=plain(item.name, 80))


def _run(item: UnderWay) -> str:
    return say(
        "fleet.run",
        id=item.submission_id,
        board=plain(item.leaderboard, 60),
        mode=item.mode,
        gpu=plain(item.gpu, 30),
        machine=plain(item.machine or "–", 60),
        time=report.duration_text(item.so_far_s),
        progress=plain(item.progress or "–", 40),
    )


# --- machines ------------------------------------------------------------------------------------


@choices.for_administrators
async def names(interaction: Interaction, typed: str) -> list[Choice[str]]:
    found = await runners.listed(ctx_of(interaction), await administrator(interaction))
    named = [choosing.Choice(f"{item.name}: {item.state}", item.name) for item in found]
    return choices.offers(choosing.matching(named, typed))


@app_commands.command(name="drain", description="Have a machine end what it has, take no more")
@app_commands.describe(machine="Which")
@app_commands.autocomplete(machine=names)
async def drain(interaction: Interaction, machine: Runner) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    found = await runners.listed(ctx_of(interaction), admin)
    known = next((item for item in found if item.name == machine), None)
    if known is None:
        raise await _not_drained(interaction, admin, machine)
    kinds = ", ".join(plain(gpu, 30) for gpu in known.targets)
    effect = say("fleet.drain.ask", name=plain(known.name, 64), gpus=kinds, running=known.running)
    await confirm.ask(interaction, admin, "fleet.drain", effect, machine=known.name)


async def _not_drained(interaction: Interaction, admin: Actor, name: str) -> Declined:
    """What is no agent takes no word from here: a worker is a process of whoever started it."""
    there = (await machines.fleet(ctx_of(interaction), admin)).machines
    worker = next((item for item in there if item.kind == "worker" and item.name == name), None)
    if worker is None:
        return Declined(say("fleet.unknown", name=plain(name, 64)))
    return Declined(say("fleet.is_worker", name=plain(name, 64)))


@confirm.act("fleet.drain")
async def _drain(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    await runners.drain(ctx_of(interaction), admin, values["machine"], drained=True)
    return say("fleet.drain.done", name=plain(values["machine"], 64))


@app_commands.command(name="undrain", description="Let a machine take work again")
@app_commands.describe(machine="Which")
@app_commands.autocomplete(machine=names)
async def undrain(interaction: Interaction, machine: Runner) -> None:
    await defer(interaction)
    ctx, admin = ctx_of(interaction), await administrator(interaction)
    if machine not in {item.name for item in await runners.listed(ctx, admin)}:
        raise await _not_drained(interaction, admin, machine)
    await runners.drain(ctx, admin, machine, drained=False)
    await conclude(interaction, say("fleet.undrain.done", name=plain(machine, 64)))


# --- devices -------------------------------------------------------------------------------------


@choices.for_administrators
async def devices(interaction: Interaction, typed: str) -> list[Choice[int]]:
    found = await machines.listed(ctx_of(interaction), await administrator(interaction))
    named = [
        choosing.Choice(
            f"{item.id}: {item.name}, {item.runner or item.host}, {item.state}", str(item.id)
        )
        for item in found
    ]
    return [
        Choice(name=item.name, value=int(item.value)) for item in choosing.matching(named, typed)
    ]


@app_commands.command(name="quarantine-device", description="Give a device no more runs")
@app_commands.describe(device="Its number", reason="For the log; everybody is told it is out")
@app_commands.autocomplete(device=devices)
async def take_out(interaction: Interaction, device: DeviceId, reason: Reason) -> None:
    await _ask_device(interaction, "device.out", device, reason)


@app_commands.command(name="release-device", description="Let a device take runs again")
@app_commands.describe(device="Its number", reason="For the log")
@app_commands.autocomplete(device=devices)
async def let_in(interaction: Interaction, device: DeviceId, reason: Reason) -> None:
    await _ask_device(interaction, "device.in", device, reason)


async def _ask_device(interaction: Interaction, act: str, device: int, reason: str) -> None:
    await defer(interaction)
    admin = await administrator(interaction)
    bounded_reason(reason)
    found = await machines.device(ctx_of(interaction), admin, device)
    effect = say(
        f"{act}.ask",
        device=_called(found),
        of=plain(found.runner or found.host, 80),
        state=say(f"fleet.state.{found.state}"),
    )
    await confirm.ask(interaction, admin, act, effect, device=device, reason=reason)


@confirm.act("device.out")
async def _take_out(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    ctx, device = ctx_of(interaction), values["device"]
    followed = await machines.quarantine(ctx, admin, device, values["reason"])
    done = say("device.out.done", id=device)
    return done if followed else f"{done}\n{say('device.out.later')}"


@confirm.act("device.in")
async def _let_in(interaction: Interaction, admin: Actor, values: Mapping[str, Any]) -> str:
    await machines.release(ctx_of(interaction), admin, values["device"], values["reason"])
    return say("device.in.done", id=values["device"])


COMMANDS: tuple[app_commands.Command[Any, ..., None], ...] = (
    fleet,
    drain,
    undrain,
    take_out,
    let_in,
)
DYNAMIC = (FleetButton,)
