"""What exists in the loopback Discord: users, guilds, channels, messages, interactions.

Plain state and its JSON as Discord would send it. No rules (``discord_rules``) and no sockets
(``discord``) here, and nothing of discord.py: the other side of the wire must not share its code.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EPOCH_MS = 1_420_070_400_000

MANAGE_CHANNELS = 1 << 4
MANAGE_GUILD = 1 << 5
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
CREATE_PRIVATE_THREADS = 1 << 36
SEND_MESSAGES_IN_THREADS = 1 << 38
CREATE_EVENTS = 1 << 44
PIN_MESSAGES = 1 << 51

EVERYTHING_WE_ASK = (
    VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | MANAGE_CHANNELS
    | MANAGE_THREADS
    | CREATE_PUBLIC_THREADS
    | CREATE_PRIVATE_THREADS
    | SEND_MESSAGES_IN_THREADS
    | CREATE_EVENTS
    | PIN_MESSAGES
)

TEXT, DM, CATEGORY, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 4, 11, 12, 15
THREADS = (PUBLIC_THREAD, PRIVATE_THREAD)
PINNED_POST = 1 << 1
SCHEDULED, ACTIVE, COMPLETED, CANCELED = 1, 2, 3, 4
EPHEMERAL = 1 << 6
LOADING = 1 << 7


@dataclass(eq=False)
class User:
    id: int
    name: str
    shown: str = ""
    bot: bool = False
    accepts_dms: bool = True

    def payload(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": self.shown or None,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass(eq=False)
class Guild:
    id: int
    name: str
    owner: User
    members: list[User] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    denied: int = 0  # permission bits that the bot lacks in all of it


@dataclass(eq=False)
class Event:
    """A scheduled event somewhere else than in a voice channel."""

    id: int
    guild: Guild
    creator: User
    name: str
    description: str
    location: str
    starts: str
    ends: str
    status: int = SCHEDULED


@dataclass(eq=False)
class Channel:
    id: int
    type: int
    name: str = ""
    guild: Guild | None = None
    denied: int = 0  # permission bits the bot lacks here
    parent: Channel | None = None
    members: set[int] = field(default_factory=set)  # of a private thread or a DM
    archived: bool = False
    deleted: bool = False
    topic: str = ""
    tags: list[dict[str, Any]] = field(default_factory=list)  # that posts of a forum may have
    applied: list[str] = field(default_factory=list)  # of them those that a post has
    flags: int = 0
    owner: User | None = None  # of a thread

    @property
    def denied_with_parents(self) -> int:
        """A thread has what its channel has, a channel what it shares with its category."""
        return self.denied | (self.parent.denied_with_parents if self.parent is not None else 0)

    @property
    def tag_names(self) -> list[str]:
        """What stands on a post."""
        known = self.parent.tags if self.parent is not None else []
        return [tag["name"] for tag in known if tag["id"] in self.applied]


@dataclass(eq=False)
class Attachment:
    id: int
    name: str
    content: bytes
    channel_id: int
    words: str = ""  # for who does not see it


@dataclass(eq=False)
class Message:
    id: int
    channel: Channel
    author: User
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    nonce: str = ""
    pings: set[int] = field(default_factory=set)
    only_for: User | None = None  # ephemeral
    edits: list[float] = field(default_factory=list)
    deleted: bool = False
    pinned: bool = False

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def buttons(self) -> list[dict[str, Any]]:
        return [item for row in self.components for item in row.get("components", [])]

    def text(self) -> str:
        """Everything a reader sees, in reading order."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title", ""), embed.get("description", "")]
            for item in embed.get("fields", []):
                parts += [item["name"], item["value"]]
            parts.append((embed.get("footer") or {}).get("text", ""))
        return "\n".join(part for part in parts if part)


