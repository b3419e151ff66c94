"""The bot as Discord's client: what it asks for, what it offers, what runs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.http import Route

from kernelbot.bot import (
    actions,
    admin,
    competitions,
    door,
    errors,
    forms,
    leaderboard,
    link,
    me,
    messages,
    paste,
    permissions,
    rest,
    servers,
    setup,
    submissions,
    submit,
    views,
    whereto,
)
from kernelbot.bot.announcer import Announcer
from kernelbot.bot.autocomplete import Index
from kernelbot.bot.cards import Cards
from kernelbot.bot.desk import Desk, Told
from kernelbot.bot.door import Interaction
from kernelbot.bot.notices import Notices
from kernelbot.bot.pictures import Pictures
from kernelbot.bot.places import Places
from kernelbot.services.context import Context

LONGEST_RATE_LIMIT_S = 60.0

log = structlog.get_logger()

# The bot never speaks, so what voice would need is not worth a warning at each start.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


class Translator(app_commands.Translator):
    """What commands are called in other languages, out of the catalogue."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        words = messages.COMMANDS.get(locale.value) or messages.COMMANDS.get(
            locale.value.split("-")[0], {}
        )
        return words.get(string.message)


class Tree(app_commands.CommandTree[discord.Client]):
    async def interaction_check(self, interaction: Interaction, /) -> bool:
        door.speak(interaction)
        return True

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("a completion failed", error=repr(error))
        else:
            await errors.tell(interaction, error)


class Bot(discord.Client):
    """Sees guilds and interactions, nothing else: no message content, no members, no pings."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=LONGEST_RATE_LIMIT_S,
            http_trace=rest.trace(lambda: self.http._global_over.set()),
        )
        self.ctx = ctx
        self.index = Index(ctx)
        self.pictures = Pictures(ctx)
        self.places = Places(self, ctx)
        self.cards = Cards(self, ctx, self.places)
        self.announcer = Announcer(self, ctx, self.cards)
        self.notices = Notices(self, ctx, self.places)
        self.desk = Desk(self, ctx)
        self.told = Told(self, ctx)
        self.tree = Tree(
            self,
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        commands: tuple[Any, ...] = (
            *submit.COMMANDS,
            *leaderboard.COMMANDS,
            *competitions.COMMANDS,
            *submissions.COMMANDS,
            *me.COMMANDS,
            *link.COMMANDS,
            *paste.MENUS,
            *setup.COMMANDS,
            admin.GROUP,
        )
        for command in commands:
            self.tree.add_command(command)
        self.add_dynamic_items(
            *views.DYNAMIC,
            *actions.DYNAMIC,
            *me.DYNAMIC,
            *link.DYNAMIC,
            *submissions.DYNAMIC,
            *whereto.DYNAMIC,
            *competitions.DYNAMIC,
            *setup.DYNAMIC,
            *admin.DYNAMIC,
        )

    async def on_interaction(self, interaction: Interaction) -> None:
        await forms.received({**paste.FORMS, **me.FORMS, **admin.FORMS}, interaction)

    async def on_ready(self) -> None:
        assert self.application_id is not None, "after the login"
        link = permissions.invite(self.application_id)
        log.info("at Discord", bot=str(self.user), guilds=len(self.guilds), invite=link)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await servers.joined(self.ctx, guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        await servers.left(guild)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.desk.changed(channel.guild.id, channel.id)
        await servers.deleted(self.ctx, channel)

    async def on_guild_channel_update(
        self, _: discord.abc.GuildChannel, now: discord.abc.GuildChannel
    ) -> None:
        self.desk.changed(now.guild.id, now.id)

    async def on_guild_role_update(self, _: discord.Role, now: discord.Role) -> None:
        self.desk.changed(now.guild.id)

    async def on_member_update(self, _: discord.Member, now: discord.Member) -> None:
        """Of ourselves only: of no other does Discord tell without the intent for members."""
        self.desk.changed(now.guild.id)

    async def on_guild_update(self, _: discord.Guild, now: discord.Guild) -> None:
        self.desk.changed(now.id)

    async def on_raw_thread_delete(self, gone: discord.RawThreadDeleteEvent) -> None:
        self.desk.changed(gone.guild_id, gone.thread_id)

    async def run_beside(self) -> None:
        """What goes on while the client is logged in: cards, announcements, completion, commands."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.cards.run(), name="cards")
            tasks.create_task(self.announcer.run(), name="announcer")
            tasks.create_task(self.notices.run(), name="notices")
            tasks.create_task(self.desk.run(), name="desk")
            tasks.create_task(self.told.run(), name="told")
            tasks.create_task(self.index.run(), name="index")
            tasks.create_task(self._sync_insistently(), name="sync")

    async def _sync_insistently(self) -> None:
        pause = 1.0
        while True:
            try:
                await self.sync()
            except (*rest.NO_ANSWER, app_commands.AppCommandError) as error:
                log.warning("commands are not registered yet", error=repr(error), again_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, rest.LONGEST_PAUSE_S)
            else:
                return

    async def sync(self) -> bool:
        """Register the commands if they differ from what Discord has; whether they did."""
        assert self.application_id is not None, "after the login"
        if self.tree.translator is None:
            await self.tree.set_translator(Translator())
        translator = self.tree.translator
        assert translator is not None, "it was just set"
        offered = [
            await command.get_translated_payload(self.tree, translator)
            for command in self.tree.get_commands()
        ]
        route = Route(
            "GET", "/applications/{application_id}/commands", application_id=self.application_id
        )
        # Without being asked Discord leaves the other languages out.
        known = await self.http.request(route, params={"with_localizations": "true"})
        if _by_name(offered) == _by_name(known):
            return False
        await self.tree.sync()
        log.info("commands registered", commands=len(offered))
        return True


DEFINING = (
    "type", "description", "options", "required", "choices", "value", "autocomplete", "min_value",
    "max_value", "min_length", "max_length", "channel_types", "contexts", "integration_types",
    "default_member_permissions", "nsfw",
)  # fmt: skip
LOCALIZED = ("name_localizations", "description_localizations")


def _by_name(commands: Iterable[Any]) -> dict[tuple[Any, Any], Any]:
    """A menu's entry may be called what a command is called."""
    return {(command.get("type", 1), command["name"]): _defined(command) for command in commands}


def _defined(commands: Any) -> Any:
    """Command definitions without what Discord adds or leaves out, ready to be compared."""
    if isinstance(commands, Mapping):
        kept = {key: _defined(commands[key]) for key in DEFINING if _says(commands.get(key))}
        kept |= {key: dict(commands[key]) for key in LOCALIZED if commands.get(key)}
        return {"name": commands.get("name"), **kept}
    if isinstance(commands, list | tuple):
        items = [_defined(item) for item in commands]
        # Options and choices have an order; contexts and the like are sets.
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    if isinstance(commands, float) and commands.is_integer():
        return str(int(commands))
    return str(commands)


def _says(value: Any) -> bool:
    """Nothing, no and an empty list are the same as not a word; a zero is a bound, a value, or no permission."""
    return value is not None and value is not False and value not in ("", [], ())
