"""Forums, posts, tags, pins and scheduled events of the loopback Discord."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes import discord_rules as rules
from tests.fakes import discord_world as shape
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_http import as_json, number
from tests.fakes.discord_rules import ApiError
from tests.fakes.discord_world import Channel, Event, Guild, Message, World

MOST_EVENTS = 100


class Forums(World, ABC):
    """A part of ``LoopbackDiscord``, which brings what is abstract here."""

    gateway: Gateway

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def channel_of(self, request: web.Request, *needed: int) -> Channel: ...

    @abstractmethod
    def put_into(
        self, message: Message, body: dict[str, Any], files: list[tuple[str, bytes]]
    ) -> None: ...

    def forum_routes(self, api: str) -> list[tuple[str, str, Any]]:
        channel, guild = api + "/channels/{channel}", api + "/guilds/{guild}"
        events = guild + "/scheduled-events"
        return [
            ("GET", guild + "/channels", self._channels),
            ("POST", guild + "/channels", self._create_channel),
            ("GET", guild + "/threads/active", self._active),
            ("GET", channel + "/threads/archived/public", self._archived),
            ("POST", channel + "/messages/{message}/threads", self._thread_of_message),
            ("PUT", channel + "/messages/pins/{message}", self._pin),
            ("GET", events, self._events),
            ("POST", events, self._create_event),
            ("GET", events + "/{event}", self._event),
            ("PATCH", events + "/{event}", self._edit_event),
            ("DELETE", events + "/{event}", self._delete_event),
        ]

    # --- people --------------------------------------------------------------------------------------

    async def remove(self, channel: Channel) -> None:
        """Somebody deletes a channel with all that is in it, or a thread."""
        channel.deleted = True
        for inside in [item for item in self.channels.values() if item.parent is channel]:
            if inside.type in shape.THREADS:
                inside.deleted = True
        name = "THREAD_DELETE" if channel.type in shape.THREADS else "CHANNEL_DELETE"
        await self.gateway.dispatch(name, self.channel_payload(channel))

    # --- channels ------------------------------------------------------------------------------------

    def _guild_of(self, request: web.Request) -> Guild:
        guild = self.guilds.get(number(request, "guild"))
        if guild is None:
            raise ApiError(404, 10004, "Unknown Guild")
        return guild

    async def _channels(self, request: web.Request) -> web.Response:
        guild = self._guild_of(request)
        found = [
            item for item in self.channels.values() if item.guild is guild and not item.deleted
        ]
        return as_json(
            [self.channel_payload(item) for item in found if item.type not in shape.THREADS]
        )

    async def _create_channel(self, request: web.Request) -> web.Response:
        guild, body = self._guild_of(request), await request.json()
        parent = self.channels.get(int(body.get("parent_id") or 0))
        denied = guild.denied | (parent.denied if parent is not None else 0)
        if denied & shape.MANAGE_CHANNELS:
            raise ApiError(403, 50013, "Missing Permissions")
        rules.check_channel(body, community="COMMUNITY" in guild.features)
        channel = self.place_in(guild, body["type"], body["name"], parent=parent)
        channel.topic = body.get("topic") or ""
        channel.tags = self._with_ids(body.get("available_tags") or [])
        await self.gateway.dispatch("CHANNEL_CREATE", self.channel_payload(channel))
        return as_json(self.channel_payload(channel), 201)

    def _with_ids(self, tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
        plain = {"emoji_id": None, "emoji_name": None, "moderated": False}
        return [{**plain, **tag, "id": str(tag.get("id") or self.snowflake())} for tag in tags]

    async def change_channel(self, channel: Channel, body: dict[str, Any]) -> web.Response:
        """What PATCH does; nothing of an archived thread changes but that it is no more."""
        thread = channel.type in shape.THREADS
        if not thread and not self.bot_permissions(channel) & shape.MANAGE_CHANNELS:
            raise ApiError(403, 50013, "Missing Permissions")
        if thread and channel.archived and body.get("archived", True):
            raise ApiError(400, 50083, "Thread is archived")
        if "flags" in body and not self.bot_permissions(channel) & shape.MANAGE_THREADS:
            raise ApiError(403, 50013, "Missing Permissions")
        rules.check_channel_change(body)
        channel.archived = bool(body.get("archived", channel.archived))
        channel.name = body.get("name", channel.name)
        channel.topic = body.get("topic", channel.topic) or ""
        channel.flags = body.get("flags", channel.flags)
        channel.applied = body.get("applied_tags", channel.applied)
        if "available_tags" in body:
            channel.tags = self._with_ids(body["available_tags"])
        if body.get("parent_id"):
            channel.parent = self.channels[int(body["parent_id"])]
        payload = self.channel_payload(channel)
        await self.gateway.dispatch("THREAD_UPDATE" if thread else "CHANNEL_UPDATE", payload)
        return as_json(payload)

    # --- posts ---------------------------------------------------------------------------------------

    async def create_post(self, forum: Channel, body: dict[str, Any]) -> web.Response:
        """A thread in a forum with its first message, which has the thread's id."""
        if not self.bot_permissions(forum) & shape.SEND_MESSAGES:
            raise ApiError(403, 50013, "Missing Permissions")
        rules.check_thread(body)
        rules.check_message(body["message"], [], new=True)
        known = {tag["id"] for tag in forum.tags}
        if not set(body.get("applied_tags") or []) <= known:
            raise ApiError(400, 50035, "Invalid Form Body", {"applied_tags": "Unknown tag"})
        post = self.thread(forum, body["name"], shape.PUBLIC_THREAD)
        post.applied = body.get("applied_tags") or []
        message = Message(post.id, post, self.bot)
        self.messages[message.id] = message
        self.put_into(message, body["message"], [])
        payload = self.channel_payload(post)
        await self.gateway.dispatch("THREAD_CREATE", payload | {"newly_created": True})
        return as_json(payload | {"message": self.message_payload(message, self.url)}, 201)

    async def _thread_of_message(self, request: web.Request) -> web.Response:
        channel = self.channel_of(request, shape.CREATE_PUBLIC_THREADS)
        message_id, body = number(request, "message"), await request.json()
        rules.check_thread(body)
        there = self.channels.get(message_id)
        if there is not None and not there.deleted:
            raise ApiError(400, 160004, "A thread has already been created for this message")
        thread = self.thread(channel, body["name"], shape.PUBLIC_THREAD, message_id)
        payload = self.channel_payload(thread)
        await self.gateway.dispatch("THREAD_CREATE", payload | {"newly_created": True})
        return as_json(payload, 201)

    def _threads(self, archived: bool) -> list[Channel]:
        return [
            item
            for item in self.channels.values()
            if item.type in shape.THREADS and item.archived is archived and not item.deleted
        ]

    async def _active(self, request: web.Request) -> web.Response:
        guild = self._guild_of(request)
        found = [item for item in self._threads(archived=False) if item.guild is guild]
        threads = [self.channel_payload(item) for item in found]
        return as_json({"threads": threads, "members": []})

    async def _archived(self, request: web.Request) -> web.Response:
        channel = self.channel_of(request, shape.READ_MESSAGE_HISTORY)
        found = [item for item in self._threads(archived=True) if item.parent is channel]
        threads = [self.channel_payload(item) for item in found if item.type == shape.PUBLIC_THREAD]
        return as_json({"threads": threads, "members": [], "has_more": False})

    async def _pin(self, request: web.Request) -> web.Response:
        self.channel_of(request, shape.PIN_MESSAGES)
        message = self.messages.get(number(request, "message"))
        if message is None or message.deleted:
            raise ApiError(404, 10008, "Unknown Message")
        message.pinned = True
        return web.Response(status=204)

    # --- events --------------------------------------------------------------------------------------

    def live_events(self, guild: Guild) -> list[Event]:
        """Those to come or under way, as people see them."""
        return [
            event
            for event in self.events.values()
            if event.guild is guild and event.status in (shape.SCHEDULED, shape.ACTIVE)
        ]

    async def _events(self, request: web.Request) -> web.Response:
        found = self.live_events(self._guild_of(request))
        return as_json([self.event_payload(event) for event in found])

    def _event_of(self, request: web.Request) -> Event:
        event = self.events.get(number(request, "event"))
        if event is None:
            raise ApiError(404, 10070, "Unknown Guild Scheduled Event")
        return event

    def _may_schedule(self, guild: Guild) -> None:
        if guild.denied & shape.CREATE_EVENTS:
            raise ApiError(403, 50013, "Missing Permissions")

    async def _create_event(self, request: web.Request) -> web.Response:
        guild, body = self._guild_of(request), await request.json()
        self._may_schedule(guild)
        rules.check_event(body, self._now())
        if len(self.live_events(guild)) >= MOST_EVENTS:
            raise ApiError(400, 30038, "Maximum number of guild scheduled events reached (100)")
        event = Event(
            self.snowflake(), guild, self.bot, body["name"], body.get("description") or "",
            body["entity_metadata"]["location"], body["scheduled_start_time"],
            body["scheduled_end_time"],
        )  # fmt: skip
        self.events[event.id] = event
        return as_json(self.event_payload(event))

    async def _event(self, request: web.Request) -> web.Response:
        return as_json(self.event_payload(self._event_of(request)))

    async def _edit_event(self, request: web.Request) -> web.Response:
        event, body = self._event_of(request), await request.json()
        self._may_schedule(event.guild)
        if event.status not in (shape.SCHEDULED, shape.ACTIVE):
            raise ApiError(400, 180000, "Cannot update a finished event")
        merged = self.event_payload(event) | body
        rules.check_event(merged, self._now(), new="scheduled_start_time" in body)
        event.name, event.description = merged["name"], merged["description"]
        event.starts, event.ends = merged["scheduled_start_time"], merged["scheduled_end_time"]
        return as_json(self.event_payload(event))

    async def _delete_event(self, request: web.Request) -> web.Response:
        event = self._event_of(request)
        self._may_schedule(event.guild)
        del self.events[event.id]
        return web.Response(status=204)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)
