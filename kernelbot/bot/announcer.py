"""What the outbox has for Discord, told exactly once across crashes of ours and of Discord's.

An announcement is claimed, sent and acknowledged. Whoever claims it a second time cannot know how
far the first one came, so looks for the message in the channel before sending.
"""

from __future__ import annotations

from collections.abc import Sequence

import discord
import structlog

from kernelbot.bot import delivery, render
from kernelbot.bot.cards import Cards
from kernelbot.bot.outbox import Teller
from kernelbot.services import announce
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement

TOPICS = ("podium", "reveal", "finished", "decided", "notice")
AT_ONCE = 20

log = structlog.get_logger()


class CannotTell(Exception):
    """There is nowhere to say it; the words are for the operator."""


class Announcer(Teller):
    what, topics, at_once = "announcements", TOPICS, AT_ONCE
    hold_s, patience_s, look_every_s = 20.0, 15.0, 2.0
    retry_s, longest_retry_s = 5.0, 300.0

    def __init__(self, client: discord.Client, ctx: Context, cards: Cards) -> None:
        super().__init__(client, ctx)
        self._cards = cards

    async def told(self, item: Announcement) -> str:
        if item.topic == "finished":
            reached = await self._cards.finish(int(item.payload["submission_id"]))
            return "shown" if reached else "unreachable"
        if item.topic == "decided":
            reached = await self._cards.decided(
                int(item.payload["submission_id"]),
                int(item.payload["run_id"]),
                render.decision_key(item.id),
                since=item.created_at,
                again=item.attempt > 1,
            )
            return "shown" if reached else "unreachable"
        return await self._post(item)

    # --- podiums ---------------------------------------------------------------------------------

    async def _post(self, item: Announcement) -> str:
        """In the channel of that name in every guild; the ids of the messages."""
        post = _worded(item)
        wanted = item.payload["channel"] or self._ctx.settings.discord_channel
        sent, refused = [], []
        for channel in self._channels(wanted):
            try:
                self._check(channel, again=item.attempt > 1)
                message = await delivery.send_once(
                    channel,
                    post,
                    channel.guild.me.id,
                    since=item.created_at,
                    again=item.attempt > 1,
                )
                sent.append(str(message.id))
            except (CannotTell, discord.Forbidden, discord.NotFound) as error:
                refused.append(f"#{channel.name} in {channel.guild.name}: {error}")
        if not sent:
            raise CannotTell("; ".join(refused) or f"no guild has a text channel {wanted!r}")
        for words in refused:  # one guild that shuts us out must not repeat it in the others
            log.warning("an announcement was refused", announcement=item.id, trouble=words)
        return " ".join(sent)

    def _channels(self, wanted: str) -> Sequence[discord.TextChannel]:
        found = []
        for guild in self._client.guilds:
            fitting = [
                channel
                for channel in guild.text_channels
                if channel.name == wanted or str(channel.id) == wanted
            ]
            found += fitting[:1]
        return found

    def _check(self, channel: discord.TextChannel, *, again: bool) -> None:
        """Name what is missing. Without the history Discord shows an empty channel, not a refusal,
        and what was said before would be said again.
        """
        may = channel.permissions_for(channel.guild.me)
        needed = {
            "View Channel": may.view_channel,
            "Send Messages": may.send_messages,
            "Embed Links": may.embed_links,
            "Read Message History": may.read_message_history or not again,
        }
        missing = [name for name, given in needed.items() if not given]
        if missing:
            raise CannotTell(f"the bot lacks {', '.join(missing)}")


def _worded(item: Announcement) -> render.Post:
    key = render.notice_key(item.id)
    if item.topic == "reveal":
        return render.reveal(announce.reveal(item), key)
    if item.topic == "notice":
        return render.notice(str(item.payload["text"]), out=item.payload["state"] == "out", key=key)
    return render.podium(announce.podium(item), key)
