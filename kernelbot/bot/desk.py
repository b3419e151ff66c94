"""What servers show of competitions, kept as it should be for as long as the bot runs.

What should be there and what was made of it is in Postgres; this only carries it out, so a restarted bot goes on where
the last one was, and of two bots one at a time sees to a competition in a server.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import discord
import structlog

from kernelbot.bot import (
    announcement_posts,
    delivery,
    desk_posts,
    desk_things,
    permissions,
    rest,
)
from kernelbot.bot.desk_things import CannotShow, Seen, Workplace
from kernelbot.bot.messages import LOCALE, say
from kernelbot.bot.outbox import CannotTell, Teller, check
from kernelbot.bot.post import Post
from kernelbot.bot.text import plain
from kernelbot.domain import desk as rules
from kernelbot.domain.desk import Card, Step
from kernelbot.services import announce
from kernelbot.services import desk as service
from kernelbot.services.context import Context
from kernelbot.services.desk import Beside, DeskView, NotOurs, Turn
from kernelbot.services.views import Announcement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

LOOK_S = 5.0
PLAN_EVERY_S = 30.0
AT_ONCE = 12
"""Servers; of each one thing after the other, so that one that hangs takes one place."""
PATIENCE_S = 40.0
"""For one step: less than a turn or a card is held."""

REFUSED_FOR = timedelta(days=1)
"""What a server does not let be said in it for so long is no news there; its card shows how things stand."""

TOO_MANY_EDITS = 30046
"""Of messages older than an hour in a channel."""

log = structlog.get_logger()


@dataclass
class _Done:
    """What has come of a turn."""

    troubles: list[str] = field(default_factory=list)
    lasts: bool = False  # somebody has to do something about them
    compared: bool = False
    missed: bool = False  # something was not there
    cut_off: bool = False  # Discord does not answer: it is left alone

    def went_wrong(self, words: str, *, lasts: bool) -> None:
        self.lasts |= lasts
        if words not in self.troubles:
            self.troubles.append(words)


class Desk:
    """``run`` for ever; ``changed`` when something in a server is not as it was."""

    def __init__(self, client: discord.Client, ctx: Context) -> None:
        self._client = client
        self._ctx = ctx
        self._changed: dict[int, set[int]] = {}
        self._planned = -PLAN_EVERY_S
        self._seen_to: dict[int, asyncio.Task[None]] = {}
        self._edited: dict[int, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._edits = asyncio.Semaphore(AT_ONCE)

    def changed(self, guild_id: int, *places: int) -> None:
        """Somebody has deleted or changed these channels there, or who may do what anywhere: compare soon."""
        known = self._changed.get(guild_id, set(places))
        # An empty set is everything.
        self._changed[guild_id] = known | set(places) if known and places else set()

    async def run(self) -> None:
        rest.UNHURRIED.set(True)
        try:
            while True:
                await self._client.wait_until_ready()
                try:
                    await self._look()
                except Exception as error:
                    log.warning("what servers show waits", error=repr(error))
                await asyncio.sleep(LOOK_S)
        finally:
            for task in (*self._seen_to.values(), *self._edited.values()):
                task.cancel()

    async def _look(self) -> None:
        """Begin whatever is due; nothing waits for its end."""
        desks = await self._survey()
        await self._begin_turns(desks)
        await self._begin_edits(desks)

    async def _survey(self) -> tuple[DeskView, ...]:
        there = [guild.id for guild in self._client.guilds if not guild.unavailable]
        while self._changed:
            guild_id, places = self._changed.popitem()
            await service.look_again(self._ctx, guild_id, places)
        return await service.survey(self._ctx, there) if there else ()

    # --- things ------------------------------------------------------------------------------------

    async def see_to_all(self) -> int:
        """Make, change and drop what is not as it should be, until that is done; in how many servers there
        was something to do."""
        return await _ended(await self._begin_turns(await self._survey()))

    async def _begin_turns(self, desks: Sequence[DeskView]) -> list[asyncio.Task[None]]:
        if time.monotonic() - self._planned >= PLAN_EVERY_S:
            await service.plan_moments(self._ctx, desks)
            self._planned = time.monotonic()
        due: dict[int, list[DeskView]] = {}
        for desk in desks:
            if desk.free and desk.guild_id not in self._seen_to and self._is_due(desk):
                due.setdefault(desk.guild_id, []).append(desk)
            await asyncio.sleep(0)  # with many it takes a while, and people wait for answers
        return [
            _begun(self._seen_to, guild_id, self._see_to_server(found))
            for guild_id, found in due.items()
        ]

    def _is_due(self, desk: DeskView) -> bool:
        self._speak(desk.guild_id)
        wanted = desk_things.wanted(desk, self._me)
        return bool(rules.plan(wanted, desk.things, desk.at)) or desk.compares

    async def _see_to_server(self, desks: Sequence[DeskView]) -> None:
        seen = Seen(self._client, desks[0].guild_id)
        for desk in desks:
            async with self._turns:
                try:
                    await self._see_to(desk, seen)
                except NotOurs:
                    log.warning("a turn was over before its work", guild=desk.guild_id)
                except Exception as error:  # it is free again by itself when its hold ends
                    log.exception("a turn has failed", guild=desk.guild_id, error=repr(error))

    async def _see_to(self, desk: DeskView, seen: Seen) -> None:
        turn = await service.take(self._ctx, desk)
        guild = self._client.get_guild(desk.guild_id)
        if turn is None or guild is None:
            return
        self._speak(guild.id)
        done = await self._done(Workplace(self._client, self._ctx, guild, turn, seen), turn)
        pause = await service.leave(
            self._ctx, turn, " ".join(done.troubles), lasts=done.lasts, compared=done.compared
        )
        if done.missed and not done.compared:
            home = service.forum(turn.desk)
            self.changed(guild.id, *([home.place_id] if home and home.place_id else []))
        for trouble in done.troubles:
            name = desk.competition.name
            log.warning(
                "a server cannot show a competition", guild=guild.id, competition=name,
                trouble=trouble, again_in_s=pause,
            )  # fmt: skip

    async def _done(self, place: Workplace, turn: Turn) -> _Done:
        """Carry out the plan, and what it leads to; as long as Discord answers."""
        done = _Done()
        if turn.desk.compares:
            done.compared = await self._tried(place.compare(), done)
        tried: set[Step] = set()
        while not done.cut_off:
            steps = place.plan(await service.again(self._ctx, turn))
            # After trouble it begins elsewhere: what Discord fails at again and again stops nothing else.
            first = max(0, turn.desk.failures - 1) % len(steps) if steps else 0
            step = next((it for it in steps[first:] + steps[:first] if it not in tried), None)
            if step is None:
                break
            tried.add(step)
            await self._tried(place.do(step), done)
        return done

    async def _tried(self, work: Awaitable[None], done: _Done) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await work
        except NotOurs:
            raise
        except CannotShow as error:
            done.went_wrong(str(error), lasts=True)
        except (*rest.NO_ANSWER, TimeoutError) as error:
            what = plain(str(error) or type(error).__name__, 200)
            refused = isinstance(error, discord.HTTPException) and error.status < 500
            done.cut_off |= not refused and not isinstance(error, discord.RateLimited)
            done.missed |= isinstance(error, discord.NotFound)
            done.went_wrong(say("desk.trouble.refused", what=what), lasts=refused)
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("a step has failed", incident=incident, exc_info=error)
            done.went_wrong(say("desk.trouble.ours", id=incident), lasts=True)
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
        """Edit the cards that show something old and may be edited again, until that is done; in how many
        servers."""
        return await _ended(await self._begin_edits(await self._survey()))

    async def _begin_edits(self, desks: Sequence[DeskView]) -> list[asyncio.Task[None]]:
        shown = {(desk.guild_id, desk.competition_id): desk for desk in desks if desk.shown}
        cards: list[Card] = []
        for desk in shown.values():
            if desk.guild_id not in self._edited:
                cards += self._cards(desk)
            await asyncio.sleep(0)
        due: dict[int, list[tuple[DeskView, Card]]] = {}
        for card in rules.due_cards(cards, desks[0].at) if cards else ():
            desk = shown[card.guild_id, card.competition_id]
            due.setdefault(card.guild_id, []).append((desk, card))
        return [
            _begun(self._edited, guild_id, self._edit_in_server(found))
            for guild_id, found in due.items()
        ]

    def _cards(self, desk: DeskView) -> list[Card]:
        self._speak(desk.guild_id)
        wanted = {key: desk_things.card_revision(desk, key) for key in desk.boards}
        return service.cards(desk, wanted)

    async def _edit_in_server(self, cards: Sequence[tuple[DeskView, Card]]) -> None:
        """One after the other, as long as Discord answers."""
        for desk, card in cards:
            async with self._edits:
                if not await self._edit(desk, card):
                    return

    async def _edit(self, desk: DeskView, card: Card) -> bool:
        """Whether the next one is to be tried."""
        if not await service.take_card(self._ctx, card):
            return True
        self._speak(desk.guild_id)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._show(desk, card)
        except discord.HTTPException as error:
            await self._refused(desk, card, error)
            return error.status < 500
        except Exception as error:
            pause = await service.card_later(self._ctx, card, lasts=False)
            log.warning(
                "a live card waits", card=card.key, guild=card.guild_id, error=repr(error),
                again_in_s=pause,
            )  # fmt: skip
            return not isinstance(error, (*rest.NO_ANSWER, TimeoutError))
        return True

    async def _show(self, desk: DeskView, card: Card) -> None:
        post = await desk_things.card(self._ctx, desk, card.key)
        if post.digest != desk.things[card.key].words:
            await desk_things.edit(self._client, card.channel_id, card.message_id, post)
        await service.card_shown(self._ctx, card, post.digest)

    async def _refused(self, desk: DeskView, card: Card, error: discord.HTTPException) -> None:
        crowded = error.code == TOO_MANY_EDITS
        lasts = error.status < 500 and not crowded
        pause = await service.card_later(self._ctx, card, lasts=lasts, channel=crowded)
        log.warning(
            "a live card waits", card=card.key, guild=card.guild_id, error=str(error),
            again_in_s=pause,
        )  # fmt: skip
        if error.code == delivery.UNKNOWN_MESSAGE:
            thing = desk.things[card.key]
            await service.lost_message(self._ctx, card.guild_id, card.competition_id, thing)
        elif error.code in delivery.UNREACHABLE:
            await service.look_later(self._ctx, card.guild_id, card.competition_id)


def _begun(
    tasks: dict[int, asyncio.Task[None]], guild_id: int, work: Coroutine[Any, Any, None]
) -> asyncio.Task[None]:
    """It is among the tasks until it has ended."""
    task = tasks[guild_id] = asyncio.create_task(work)
    task.add_done_callback(lambda _: tasks.pop(guild_id, None))
    return task


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> int:
    await asyncio.gather(*tasks)
    return len(tasks)


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
        try:
            return await self._said(item, guild, found, post, me.id)
        except (CannotTell, discord.Forbidden):
            if datetime.now(UTC) - item.created_at < REFUSED_FOR or item.attempt == 1:
                raise
            return "refused"
        except discord.NotFound as error:
            if error.code == delivery.UNKNOWN_CHANNEL:
                return "its place is gone"
            raise

    async def _said(
        self, item: Announcement, guild: discord.Guild, found: Beside, post: Post, me: int
    ) -> str:
        place = guild.get_channel_or_thread(found.place_id)
        if place is not None:  # who is refused very often is shut out by Discord
            in_thread = isinstance(place, discord.Thread)
            check(place, permissions.SPEAK_IN_THREAD if in_thread else permissions.SPEAK)
        before = await announce.began(self._ctx, item.id, guild.id)
        if before is not None:
            await self._check(guild, found.place_id)
        message = await delivery.send_once(
            self._client.get_partial_messageable(found.place_id),
            post,
            me,
            since=before or found.since,
            again=before is not None,
        )
        return str(message.id)

    async def _check(self, guild: discord.Guild, place_id: int) -> None:
        """Whether it would be found there, if it was said before."""
        place = guild.get_channel_or_thread(place_id) or await guild.fetch_channel(place_id)
        check(place, ("read_message_history",))

    async def _worded(self, item: Announcement, found: Beside) -> Post | None:
        key = desk_posts.told_key(item.id)
        if found.topic == "moment":
            moment = await service.moment(self._ctx, found)
            return None if moment is None else desk_posts.moment(moment, key)
        told = replace(item, payload=found.payload["told"])
        if found.topic == "reveal":
            return announcement_posts.reveal(announce.reveal(told), key)
        return announcement_posts.podium(announce.podium(told), key)
