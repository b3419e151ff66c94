"""The live card of each submission, kept in step until it shows the end.

What is to be shown where is in Postgres; this only carries it out, so a restarted bot goes on where
the last one was. Cards are edited by channel and message with the bot's own token, which unlike an
interaction's does not expire, at most once in a while each, and only when something changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import discord
import structlog

from kernelbot.bot import attachments, delivery, rest, submission_posts, views
from kernelbot.bot.door import CHANNEL, Interaction
from kernelbot.bot.messages import speaking
from kernelbot.bot.places import Place, Places
from kernelbot.bot.post import Post
from kernelbot.domain.people import ALL_SCOPES, Actor, Role
from kernelbot.errors import Unavailable
from kernelbot.services import banners, comparison, preferences, standings, submissions
from kernelbot.services import cards as store
from kernelbot.services.canaries import Notice
from kernelbot.services.context import Context
from kernelbot.services.views import Card, SubmissionView

EDIT_EVERY_S = 2.5
SWEEP_S = 10.0
SWEPT_PER_S = 10.0
"""With many cards open the sweep takes longer instead of asking the database more often."""
AT_ONCE = 8
PATIENCE_S = 20.0

READER = Actor(
    user_id=0, name="bot", channel=CHANNEL, role=Role.ADMIN, scopes=frozenset(ALL_SCOPES)
)
"""Reads anybody's submission, to show it where its owner asked for it."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Said:
    """A message beside the card."""

    post: Post
    since: datetime  # nothing of it was sent before
    again: bool  # it may have been sent already
    of: SubmissionView


@dataclass(frozen=True)
class _Answer:
    """The answer to a command, seen by its sender alone, which stands in for a card that cannot be brought to them."""

    interaction: Interaction
    told: Post


