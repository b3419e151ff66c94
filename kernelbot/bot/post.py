"""A message as a value: built without Discord, sent or edited in by whoever holds a channel.

Colour never carries meaning alone; every embed says in words what its colour says.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import discord

from kernelbot.bot.limits import (
    ALT,
    DESCRIPTION,
    EMBED_TOTAL,
    FIELD_NAME,
    FIELD_VALUE,
    FIELDS,
    TITLE,
)
from kernelbot.bot.text import cut, cut_markdown

GREEN, RED, BLUE, GREY, GOLD = 0x2E9E5B, 0xC93C37, 0x3B7DD8, 0x8A8F98, 0xD4A017


@dataclass(frozen=True)
class File:
    name: str
    content: bytes
    words: str = ""  # of a picture: what is to be seen on it


@dataclass(frozen=True)
class Post:
    """A message, ready to be sent or edited in. ``key`` in the last footer finds it again."""

    content: str = ""
    embeds: tuple[discord.Embed, ...] = ()
    files: tuple[File, ...] = ()
    pings: tuple[int, ...] = ()
    key: str = ""
    silent: bool = False  # its reader has quiet hours: no sound

    def sending(self) -> dict[str, Any]:
        """Arguments of ``send``; new on every call, a file can be read once only."""
        return (
            self.editing()
            | {
                "files": self._files(),
            }
            | ({"silent": True} if self.silent else {})
        )

    def replacing(self) -> dict[str, Any]:
        """Arguments of ``edit`` that put the post's files in the place of those that were there."""
        return self.editing() | {"attachments": self._files()}

    def _files(self) -> list[discord.File]:
        return [
            discord.File(
                io.BytesIO(file.content), file.name, description=cut(file.words, ALT) or None
            )
            for file in self.files
        ]

    def editing(self) -> dict[str, Any]:
        """Arguments of ``edit``: the files stay as they are."""
        users = [discord.Object(user) for user in self.pings]
        return {
            "content": self.content or None,
            "embeds": list(self.embeds),
            "allowed_mentions": discord.AllowedMentions(
                everyone=False, roles=False, users=users or False, replied_user=False
            ),
        }

    @property
    def digest(self) -> str:
        """Of what a reader sees, so that an edit that changes nothing is not made."""
        shown = [self.content, [embed.to_dict() for embed in self.embeds]]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:32]


def fitted(embed: discord.Embed) -> discord.Embed:
    """The embed with every part within its limit; whole fields go before the total is exceeded."""
    if embed.title:
        embed.title = cut(embed.title, TITLE)
    if embed.description:
        embed.description = cut_markdown(embed.description, DESCRIPTION)
    fields = embed.fields[:FIELDS]
    embed.clear_fields()
    for item in fields:
        name, value = cut(item.name or "-", FIELD_NAME), cut(item.value or "-", FIELD_VALUE)
        if len(embed) + len(name) + len(value) > EMBED_TOTAL:
            break
        embed.add_field(name=name, value=value, inline=bool(item.inline))
    return embed


def titled(title: str, description: str, colour: int, key: str = "") -> discord.Embed:
    embed = discord.Embed(title=title, description=description, colour=colour)
    if key:
        embed.set_footer(text=key)
    return embed