@dataclass(eq=False)
class Interaction:
    """Something a person did, and what the bot answered."""

    id: int
    token: str
    type: int  # 2 command, 3 component, 4 autocomplete, 5 form
    user: User
    channel: Channel
    what: str
    created: float
    source: Message | None = None
    acknowledged: float | None = None
    ephemeral: bool = False
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[dict[str, Any]] | None = None
    form: dict[str, Any] | None = None  # that it was answered with
    expired: bool = False

    @property
    def acknowledged_after_s(self) -> float | None:
        return None if self.acknowledged is None else self.acknowledged - self.created

    @property
    def answered(self) -> bool:
        """Whether the person sees more than "thinking…"."""
        return self.original is not None and not self.original.flags & LOADING


@dataclass
class Request:
    """One REST call of the bot, as it was answered."""

    at: float
    method: str
    route: str
    path: str
    status: int
    note: str = ""


@dataclass
class Failure:
    """An injected failure: the next ``times`` calls that match."""

    method: str
    part: str  # of the route or the path
    kind: str  # "429" | "500" | ... | "hang" | "drop" | "500-after"
    times: int
    retry_after: float = 0.3
    shared: bool = False  # a global 429
    code: int = 0  # Discord's, of a 403 or 404
    hung: int = 0  # calls that were left without an answer, what was to be done first done


