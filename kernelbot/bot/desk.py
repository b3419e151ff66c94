"""What servers show of competitions, kept as it should be for as long as the bot runs.

What should be there and what was made of it is in Postgres; this only carries it out, so a restarted bot goes on where
the last one was, and of two bots one at a time sees to a competition in a server.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import discord
import structlog

from kernelbot.bot import delivery, desk_posts, desk_things, render, rest
from kernelbot.bot.desk_things import CannotShow, Workplace
from kernelbot.bot.messages import LOCALE, say
from kernelbot.bot.outbox import Teller, check
from kernelbot.domain import desk as rules
from kernelbot.domain.desk import Card, Step
from kernelbot.services import announce
from kernelbot.services import desk as service
from kernelbot.services.context import Context
from kernelbot.services.desk import Beside, DeskView, NotOurs, Turn
from kernelbot.services.views import Announcement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOK_S = 5.0
PLAN_EVERY_S = 30.0
COMPARE_EVERY = timedelta(minutes=10)
"""With what is really there, which tells what people deleted while nobody heard of it."""
AT_ONCE = 4
PATIENCE_S = 40.0
"""For one step: less than a turn is held."""

TOO_MANY_EDITS = 30046
"""Of messages older than an hour in a channel."""
REST_S = 60.0
"""What a channel gets where Discord has had enough, or does not let us in."""

log = structlog.get_logger()


@dataclass
class _Done:
    """What has come of a turn."""

    troubles: list[str] = field(default_factory=list)
    lasts: bool = False  # somebody has to do something about them
    compared: bool = False
    missed: bool = False  # something was not there

    def went_wrong(self, words: str, *, lasts: bool) -> None:
        self.lasts |= lasts
        if words not in self.troubles:
            self.troubles.append(words)


class Desk:
    """``run`` for ever; ``changed`` when something in a server is not as it was."""

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._changed: set[int] = set()
        self._planned = -PLAN_EVERY_S
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._edits = asyncio.Semaphore(AT_ONCE)

    def changed(self, guild_id: int) -> None:
        """Somebody has deleted or changed channels there: compare soon."""
        self._changed.add(guild_id)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._for_ever(self.see_to_all), name="desk-things")
            tasks.create_task(self._for_ever(self.see_to_cards), name="desk-cards")

    async def _for_ever(self, look: Callable[[], Awaitable[int]]) -> None:
        rest.UNHURRIED.set(True)
        while True:
            await self._client.wait_until_ready()
            try:
                await look()
            except Exception as error:
                log.warning("what servers show waits", error=repr(error))
            await asyncio.sleep(LOOK_S)

    async def _survey(self) -> tuple[DeskView, ...]:
        there = [guild.id for guild in self._client.guilds if not guild.unavailable]
        return await service.survey(self._ctx, there) if there else ()

    # --- things ------------------------------------------------------------------------------------

    async def see_to_all(self) -> int:
        """Make, change and drop what is not as it should be; in how many places there was something to do."""
        if self._changed:
            changed, self._changed = self._changed, set()
            await service.look_again(self._ctx, changed)
        desks = await self._survey()
        if time.monotonic() - self._planned >= PLAN_EVERY_S:
            await service.plan_moments(self._ctx, desks)
            self._planned = time.monotonic()
        due = []
        for desk in desks:
            if desk.free and self._is_due(desk):
                due.append(desk)
            await asyncio.sleep(0)  # with many it takes a while, and people wait for answers
        await asyncio.gather(*(self._see_to(desk) for desk in due))
        return len(due)

    def _is_due(self, desk: DeskView) -> bool:
        self._speak(desk.guild_id)
        wanted = desk_things.wanted(desk, self._me)
        return bool(rules.plan(wanted, desk.things, desk.at)) or self._compares(desk)

    def _compares(self, desk: DeskView) -> bool:
        old = desk.compared_at is None or desk.at - desk.compared_at > COMPARE_EVERY
        return desk.begun and (old or desk.new_settings)

    async def _see_to(self, desk: DeskView) -> None:
        async with self._turns:
            turn = await service.take(self._ctx, desk)
            guild = self._client.get_guild(desk.guild_id)
            if turn is None or guild is None:
                return
            self._speak(guild.id)
            try:
                done = await self._done(Workplace(self._client, self._ctx, guild, turn), turn)
                pause = await service.leave(
                    self._ctx, turn, " ".join(done.troubles), lasts=done.lasts,
                    compared=done.compared,
                )  # fmt: skip
            except NotOurs:
                log.warning("a turn was over before its work", guild=guild.id)
                return
            except Exception as error:  # it is free again by itself when its hold ends
                log.exception("a turn has failed", guild=guild.id, error=repr(error))
                return
        if done.missed and not done.compared:
            self.changed(guild.id)
        for trouble in done.troubles:
            name = desk.competition.name
            log.warning(
                "a server cannot show a competition", guild=guild.id, competition=name,
                trouble=trouble, again_in_s=pause,
            )  # fmt: skip

    async def _done(self, place: Workplace, turn: Turn) -> _Done:
        """Carry out the plan, and what it leads to."""
        done = _Done()
        if self._compares(turn.desk):
            done.compared = await self._tried(place.compare(), done)
        tried: set[Step] = set()
        while True:
            steps = place.plan(await service.again(self._ctx, turn))
            step = next((item for item in steps if item not in tried), None)
            if step is None:
                return done
            tried.add(step)
            await self._tried(place.do(step), done)

    async def _tried(self, work: Awaitable[None], done: _Done) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await work
        except CannotShow as error:
            done.went_wrong(str(error), lasts=True)
        except (*rest.NO_ANSWER, TimeoutError) as error:
            what = render.plain(str(error) or type(error).__name__, 200)
            lasts = isinstance(error, discord.HTTPException) and error.status < 500
            done.missed |= isinstance(error, discord.NotFound)
            done.went_wrong(say("desk.trouble.refused", what=what), lasts=lasts)
        else:
            return True
        return False

    def _speak(self, guild_id: int) -> None:
        """From here on, in this task, in the language of this server."""
        speak(self._client.get_guild(guild_id))

    @property
    def _me(self) -> int:
        return self._client.user.id if self._client.user else 0

    # --- cards -------------------------------------------------------------------------------------

    async def see_to_cards(self) -> int:
        """Edit the cards that show something old and may be edited again; how many."""
        desks = {
            (desk.guild_id, desk.competition_id): desk
            for desk in await self._survey()
            if desk.shown
        }
        cards: list[Card] = []
        for desk in desks.values():
            cards += self._cards(desk)
            await asyncio.sleep(0)
        due = rules.due_cards(cards, next(iter(desks.values())).at) if cards else ()
        await asyncio.gather(
            *(self._edit(desks[card.guild_id, card.competition_id], card) for card in due)
        )
        return len(due)

    def _cards(self, desk: DeskView) -> list[Card]:
        self._speak(desk.guild_id)
        wanted = {key: desk_things.card_revision(desk, key) for key in desk.boards}
        return service.cards(desk, wanted)

    async def _edit(self, desk: DeskView, card: Card) -> None:
        async with self._edits:
            if not await service.take_card(self._ctx, card):
                return
            self._speak(desk.guild_id)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._show(desk, card)
            except discord.HTTPException as error:
                await self._refused(desk, card, error)
            except (discord.RateLimited, TimeoutError) as error:
                log.info("a live card rests", card=card.key, guild=card.guild_id, why=repr(error))
                await service.card_later(self._ctx, card, REST_S)
            except Exception as error:
                log.warning(
                    "a live card waits", card=card.key, guild=card.guild_id, error=repr(error)
                )

    async def _show(self, desk: DeskView, card: Card) -> None:
        post = await desk_things.card(self._ctx, desk, card.key)
        if post.digest != desk.things[card.key].words:
            await desk_things.edit(self._client, card.channel_id, card.message_id, post)
        await service.card_shown(self._ctx, card, post.digest)

    async def _refused(self, desk: DeskView, card: Card, error: discord.HTTPException) -> None:
        log.warning("a live card waits", card=card.key, guild=card.guild_id, error=str(error))
        if error.code == delivery.UNKNOWN_MESSAGE:
            thing = desk.things[card.key]
            await service.lost_message(self._ctx, card.guild_id, card.competition_id, thing)
        elif error.code == TOO_MANY_EDITS or error.code in delivery.UNREACHABLE:
            await service.card_later(self._ctx, card, REST_S)
        if error.code in delivery.UNREACHABLE:
            self.changed(card.guild_id)


def speak(guild: discord.Guild | None) -> None:
    if guild is not None:
        LOCALE.set(guild.preferred_locale.value)


class Told(Teller):
    """What is said beside a thing: records in the post of their leaderboard, reminders beside the rules."""

    what, topics, at_once = "posts", (service.TOPIC,), 20
    hold_s, patience_s = 40.0, 30.0
    look_every_s = 2.0
    retry_s, longest_retry_s = 10.0, 300.0
    in_order = 5

    async def told(self, item: Announcement) -> str:
        guild = self._client.get_guild(int(item.payload["guild_id"]))
        if guild is None:
            return "the bot is not there any more"
        speak(guild)
        found = await service.beside(self._ctx, item)
        post = None if found is None else await self._worded(item, found)
        me = self._client.user
        if found is None or post is None or me is None:
            return "not so any more"
        before = await announce.began(self._ctx, item.id, guild.id)
        try:
            if before is not None:
                await self._check(guild, found.place_id)
            message = await delivery.send_once(
                self._client.get_partial_messageable(found.place_id),
                post,
                me.id,
                since=before or found.since,
                again=before is not None,
            )
        except discord.HTTPException as error:
            if error.code == delivery.UNKNOWN_CHANNEL:
                return "its place is gone"
            raise
        return str(message.id)

    async def _check(self, guild: discord.Guild, place_id: int) -> None:
        """Whether it would be found there, if it was said before."""
        place = guild.get_channel_or_thread(place_id) or await guild.fetch_channel(place_id)
        check(place, ("read_message_history",))

    async def _worded(self, item: Announcement, found: Beside) -> render.Post | None:
        key = desk_posts.told_key(item.id)
        if found.topic == "moment":
            moment = await service.moment(self._ctx, found)
            return None if moment is None else desk_posts.moment(moment, key)
        told = replace(item, payload=found.payload["told"])
        if found.topic == "reveal":
            return render.reveal(announce.reveal(told), key)
        return render.podium(announce.podium(told), key)
