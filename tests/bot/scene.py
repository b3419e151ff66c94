"""A guild with a channel and a person, and the bot in it, simulated in this process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import discord
import simcord
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType

from kernelbot.app import App
from kernelbot.bot.client import Bot
from kernelbot.domain.people import ALL_SCOPES, Role
from kernelbot.services import identity
from kernelbot.storage import people
from tests import factories

FILE = ("kernel.py", factories.CODE)


@dataclass
class Scene:
    """A guild with a channel and a person, and the bot in it."""

    env: simcord.Env
    bot: Bot
    app: App
    guild: Any
    channel: Any
    ada: Any
    user: Any  # who Ada is outside of the guild
    faults: int = 0  # that the test provokes; any other is a failure of the bot

    async def submit(self, **options: Any) -> Any:
        values = {"file": FILE, "leaderboard": "vectoradd", "gpu": "CPU", "mode": "test"}
        return await self.ada.slash(self.channel, "submit", **{**values, **options})

    async def own(self) -> Any:
        """Ada as the services know her."""
        return await identity.person(self.app, "discord", str(self.ada.id), "ada", "discord")

    async def sees_admin(self) -> None:
        """The server's settings show /admin to Ada: whether she is an administrator, our database knows."""
        (command,) = (item for item in await self.bot.tree.fetch_commands() if item.name == "admin")
        self.guild.set_command_permissions(command, {self.ada: True})

    async def organizer(self) -> Any:
        """Ada is an administrator from now on."""
        await self.sees_admin()
        actor = await self.own()
        async with self.app.database.transaction() as connection:
            await people.set_role(connection, actor.user_id, Role.ADMIN.value)
        return replace(actor, role=Role.ADMIN, scopes=ALL_SCOPES)

    async def slash(self, command: str, /, **options: Any) -> Any:
        return await self.ada.slash(self.channel, command, **options)

    async def typed(self, command: str, option: str, value: str, **filled: str) -> list[str]:
        """What is offered while Ada types."""
        found = await self.ada.autocomplete(self.channel, command, option, value, **filled)
        return [choice["value"] for choice in found]

    async def judged(self, mode: str, ns: float = 1e6, **options: Any) -> discord.Message:
        """A submission of Ada's that has passed; its result in her thread."""
        await self.submit(mode=mode, **options)
        held = await factories.judge_one(self.app, factories.make_verdict(ns=ns))
        await self.bot.cards.refresh(held.submission_id)
        return self.in_threads()[-1]

    def let_manage(self) -> None:
        """From now on Ada manages the server."""
        role = self.guild.create_role("staff", permissions=discord.Permissions(manage_guild=True))
        self.env.backend.add_member_role(self.guild.id, self.ada.id, role.id)

    def in_threads(self) -> list[discord.Message]:
        return [message for thread in self.channel.threads for message in thread.history()]


def words(message: Any) -> str:
    """Everything a reader sees of a message."""
    parts = [message.content or ""]
    for embed in message.embeds:
        parts += [embed.title or "", embed.description or "", embed.footer.text or ""]
        parts += [f"{field.name}: {field.value}" for field in embed.fields]
    return "\n".join(parts)


def labels(message: Any) -> list[str]:
    """What stands on the buttons under a message, and the names of its menus."""
    rows = message.components
    found = [item for row in rows for item in getattr(row, "children", None) or row["components"]]
    return [
        item.get("label") or item["placeholder"] if isinstance(item, dict) else item.label
        for item in found
    ]


def deny(scene: Scene, channel: Any, **names: bool) -> None:
    """Forbid the bot something in a channel: ``send_messages=True``."""
    denied = discord.Permissions(**names).value
    overwrite = Overwrite(scene.guild.me.id, OverwriteType.MEMBER, deny=denied)
    scene.env.backend.set_overwrite(channel.id, overwrite)


def allow(scene: Scene, channel: Any) -> None:
    """Take back what was forbidden."""
    scene.env.backend.delete_overwrite(channel.id, scene.guild.me.id)