class World:
    """All state, with the factory methods tests arrange it by."""

    def __init__(self) -> None:
        self.shift = 0.0  # seconds by which a test moved the clock
        self._serial = itertools.count(1)
        self.users: dict[int, User] = {}
        self.managers: set[User] = set()  # people who manage every server they are in
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.events: dict[int, Event] = {}
        self.attachments: dict[int, Attachment] = {}
        self.interactions: dict[int, Interaction] = {}
        self.by_token: dict[str, Interaction] = {}
        self.commands: list[dict[str, Any]] = []
        self.command_writes = 0
        self.bot = self.user("kernelbot", bot=True)
        self.changed = asyncio.Condition()

    def now(self) -> float:
        return time.time() + self.shift

    def advance(self, seconds: float) -> None:
        """Move Discord's clock: tokens expire, ids grow."""
        self.shift += seconds

    def snowflake(self) -> int:
        milliseconds = int(self.now() * 1000) - EPOCH_MS
        return (milliseconds << 22) | (next(self._serial) & 0x3FFFFF)

    def user(self, name: str, shown: str = "", *, bot: bool = False) -> User:
        user = User(self.snowflake(), name, shown, bot)
        self.users[user.id] = user
        return user

    def guild(self, name: str = "GPU people") -> Guild:
        owner = self.user("owner")
        guild = Guild(self.snowflake(), name, owner, [self.bot, owner])
        self.guilds[guild.id] = guild
        return guild

    def text_channel(self, guild: Guild, name: str, *, denied: int = 0) -> Channel:
        channel = Channel(self.snowflake(), TEXT, name, guild, denied)
        self.channels[channel.id] = channel
        return channel

    def category(self, guild: Guild, name: str, *, denied: int = 0) -> Channel:
        return self.place_in(guild, CATEGORY, name, denied=denied)

    def place_in(
        self, guild: Guild, kind: int, name: str, *, parent: Channel | None = None, denied: int = 0
    ) -> Channel:
        """A channel that takes over what its category denies."""
        denied |= parent.denied if parent is not None else 0
        channel = Channel(self.snowflake(), kind, name, guild, denied, parent)
        self.channels[channel.id] = channel
        return channel

    def posts(self, forum: Channel) -> list[Channel]:
        """The threads in it that everybody sees."""
        return [
            channel
            for channel in self.channels.values()
            if channel.parent is forum and channel.type == PUBLIC_THREAD and not channel.deleted
        ]

    def dm(self, user: User) -> Channel:
        for channel in self.channels.values():
            if channel.type == DM and user.id in channel.members:
                return channel
        channel = Channel(self.snowflake(), DM, members={user.id, self.bot.id})
        self.channels[channel.id] = channel
        return channel

    def thread(
        self, parent: Channel, name: str, kind: int = PRIVATE_THREAD, thread_id: int | None = None
    ) -> Channel:
        thread = Channel(
            thread_id or self.snowflake(), kind, name, parent.guild, parent.denied, parent,
            members={self.bot.id}, owner=self.bot,
        )  # fmt: skip
        self.channels[thread.id] = thread
        return thread

    # --- what a person sees ----------------------------------------------------------------------

    def forum_of(self, guild: Guild, name: str) -> Channel | None:
        """The channel of a competition, whatever its kind."""
        for channel in self.channels.values():
            if channel.guild is guild and channel.name == name and not channel.deleted:
                return channel
        return None

    def sees(self, user: User, channel: Channel) -> bool:
        if channel.deleted:
            return False
        if channel.type in (DM, PRIVATE_THREAD):
            return user.id in channel.members
        return channel.guild is not None and user in channel.guild.members

    def read(self, channel: Channel, user: User | None = None) -> list[Message]:
        """Messages of a channel, oldest first, as ``user`` sees them (None: everything)."""
        found = [
            message
            for message in self.messages.values()
            if message.channel is channel and not message.deleted
        ]
        if user is None:
            return found
        if not self.sees(user, channel):
            return []
        return [item for item in found if item.only_for is None or item.only_for is user]

    def threads_of(self, user: User) -> list[Channel]:
        return [
            channel
            for channel in self.channels.values()
            if channel.type == PRIVATE_THREAD and self.sees(user, channel)
        ]

    def place(self, channel: Channel) -> str:
        if channel.type == DM:
            others = [self.users[member].name for member in channel.members - {self.bot.id}]
            return "DM with " + ", ".join(others)
        if channel.type in THREADS and channel.parent is not None:
            return f"#{channel.parent.name} > {channel.name}"
        return f"#{channel.name}"

    def transcript(self) -> str:
        """All channels as text: what was said, to whom, with which buttons."""
        lines: list[str] = []
        for channel in self.channels.values():
            said = self.read(channel)
            if not said:
                continue
            lines.append(f"=== {self.place(channel)}")
            for message in said:
                lines += self._lines(message)
        for interaction in self.interactions.values():
            after = interaction.acknowledged_after_s
            state = "never acknowledged" if after is None else f"acknowledged after {after:.3f} s"
            lines.append(f"--- {interaction.user.name}: {interaction.what}: {state}")
        return "\n".join(lines)

    def _lines(self, message: Message) -> list[str]:
        marks = [f"edited {len(message.edits)}x"] if message.edits else []
        if message.only_for is not None:
            marks.append(f"only {message.only_for.name} sees this")
        if message.pings:
            marks.append("pings " + ", ".join(self.users[user].name for user in message.pings))
        note = f" ({'; '.join(marks)})" if marks else ""
        lines = [f"[{message.author.name}]{note}"]
        lines += [f"    {line}" for line in message.text().splitlines()]
        lines += [
            f"    <file {item.name}, {len(item.content)} bytes>{' ' + item.words if item.words else ''}"
            for item in message.attachments
        ]
        if message.buttons:
            lines.append("    " + " ".join(f"[{item.get('label')}]" for item in message.buttons))
        return lines

    # --- JSON ------------------------------------------------------------------------------------

    def message_payload(self, message: Message, base: str) -> dict[str, Any]:
        edited = max(message.edits, default=None)
        return {
            "id": str(message.id),
            "channel_id": str(message.channel.id),
            "author": message.author.payload(),
            "content": message.content,
            "embeds": message.embeds,
            "components": message.components,
            "attachments": [self.attachment_payload(item, base) for item in message.attachments],
            "flags": message.flags,
            "nonce": message.nonce or None,
            "type": 0,
            "timestamp": stamp(((message.id >> 22) + EPOCH_MS) / 1000),
            "edited_timestamp": None if edited is None else stamp(edited),
            "mentions": [self.users[user].payload() for user in message.pings],
            "mention_roles": [],
            "mention_everyone": False,
            "pinned": message.pinned,
            "tts": False,
        }

    def attachment_payload(self, item: Attachment, base: str) -> dict[str, Any]:
        url = f"{base}/attachments/{item.channel_id}/{item.id}/file"
        return {
            "id": str(item.id),
            "filename": item.name,
            "size": len(item.content),
            "url": url,
            "proxy_url": url,
            "content_type": "text/plain",
        }

    def channel_payload(self, channel: Channel) -> dict[str, Any]:
        payload: dict[str, Any] = {"id": str(channel.id), "type": channel.type}
        if channel.type == DM:
            others = channel.members - {self.bot.id}
            return payload | {"recipients": [self.users[user].payload() for user in others]}
        assert channel.guild is not None
        payload |= {"name": channel.name, "guild_id": str(channel.guild.id)}
        if channel.type in THREADS:
            assert channel.parent is not None
            return payload | {
                "parent_id": str(channel.parent.id),
                "owner_id": str((channel.owner or self.bot).id),
                "flags": channel.flags,
                "applied_tags": channel.applied,
                "message_count": 0,
                "member_count": len(channel.members),
                "rate_limit_per_user": 0,
                "thread_metadata": {
                    "archived": channel.archived,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": stamp(self.now()),
                    "locked": False,
                    "invitable": False,
                    "create_timestamp": stamp(((channel.id >> 22) + EPOCH_MS) / 1000),
                },
            }
        denied = channel.denied_with_parents
        overwrite = {"id": str(self.bot.id), "type": 1, "allow": "0", "deny": str(denied)}
        return (
            payload
            | {
                "position": 0,
                "permission_overwrites": [overwrite] if denied else [],
                "nsfw": False,
                "parent_id": str(channel.parent.id) if channel.parent is not None else None,
                "topic": channel.topic or None,
                "rate_limit_per_user": 0,
                "flags": channel.flags,
            }
            | ({"available_tags": channel.tags} if channel.type == FORUM else {})
        )

    def guild_payload(self, guild: Guild) -> dict[str, Any]:
        channels = [
            self.channel_payload(channel)
            for channel in self.channels.values()
            if channel.guild is guild and channel.type not in THREADS and not channel.deleted
        ]
        threads = [
            self.channel_payload(channel)
            for channel in self.channels.values()
            if channel.guild is guild and channel.type in THREADS
            if not channel.archived and not channel.deleted
        ]
        everyone = {
            "id": str(guild.id),
            "name": "@everyone",
            "permissions": str(EVERYTHING_WE_ASK & ~guild.denied),
            "position": 0,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
        return {
            "id": str(guild.id),
            "name": guild.name,
            "owner_id": str(guild.owner.id),
            "roles": [everyone],
            "emojis": [],
            "stickers": [],
            "features": guild.features,
            "channels": channels,
            "threads": threads,
            "members": [self.member_payload(self.bot)],
            "member_count": len(guild.members),
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "large": False,
            "unavailable": False,
            "joined_at": stamp(self.now()),
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "preferred_locale": "en-US",
            "system_channel_flags": 0,
            "afk_timeout": 300,
        }

    def member_payload(self, user: User) -> dict[str, Any]:
        return {
            "user": user.payload(),
            "roles": [],
            "joined_at": stamp(self.now()),
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": str(EVERYTHING_WE_ASK | (MANAGE_GUILD if user in self.managers else 0)),
        }

    def bot_permissions(self, channel: Channel) -> int:
        of_guild = channel.guild.denied if channel.guild is not None else 0
        return EVERYTHING_WE_ASK & ~channel.denied_with_parents & ~of_guild

    def event_payload(self, event: Event) -> dict[str, Any]:
        return {
            "id": str(event.id),
            "guild_id": str(event.guild.id),
            "channel_id": None,
            "creator_id": str(event.creator.id),
            "name": event.name,
            "description": event.description,
            "scheduled_start_time": event.starts,
            "scheduled_end_time": event.ends,
            "privacy_level": 2,
            "status": event.status,
            "entity_type": 3,
            "entity_id": None,
            "entity_metadata": {"location": event.location},
        }


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
