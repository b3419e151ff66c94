"""Taking a submission in, whichever way it came: stored first, then answered, then its card."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog

from kernelbot.bot import delivery, rest, submission_posts
from kernelbot.bot.cards import Cards
from kernelbot.bot.door import Interaction, ctx_of, person
from kernelbot.bot.messages import say
from kernelbot.bot.places import Places
from kernelbot.bot.post import Post
from kernelbot.domain.submission import Draft
from kernelbot.errors import Unavailable
from kernelbot.services import preferences, submit
from kernelbot.services.canaries import Notice
from kernelbot.services.views import SubmissionView

PLACED_WITHIN_S = 60.0
ANSWERED_WITHIN_S = 30.0
"""Longer than discord.py repeats an answer that fails."""

log = structlog.get_logger()


async def take(interaction: Interaction, draft: Draft) -> None:
    """Accept what somebody sent with this interaction, which has been deferred, and tell them."""
    actor = await person(interaction)
    view = await submit.accept(ctx_of(interaction), actor, draft)
    await acknowledged(interaction, view, actor.user_id)


async def acknowledged(interaction: Interaction, view: SubmissionView, user_id: int) -> None:
    """Say so at once, then with the link to the card. The submission is safe whatever fails here."""
    log.info("accepted", submission=view.id, user=user_id)
    client = cast(Any, interaction.client)
    cards, places = cast(Cards, client.cards), cast(Places, client.places)
    first = asyncio.create_task(_say(interaction, submission_posts.accepted(view)))
    link = trouble = ""
    notices: tuple[Notice, ...] = ()
    try:
        with cards.expecting(view.id):
            async with asyncio.timeout(PLACED_WITHIN_S):
                await preferences.speak(ctx_of(interaction), user_id, interaction.locale.value)
                place = await places.of(interaction, user_id, view.competition)
                link = await cards.open(view, place, str(interaction.user.id))
                notices = await cards.notices_of(view)
        if place.lacking:
            trouble = say("accepted.no_threads", names=", ".join(place.lacking))
        elif place.why:
            trouble = say(f"accepted.not_here.{place.why}")
    except Exception as error:
        foreseen = isinstance(error, (*rest.NO_ANSWER, Unavailable))
        log.warning(
            "a card could not be placed", submission=view.id, error=repr(error),
            exc_info=None if foreseen else error,
        )  # fmt: skip
        if getattr(error, "code", None) in delivery.UNREACHABLE:
            told = submission_posts.accepted(view, trouble=say("accepted.unreachable", id=view.id))
            cards.answer_in(view.id, interaction, told)
            await first
            await _say(interaction, told)
            cards.mark(view.id)
            return
        trouble = say("accepted.later", id=view.id)
    await first
    await _say(interaction, submission_posts.accepted(view, link, trouble, notices))


async def _say(interaction: Interaction, post: Post) -> None:
    """Into the answer to the command. Its failure changes nothing about the submission."""
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            # With no menu in it any more from which the leaderboard or GPUs were chosen.
            await interaction.edit_original_response(**post.editing(), view=None)
    except rest.NO_ANSWER as error:
        log.warning("an acknowledgement was lost", error=repr(error))