class Cards:
    """All open cards, driven by one loop: ``run`` for ever, ``open`` for each new submission."""

    def __init__(self, client: discord.Client, ctx: Context, places: Places) -> None:
        self._client = client
        self._ctx = ctx
        self._places = places
        self._due: dict[int, float] = {}  # monotonic time at which to look at a card
        self._edited: dict[int, float] = {}
        self._failures: defaultdict[int, int] = defaultdict(int)
        self._locks: dict[int, asyncio.Lock] = {}
        self._channels: dict[int, int] = {}  # where a card is
        self._lines: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()
        self._fresh: set[int] = set()  # opened by this process; nothing of it was tried before
        self._expected: set[int] = set()  # accepted, their place is being made
        # Of people who can be written to nowhere. What is lost with this process is shown by ``/submission``.
        self._answers: dict[int, _Answer] = {}
        self._notices: tuple[Notice, ...] = ()
        self._noticed_at: float | None = None
        self._busy: set[int] = set()
        self._wake = asyncio.Event()

    # --- for the commands ------------------------------------------------------------------------

    @contextlib.contextmanager
    def expecting(self, submission_id: int) -> Iterator[None]:
        """While a place is made, which Discord may slow down, nobody makes another for the result."""
        self._expected.add(submission_id)
        try:
            yield
        finally:
            self._expected.discard(submission_id)

    async def open(self, view: SubmissionView, place: Place, subject: str) -> str:
        """Put the card of a new submission into a channel; its link. Raises discord.HTTPException.

        Once this began, the card appears even if it fails here: the loop sees to it.
        """
        async with self._lock(view.id):
            known = await store.card(self._ctx, view.id)
            if known is not None and known.message_id is not None:  # the same command, sent again
                return Place(known.channel_id, place.guild_id).link(known.message_id)
            await store.open_card(self._ctx, view.id, place.channel_id, subject)
            self._fresh.add(view.id)
            self._channels[view.id] = place.channel_id
            self.mark(view.id, EDIT_EVERY_S)
            message = await self._place(view, place.channel_id, again=False)
        return place.link(message.id)

    def answer_in(self, submission_id: int, interaction: Interaction, told: Post) -> None:
        """Where a card cannot be brought to its owner: it goes on in the answer to their command, which says ``told``,
        as long as Discord lets us edit it."""
        self._answers[submission_id] = _Answer(interaction, told)

    def mark(self, submission_id: int, delay_s: float = 0.0) -> None:
        """Look at this card soon, but not before it may be edited again."""
        now = time.monotonic()
        due = max(now + delay_s, self._edited.get(submission_id, 0.0) + EDIT_EVERY_S)
        self._due[submission_id] = min(due, self._due.get(submission_id, due))
        self._wake.set()

    async def finish(self, submission_id: int) -> bool:
        """Bring the final result to its owner now. False: it cannot be brought anywhere.

        Raises LookupError while the place for it is being made.
        """
        return await self._has_place(submission_id) and await self.refresh(submission_id)

    async def decided(
        self, submission_id: int, run_id: int, key: str, *, since: datetime, again: bool
    ) -> bool:
        """Tell the owner what a person decided about a run, on the card too, which may be closed.

        False: it cannot be brought anywhere. Raises LookupError while the place is being made.
        """
        if not await self._has_place(submission_id):
            return False
        async with self._lock(submission_id):
            card = await store.card(self._ctx, submission_id)
            assert card is not None, "cards are never deleted"
            view = await submissions.submission(self._ctx, READER, submission_id)
            user = int(card.user_subject)
            with speaking(card.locale):
                post = await self._wanted(
                    user, view, submission_posts.decision(view, run_id, user, key)
                )
                reached = await self._bring(card, view, _Said(post, since, again, view))
            if card.closed:
                self._forget(submission_id)
            return reached

    async def _has_place(self, submission_id: int) -> bool:
        """Whether there is a card to bring things to; made where the bot died before it was."""
        if await store.card(self._ctx, submission_id) is not None:
            return True
        if submission_id in self._expected:
            raise LookupError("its card has no place yet")
        subject = await store.subject(self._ctx, submission_id)
        if subject is None:
            return False
        channel_id = await self._places.direct(int(subject))
        await store.open_card(self._ctx, submission_id, channel_id, subject)
        return True

    # --- one card --------------------------------------------------------------------------------

    async def refresh(self, submission_id: int) -> bool:
        """Show what is true now; close the card when that is the end. False: unreachable."""
        async with self._lock(submission_id):
            card = await store.card(self._ctx, submission_id)
            if card is None or card.closed:
                self._forget(submission_id)
                return card is not None
            view = await submissions.submission(self._ctx, READER, submission_id)
            with speaking(card.locale):
                said = await self._result(card, view) if view.done else None
                reached = await self._bring(card, view, said)
            if view.done:
                await self._close(submission_id)
            return reached

    async def _result(self, card: Card, view: SubmissionView) -> _Said:
        again = view.id not in self._fresh
        self._fresh.discard(view.id)
        compared = await comparison.of(self._ctx, view)
        left = await attachments.of(self._ctx, view)
        user = int(card.user_subject)
        post = await self._wanted(user, view, submission_posts.result(view, user, compared, left))
        return _Said(post, view.finished_at or view.created_at, again, view)

    async def _wanted(self, user: int, view: SubmissionView, post: Post) -> Post:
        wanted = await preferences.of(self._ctx, view.user_id)
        return submission_posts.to(user, post, wanted, datetime.now(UTC))

    async def _bring(self, card: Card, view: SubmissionView, said: _Said | None) -> bool:
        """The card as things are now, and what there is to say beside it; in a direct message where
        the card's channel is closed to us or to its owner. False: unreachable, the card is closed."""
        if await self._answered(card, view, said):
            return True
        owner = int(card.user_subject)
        if said is not None and not await self._places.reads(card.channel_id, owner):
            return await self._move(card, view, said)
        try:
            await self._show(card, view, said)
        except discord.HTTPException as error:
            if error.code not in delivery.UNREACHABLE:
                raise
            return await self._move(card, view, said)
        return True

    async def _show(self, card: Card, view: SubmissionView, said: _Said | None) -> None:
        if card.message_id is None:
            await self._place(view, card.channel_id, again=True)
        elif (post := await self._post(view)).digest != card.shown:
            await self._edit(card.channel_id, card.message_id, post, view)
            await store.shown(self._ctx, view.id, post.digest)
        if said is not None:
            await self._say(card.channel_id, said)

    async def _post(self, view: SubmissionView) -> Post:
        return submission_posts.card(view, await self.notices_of(view))

    async def notices_of(self, view: SubmissionView) -> tuple[Notice, ...]:
        """What everybody should know of the machines that are still to judge it; asked once for many cards."""
        now = time.monotonic()
        if self._noticed_at is None or now - self._noticed_at >= SWEEP_S:
            self._noticed_at = now
            try:
                queues = await standings.queues(self._ctx)
                self._notices = await banners.beside(self._ctx, queues)
            except Exception as error:  # no card and no result waits for it
                log.warning("notices are not read", error=repr(error))
        return banners.about(self._notices, [run.gpu for run in view.runs if not run.status.final])

    async def _place(
        self, view: SubmissionView, channel_id: int, *, again: bool
    ) -> discord.Message:
        post = await self._post(view)
        message = await delivery.send_once(
            self._client.get_partial_messageable(channel_id),
            post,
            self._me,
            since=view.created_at,
            again=again,
            view=views.card_buttons(view),
        )
        self._edited[view.id] = time.monotonic()
        await store.placed(self._ctx, view.id, message.id)
        await store.shown(self._ctx, view.id, post.digest)
        return message

    async def _edit(
        self, channel_id: int, message_id: int, post: Post, view: SubmissionView
    ) -> None:
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        arguments: dict[str, Any] = {**post.editing(), "view": views.card_buttons(view)}
        self._edited[view.id] = time.monotonic()
        try:
            await message.edit(**arguments)
        except discord.HTTPException as error:
            if error.code == delivery.ARCHIVED:
                await self._unarchive(channel_id)
                await message.edit(**arguments)
            elif error.code != delivery.UNKNOWN_MESSAGE:  # somebody deleted the card: so be it
                raise

    async def _unarchive(self, thread_id: int) -> None:
        thread = await self._client.fetch_channel(thread_id)
        assert isinstance(thread, discord.Thread)
        await thread.edit(archived=False)

    async def _say(self, channel_id: int, said: _Said) -> None:
        channel = self._client.get_partial_messageable(channel_id)
        await delivery.send_once(
            channel,
            said.post,
            self._me,
            since=said.since,
            again=said.again,
            view=views.result_buttons(said.of),
        )

    async def _move(self, card: Card, view: SubmissionView, said: _Said | None) -> bool:
        """The channel is gone or closed to us: go on in a direct message, or give up."""
        try:
            channel_id = await self._places.direct(int(card.user_subject))
            if channel_id == card.channel_id:
                raise LookupError("direct messages are refused")
            await store.open_card(self._ctx, view.id, channel_id, card.user_subject)
            await self._place(view, channel_id, again=True)
            if said is not None:
                await self._say(channel_id, said)
        except (discord.HTTPException, LookupError) as error:
            if isinstance(error, discord.HTTPException) and error.code not in delivery.UNREACHABLE:
                raise
            log.warning("a person cannot be reached", submission=view.id, error=str(error))
            await self._close(view.id)
            return False
        return True

    async def _answered(self, card: Card, view: SubmissionView, said: _Said | None) -> bool:
        """Into the answer to the command, where that stands in for the card and Discord still takes it."""
        answer = self._answers.get(view.id)
        if answer is None or answer.interaction.is_expired():
            return False
        post = said.post if said else replace(answer.told, embeds=(await self._post(view)).embeds)
        if said is None and post.digest == card.shown:
            return True
        buttons = views.result_buttons(view) if said else views.card_buttons(view)
        self._edited[view.id] = time.monotonic()
        try:
            await answer.interaction.edit_original_response(**post.replacing(), view=buttons)
        except discord.HTTPException as error:
            if error.status >= 500:
                raise
            log.info("an answer takes no edits any more", submission=view.id, error=str(error))
            self._answers.pop(view.id, None)
            return False
        await store.shown(self._ctx, view.id, post.digest)
        return True

    async def _close(self, submission_id: int) -> None:
        await store.close_card(self._ctx, submission_id)
        self._forget(submission_id)

    def _forget(self, submission_id: int) -> None:
        kept: dict[int, Any]
        for kept in (
            self._due, self._edited, self._failures, self._locks, self._channels, self._answers,
        ):  # fmt: skip
            kept.pop(submission_id, None)
        self._fresh.discard(submission_id)

    def _lock(self, submission_id: int) -> asyncio.Lock:
        return self._locks.setdefault(submission_id, asyncio.Lock())

    @property
    def _me(self) -> int:
        return self._client.user.id if self._client.user else 0

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="cards-listen")
            tasks.create_task(self._sweep(), name="cards-sweep")
            tasks.create_task(self._drive(tasks), name="cards-drive")

    async def _listen(self) -> None:
        async with self._ctx.events.on(submissions.CHANGED) as changed:
            while True:
                await changed.wait(SWEEP_S)
                for payload in changed.take():
                    if payload.isdigit() and int(payload) in self._due:
                        self.mark(int(payload))

    async def _sweep(self) -> None:
        """Every open card from time to time: places in line move without a change of their own."""
        while True:
            count = 0
            try:
                opened = await store.open_cards(self._ctx)
                count = len(opened)
                for at, card in enumerate(opened):
                    self._channels[card.submission_id] = card.channel_id
                    self.mark(card.submission_id, at / SWEPT_PER_S)
            except Unavailable:
                log.warning("open cards cannot be read; the database does not answer")
                count = 0
            await asyncio.sleep(max(SWEEP_S, count / SWEPT_PER_S))

    async def _drive(self, tasks: asyncio.TaskGroup) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        while True:
            self._wake.clear()
            now = time.monotonic()
            ready = [key for key, due in self._due.items() if due <= now and key not in self._busy]
            for submission_id in ready:
                self._busy.add(submission_id)
                # Until somebody marks it.
                self._due[submission_id] = now + 10 * rest.LONGEST_PAUSE_S
                tasks.create_task(self._look(submission_id, turn))
            waiting = [due for key, due in self._due.items() if key not in self._busy]
            pause = max(0.0, min(waiting, default=now + SWEEP_S) - now)
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _look(self, submission_id: int, turn: asyncio.Semaphore) -> None:
        """One card of a channel after the other, so that those that wait for Discord's limit of a channel
        do not take the turns of all others."""
        rest.UNHURRIED.set(True)
        line = self._lines.setdefault(self._channels.get(submission_id, 0), asyncio.Lock())
        async with line, turn:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.refresh(submission_id)
                self._failures.pop(submission_id, None)
            except Exception as error:
                self._failures[submission_id] += 1
                pause = min(rest.LONGEST_PAUSE_S, 2.0 ** self._failures[submission_id])
                log.warning(
                    "a card waits", submission=submission_id, error=repr(error), for_s=pause
                )
                self._fresh.discard(submission_id)
                self._edited[submission_id] = time.monotonic() + pause - EDIT_EVERY_S
                self.mark(submission_id, pause)
            finally:
                self._busy.discard(submission_id)
                self._wake.set()
