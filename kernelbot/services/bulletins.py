"""What organizers tell everybody in their own words: in the channel of a competition, or in every server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kernelbot.domain.competition import own_channel
from kernelbot.domain.people import Actor, Scope
from kernelbot.errors import InvalidInput
from kernelbot.services import access, competitions
from kernelbot.services.context import Context
from kernelbot.storage import outbox, people

TOPIC = "bulletin"
MAX_CHARACTERS = 1800
LASTS = timedelta(days=1)
"""What nobody could hear for so long is told nobody any more."""


@dataclass(frozen=True, kw_only=True)
class Bulletin:
    """Ready to be told. The text is as it was written: who tells it escapes it."""

    text: str
    competition: str | None  # None: it is about all of them
    title: str
    channel: str  # its name or id; empty: where each server has announcements


async def drafted(ctx: Context, admin: Actor, text: str, competition: str | None) -> Bulletin:
    """What would be told, and where. Raises InvalidInput, and NotFound for a competition that there is not."""
    admin.needs(Scope.ADMIN)
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS or "\0" in text:
        raise InvalidInput(f"Write 1 to {MAX_CHARACTERS:,} characters.", code="bad_text")
    if competition is None:
        return Bulletin(text=text, competition=None, title="", channel="")
    async with ctx.database.read() as connection:
        row = await competitions.found(connection, await access.of(connection, admin), competition)
    channel = str(row.document.get("channel") or "")
    if own_channel(channel) is None and not access.of_strangers().sees(row):
        raise InvalidInput(
            f"{row.name} is not for everybody to see, and names no channel by its id ('channel: ...'): every "
            "server would read this.",
            code="not_public",
        )
    title = str(row.document.get("title") or row.name)
    return Bulletin(text=text, competition=row.name, title=title, channel=channel)


async def tell(ctx: Context, admin: Actor, key: str, text: str, competition: str | None) -> None:
    """Once under this key, however often this is called."""
    found = await drafted(ctx, admin, text, competition)
    payload = {
        "text": found.text,
        "title": found.title,
        "channel": found.channel,
        "competition": found.competition,
    }
    async with ctx.database.transaction() as connection:
        if await outbox.add(connection, f"{TOPIC}:{key}", TOPIC, payload):
            target = f"competition:{found.competition}" if found.competition else "everybody"
            await people.record(connection, admin.user_id, "announce", target, text=found.text)
