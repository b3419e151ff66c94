"""Leaderboards as pictures: drawn beside the event loop, once for each state of a board, for whoever may see it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from datetime import UTC, datetime

import structlog

from kernelbot import report
from kernelbot.bot.drawing import axes
from kernelbot.bot.drawing import leaderboard as drawing
from kernelbot.bot.drawing.leaderboard import Card, Place, Step
from kernelbot.bot.messages import language, say
from kernelbot.bot.post import File
from kernelbot.bot.text import clean, cut
from kernelbot.domain.people import Actor
from kernelbot.domain.ranking import Standing
from kernelbot.errors import Refused
from kernelbot.services import standings
from kernelbot.services.context import Context
from kernelbot.services.standings import Edition
from kernelbot.services.views import BoardStory

KEPT = 100
PATIENCE_S = 2.5
"""A leaderboard that waits longer than that for its picture is shown without."""

log = structlog.get_logger()

_Key = tuple[Edition, str, str]


class Pictures:
    """One at a time is drawn, in a thread; a failure costs the picture and nothing else."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kept: OrderedDict[_Key, File | None] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def of(self, actor: Actor | None, name: str, gpu: str | None) -> File | None:
        """The picture of a board that this person sees; None while nobody is on it. It shows what everybody is
        shown who sees the board, so it may be shown to all of them."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._of(actor, name, gpu)
        except Refused:
            raise
        except Exception as error:
            log.warning("a picture could not be drawn", board=name, gpu=gpu, error=repr(error))
            return None

    async def _of(self, actor: Actor | None, name: str, gpu: str | None) -> File | None:
        found = await standings.edition(self._ctx, actor, name, gpu)
        # The line goes on to the right while nothing happens; by the hour that is to be seen.
        key = (found, f"{datetime.now(UTC):%Y-%m-%d %H}", language())
        async with self._one_at_a_time:
            if key not in self._kept:
                story = await standings.story(self._ctx, actor, found.leaderboard, found.gpu)
                self._kept[key] = await asyncio.to_thread(picture, story)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def picture(story: BoardStory) -> File | None:
    """Its name tells two pictures apart, for whoever compares messages."""
    if not story.first:
        return None
    content = drawing.drawn(card(story))
    digest = hashlib.sha256(content).hexdigest()[:12]
    return File(f"leaderboard-{digest}.png", content, words(story))


def card(story: BoardStory) -> Card:
    began = story.records[0].at if story.records else story.until
    light = story.light_seconds
    return Card(
        title=say("board.title", title=story.title or story.leaderboard, gpu=story.gpu),
        note=" · ".join(_notes(story)),
        unnamed=say("picture.unnamed"),
        places=tuple(_place(item, light) for item in story.first),
        history=say("picture.history"),
        steps=tuple(
            Step(item.user_id, max(0.0, (item.at - began).total_seconds()), item.seconds)
            for item in story.records
        ),
        span=_drawn_span(story),
        time_axis=lambda logarithmic: say(
            "picture.axis.log" if logarithmic else "picture.axis.time"
        ),
        span_axis=lambda unit: say(f"picture.axis.{unit}"),
        others=say("picture.others"),
        light=light,
        light_label=say("picture.light", time=report.format_time(light)) if light else "",
    )


def _drawn_span(story: BoardStory) -> float:
    """Seconds from the first record to where the line ends: where that is days, at a whole hour, so that the same
    board gives the same picture until it is drawn anew."""
    if not story.records:
        return 0.0
    first, last = story.records[0].at, story.records[-1].at
    span = max(0.0, (story.until - first).total_seconds())
    if span <= 2 * 86400.0:
        return span
    return max((last - first).total_seconds(), span // 3600.0 * 3600.0)


def _notes(story: BoardStory) -> list[str]:
    notes = [say("picture.ranked", total=story.total)]
    if story.light_seconds:
        notes.append(say("picture.share"))
    if story.frozen_until:
        notes.append(say("picture.frozen"))
    return notes


def _place(item: Standing, light: float | None) -> Place:
    entry = item.entry
    best = light if item.earlier is None else item.earlier.light
    signs = [
        "=" if item.tied else "",
        report.EARLIER_SIGN if item.earlier else "",
        report.UNCONFIRMED_SIGN if entry.unconfirmed else "",
        report.DEVICE_TIMED_SIGN if entry.device_timed else "",
    ]
    share = best / entry.seconds if best and entry.seconds > 0 else None
    return Place(
        user_id=entry.user_id,
        place=" ".join([report.ordinal(item.rank), *filter(None, signs)]),
        name=entry.user_name,
        time=report.format_time_error(entry.seconds, entry.error),
        share=report.light_text(share),
    )


def words(story: BoardStory) -> str:
    """What is to be seen, for who does not see it."""
    shown = card(story)
    lines = [f"{shown.title}: {shown.note}."]
    for place in shown.places:
        share = say("picture.words.share", share=place.share) if place.share else ""
        name = cut(" ".join(clean(place.name).split()), 64)
        lines.append(f"{place.place}: {name}, {place.time}{share}.")
    if len(shown.steps) > 1:
        first, last = (report.format_time(shown.steps[at].seconds) for at in (0, -1))
        count, over = len(shown.steps) - 1, _span(shown.steps[-1].after)
        lines.append(say("picture.words.history", first=first, last=last, count=count, over=over))
    if shown.light_label:
        lines.append(f"{shown.light_label}.")
    return " ".join(lines)


def _span(seconds: float) -> str:
    unit, scale, _ = next(item for item in axes.SPANS if seconds <= item[2])
    return say(f"picture.span.{unit}", count=max(1, round(seconds / scale)))
