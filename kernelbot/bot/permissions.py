"""What the bot has to be allowed in a server: one list for the link that invites it, for the docs, and for
everything that it does there."""

from __future__ import annotations

from collections.abc import Iterable

import discord

from kernelbot.bot.messages import say

SPEAK = ("view_channel", "send_messages", "embed_links")
POST = (*SPEAK, "read_message_history")
"""The history, so that after a crash nothing is said twice."""

SPEAK_IN_THREAD = ("view_channel", "send_messages_in_threads", "embed_links")
POST_IN_THREAD = (*SPEAK_IN_THREAD, "read_message_history")
THREADS = (
    "view_channel",
    "create_private_threads",
    "send_messages_in_threads",
    "embed_links",
    "attach_files",
    "read_message_history",
)
"""For cards and results in private threads."""

FORUMS = (
    "view_channel",
    "manage_channels",
    "send_messages",
    "send_messages_in_threads",
    "manage_threads",
    "embed_links",
    "attach_files",
    "read_message_history",
)
"""In the category of competitions: make their forums, post in them, pin and close posts."""

NO_FORUMS = ("create_public_threads",)
"""Besides, where a server is no community and has text channels in their place. Everybody may by default."""

PINS = ("pin_messages",)
"""There, for the rules; what is not pinned is there all the same."""

EVENTS = ("create_events",)
NEW_CATEGORY = ("manage_channels",)

ALL = tuple(
    sorted({*POST, *POST_IN_THREAD, *THREADS, *FORUMS, *NO_FORUMS, *PINS, *EVENTS, *NEW_CATEGORY})
)


def missing(allowed: discord.Permissions, needed: Iterable[str]) -> tuple[str, ...]:
    """What is needed and not given, as Discord calls it."""
    return tuple(say(f"permission.{name}") for name in needed if not getattr(allowed, name))


def asked_for() -> discord.Permissions:
    return discord.Permissions(**dict.fromkeys(ALL, True))


def invite(application_id: int) -> str:
    """The link by which a server lets the bot in, with these permissions and no others."""
    scopes = ("bot", "applications.commands")
    return discord.utils.oauth_url(application_id, permissions=asked_for(), scopes=scopes)
