"""The things by which a server shows a competition: found, made, changed and dropped in Discord.

Every call may fail, hang, or succeed without our hearing of it, so before anything is made it is looked for by its mark.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import discord
import structlog

from kernelbot.bot import delivery, desk_posts, permissions
from kernelbot.bot.messages import LOCALE, say
from kernelbot.bot.post import Post
from kernelbot.bot.text import plain
from kernelbot.domain import desk as rules
from kernelbot.domain.desk import BOARD, EVENT, FORUM, RULES, Act, Step, Thing, Wanted, Window
from kernelbot.services import desk as service
from kernelbot.services import standings
from kernelbot.services.context import Context
from kernelbot.services.desk import DeskView, Turn

ARCHIVE_MINUTES: Literal[10080] = 10080
PINNED = 1 << 1
THREAD_IS_THERE = 160004
"""Another thread hangs on this message already: ours."""
MOST_TAGS, MOST_APPLIED = 20, 5
ARCHIVE_PAGE = 100

log = structlog.get_logger()

Home = discord.ForumChannel | discord.TextChannel
"""Where a competition is: servers that are no community have text channels only."""


class CannotShow(Exception):
    """Somebody who organizes the server has to do something; the words are for them."""


def wanted(desk: DeskView, bot_id: int) -> list[Wanted]:
    """Everything as it should be now. What is not on show any more stays, and says so."""
    if not desk.shown:
        keys = [key for key in desk.things if key == RULES or key.startswith(BOARD)]
        # Its posts first: the name of a channel can be changed twice in ten minutes only.
        return _hidden(desk, keys if desk.public else [*keys, FORUM])
    key = ("wanted", LOCALE.get(), bot_id)
    if key not in desk.memo:
        about = desk_posts.topic(desk.competition, bot_id)
        desk.memo[key] = about, _wanted_posts(desk), _wanted_events(desk, bot_id)
    about, posts, events = desk.memo[key]
    name = rules.forum_name(desk.competition.name)
    found = [Wanted(key=FORUM, shown=desk_posts.digest(name, about, desk.category_id)), *posts]
    found += [
        item for window, item in zip(desk.windows, events, strict=True) if _has_event(desk, window)
    ]
    withdrawn = [key for key in desk.things if key.startswith(BOARD) and key not in desk.boards]
    return found + _hidden(desk, withdrawn)


def _wanted_posts(desk: DeskView) -> list[Wanted]:
    """The same in every server that has the language."""
    digest = desk_posts.digest
    post = desk_posts.rules(desk.competition, desk.windows, list(desk.boards.values()))
    title = desk_posts.rules_name(desk.competition)
    found = [Wanted(key=RULES, shown=digest(title, _any_open(desk), post.digest))]
    for key, board in desk.boards.items():
        shown = digest(desk_posts.post_name(board.title), board.is_open)
        found.append(Wanted(key=key, shown=shown))
    return found


def _wanted_events(desk: DeskView, bot_id: int) -> list[Wanted]:
    """One for each phase."""
    found = []
    for window in desk.windows:
        text = _event_text(desk, window, bot_id)
        shown = desk_posts.digest(text.name, text.about, window.opens, window.closes)
        found.append(Wanted(key=rules.event_key(window.phase), shown=shown))
    return found


def _hidden(desk: DeskView, keys: Iterable[str]) -> list[Wanted]:
    """What not everybody may see any more keeps no names either."""
    digest = desk_posts.digest("hidden") if desk.public else desk_posts.digest("hidden", "unnamed")
    there = [key for key in keys if key in desk.things and desk.things[key].place_id is not None]
    return [Wanted(key=key, shown=digest) for key in there]


def _any_open(desk: DeskView) -> bool:
    return any(board.is_open for board in desk.boards.values())


def _has_event(desk: DeskView, window: Window) -> bool:
    thing = desk.things.get(rules.event_key(window.phase))
    if thing is not None and thing.there(desk.at):
        return window.closes is not None and desk.at < window.closes
    return rules.event_times(window, desk.at) is not None


def _event_text(desk: DeskView, window: Window, bot_id: int) -> desk_posts.EventText:
    gpus = dict.fromkeys(gpu for board in desk.boards.values() for gpu in board.gpus)
    return desk_posts.event(desk.competition, window, gpus, bot_id)


def card_revision(desk: DeskView, key: str) -> str:
    """Of everything that the card of a leaderboard shows."""
    memo = ("card", key, LOCALE.get())
    if memo not in desk.memo:
        # Both rise with results that the revision tells of, or a freeze hides.
        board = replace(desk.boards[key], people=0, measured_again=0)
        revision = desk.revisions.get(key, "")
        desk.memo[memo] = desk_posts.digest(repr(board), revision, LOCALE.get())
    found: str = desk.memo[memo]
    return found


async def card(ctx: Context, desk: DeskView, key: str) -> Post:
    """The live card, as everybody sees it."""
    board = desk.boards[key]
    most = max(desk_posts.CARD_ROWS)
    pages = [
        await standings.standings(ctx, None, board.name, gpu, limit=most) for gpu in board.gpus
    ]
    return desk_posts.card(board, pages, key)


class Seen:
    """What is really in a server; read once for all competitions that are held against it."""

    def __init__(self, client: discord.Client, guild_id: int) -> None:
        self._client = client
        self._guild_id = guild_id
        self._kept: dict[str, set[int]] = {}

    def forget(self) -> None:
        self._kept.clear()

    @property
    def fresh(self) -> bool:
        return not self._kept

    async def channels(self) -> set[int]:
        return await self._read("channels", self._guild.fetch_channels)

    async def active(self) -> set[int]:
        return await self._read("active", self._guild.active_threads)

    async def events(self) -> set[int]:
        return await self._read("events", lambda: live_events(self._guild))

    @property
    def _guild(self) -> discord.Guild:
        found = self._client.get_guild(self._guild_id)
        if found is None:
            raise CannotShow(say("desk.trouble.refused", what="server"))
        return found

    async def _read(
        self, what: str, read: Callable[[], Awaitable[Sequence[discord.abc.Snowflake]]]
    ) -> set[int]:
        if what not in self._kept:
            self._kept[what] = {item.id for item in await read()}
        return self._kept[what]


async def live_events(guild: discord.Guild) -> list[discord.ScheduledEvent]:
    """Those that are to come or under way."""
    live = (discord.EventStatus.scheduled, discord.EventStatus.active)
    found = await guild.fetch_scheduled_events(with_counts=False)
    return [event for event in found if event.status in live]


class Workplace:
    """One competition in one server, for whoever has the turn to see to it."""

    def __init__(
        self, client: discord.Client, ctx: Context, guild: discord.Guild, turn: Turn, seen: Seen
    ) -> None:
        self._client = client
        self._ctx = ctx
        self._guild = guild
        self._turn = turn
        self._seen = seen
        self._desk = turn.desk
        assert client.user is not None, "after the login"
        self._me = client.user.id

    def plan(self, desk: DeskView) -> tuple[Step, ...]:
        self._desk = desk
        return rules.plan(wanted(desk, self._me), desk.things, desk.at)

    async def do(self, step: Step) -> None:
        """Raises CannotShow and discord.HTTPException."""
        shown = {item.key: item.shown for item in wanted(self._desk, self._me)}.get(step.key, "")
        if step.key == FORUM:
            await (self._make_forum if step.act is Act.MAKE else self._change_forum)(shown)
        elif step.key.startswith(EVENT):
            await self._see_to_event(step, shown)
        elif step.act is Act.MAKE:
            await self._make_post(step.key, shown)
        else:
            await self._change_post(self._desk.things[step.key], shown)

    # --- what is there -----------------------------------------------------------------------------

    async def compare(self) -> None:
        """Find out what people have deleted. Raises CannotShow where they have shut us out."""
        things = {key: item for key, item in self._desk.things.items() if item.place_id is not None}
        old = not self._seen.fresh
        lost = await self._lost(things)
        if lost and old:  # read before this turn began, when another bot may have made it
            self._seen.forget()
            lost = await self._lost(things)
        if FORUM in lost:
            went_with_it = [key for key in things if key == RULES or key.startswith(BOARD)]
            await service.lost(self._ctx, self._turn, went_with_it, wished=False)
        if lost:
            await service.lost(self._ctx, self._turn, lost, wished=True)
        if FORUM in things and FORUM not in lost:
            self._check(await self._home(), permissions.FORUMS)

    async def _lost(self, things: dict[str, Thing]) -> list[str]:
        """Without what went with the forum."""
        gone = await self._lost_events(things)
        home = things.get(FORUM)
        if home is not None and home.place_id not in await self._seen.channels():
            return [FORUM, *gone]
        return [*gone, *await self._lost_posts(things, home)]

    async def _lost_posts(self, things: dict[str, Thing], home: Thing | None) -> list[str]:
        posts = {
            item.place_id: key
            for key, item in things.items()
            if key.startswith(BOARD) or (key == RULES and item.place_id == item.message_id)
        }
        missing = posts.keys() - await self._seen.active() if posts else set()
        if len(missing) > 1 and home is not None:  # archived, or not there
            archive = (await self._home()).archived_threads(limit=ARCHIVE_PAGE)
            missing -= {thread.id async for thread in archive}
        gone = []
        for place_id in missing:
            try:
                await self._client.fetch_channel(place_id or 0)
            except discord.NotFound:
                gone.append(posts[place_id])
        return gone

    async def _lost_events(self, things: dict[str, Thing]) -> list[str]:
        """An event that is over goes by itself; one that goes before was deleted."""
        events = {
            key: item
            for key, item in things.items()
            if key.startswith(EVENT) and item.there(self._desk.at)
        }
        there = await self._seen.events() if events else set()
        return [key for key, item in events.items() if item.place_id not in there]

    def _check(self, channel: discord.abc.GuildChannel, needed: Sequence[str]) -> None:
        missing = permissions.missing(channel.permissions_for(self._guild.me), needed)
        if missing:
            where = f"#{plain(channel.name, 80)}"
            raise CannotShow(say("desk.trouble.lacks", where=where, names=", ".join(missing)))

    # --- the forum ---------------------------------------------------------------------------------

    def _category(self) -> discord.CategoryChannel:
        found = self._guild.get_channel(self._desk.category_id or 0)
        if not isinstance(found, discord.CategoryChannel):
            raise CannotShow(say("desk.trouble.category"))
        return found

    async def _make_forum(self, shown: str) -> None:
        category = self._category()
        self._check(category, permissions.FORUMS)
        found = await self._found_forum() or await self._new_forum(category)
        await service.made(self._ctx, self._turn, FORUM, shown, found.id)

    async def _found_forum(self) -> Home | None:
        mark = desk_posts.mark(self._me, self._desk.competition.name)
        for channel in await self._guild.fetch_channels():
            if isinstance(channel, Home) and (channel.topic or "").endswith(f"\n{mark}"):
                return channel
        return None

    async def _new_forum(self, category: discord.CategoryChannel) -> Home:
        competition = self._desk.competition
        name = rules.forum_name(competition.name)
        topic = desk_posts.topic(competition, self._me)
        if "COMMUNITY" in self._guild.features:
            tags = [discord.ForumTag(name=desk_posts.tag(state)) for state in (True, False)]
            return await self._guild.create_forum(
                name, topic=topic, category=category, available_tags=tags
            )
        return await self._guild.create_text_channel(name, topic=topic, category=category)

    async def _change_forum(self, shown: str) -> None:
        competition, home = self._desk.competition, await self._home()
        if self._desk.shown:
            await home.edit(
                name=rules.forum_name(competition.name),
                topic=desk_posts.topic(competition, self._me),
                category=self._category(),
            )
        else:
            name = rules.forum_name(say("desk.hidden.name"))
            await home.edit(name=name, topic=say("desk.hidden"))
        await service.made(self._ctx, self._turn, FORUM, shown, home.id)

    async def _home(self) -> Home:
        thing = service.forum(self._desk)
        place_id = (thing.place_id if thing else None) or 0
        # One that was just made the gateway has not told of yet.
        found = self._guild.get_channel(place_id) or await self._client.fetch_channel(place_id)
        if not isinstance(found, Home):
            raise CannotShow(say("desk.trouble.refused", what=f"channel {found.id}"))
        return found

    # --- posts -------------------------------------------------------------------------------------

    async def _post(self, key: str) -> tuple[str, Post, bool, str]:
        """Name, message, whether it is open, and of a card the revision that it shows."""
        desk = self._desk
        if key == RULES and desk.shown:
            post = desk_posts.rules(desk.competition, desk.windows, list(desk.boards.values()))
            return desk_posts.rules_name(desk.competition), post, _any_open(desk), ""
        if key in desk.boards:
            revision, board = card_revision(desk, key), desk.boards[key]
            post = await card(self._ctx, desk, key)
            return desk_posts.post_name(board.title), post, board.is_open, revision
        mark = desk_posts.board_key(key)
        if key == RULES:
            mark = desk_posts.rules_key(desk.competition.name) if desk.public else RULES
        name = "" if desk.public else say("desk.hidden.name")
        return name, desk_posts.hidden(mark), False, ""

    async def _make_post(self, key: str, shown: str) -> None:
        name, post, is_open, revision = await self._post(key)
        home = await self._home()
        self._check(home, permissions.FORUMS)
        if isinstance(home, discord.ForumChannel):
            place_id = await self._post_in_forum(home, key, name, post, is_open)
            channel_id = message_id = place_id
        else:
            self._check(home, permissions.NO_FORUMS)
            channel_id = home.id
            message_id = await self._said(home, home.id, post)
            place_id = await self._thread_of(home.id, message_id, name) if key != RULES else home.id
        await service.made(
            self._ctx, self._turn, key, shown, place_id, channel_id=channel_id,
            message_id=message_id, revision=revision, words=post.digest,
        )  # fmt: skip

    async def _post_in_forum(
        self, forum: discord.ForumChannel, key: str, name: str, post: Post, is_open: bool
    ) -> int:
        """The id of the post, and of its first message."""
        found = await self._found_post(forum, post.key)
        if found is None:
            tags = await self._tags(forum, is_open)
            made = await forum.create_thread(
                name=name, auto_archive_duration=ARCHIVE_MINUTES, applied_tags=tags,
                embeds=post.embeds,
            )  # fmt: skip
            found = made.thread.id
        if key == RULES:
            await _pinned(self._client.http.edit_channel(found, flags=PINNED))
        return found

    async def _found_post(self, forum: discord.ForumChannel, mark: str) -> int | None:
        threads = [
            item for item in await self._guild.active_threads() if item.parent_id == forum.id
        ]
        threads += [item async for item in forum.archived_threads(limit=None)]
        known = {thing.place_id for thing in self._desk.things.values()}
        for thread in threads:
            if thread.owner_id != self._me or thread.id in known:
                continue
            try:
                first = await thread.fetch_message(thread.id)
            except discord.NotFound:
                continue
            if any(embed.footer.text == mark for embed in first.embeds):
                return thread.id
        return None

    async def _tags(self, forum: discord.ForumChannel, is_open: bool) -> list[discord.ForumTag]:
        name = desk_posts.tag(is_open)
        known = [tag for tag in forum.available_tags if tag.name == name]
        if known or len(forum.available_tags) >= MOST_TAGS:
            return known[:1]
        added = [*forum.available_tags, discord.ForumTag(name=name)]
        changed = await forum.edit(available_tags=added)
        return [tag for tag in (changed or forum).available_tags if tag.name == name][:1]

    async def _said(self, home: Home, channel_id: int, post: Post) -> int:
        """A message that is there already, or sent now; pinned where we may."""
        channel = self._client.get_partial_messageable(channel_id)
        begun = discord.utils.snowflake_time(channel_id)
        message = await delivery.send_once(channel, post, self._me, since=begun, again=True)
        allowed = home.permissions_for(self._guild.me)
        if not message.pinned and (allowed.pin_messages or allowed.manage_messages):
            await _pinned(message.pin())
        return message.id

    async def _thread_of(self, channel_id: int, message_id: int, name: str) -> int:
        """The thread that hangs on a message, which has the message's id."""
        try:
            await self._client.http.start_thread_with_message(
                channel_id, message_id, name=name, auto_archive_duration=ARCHIVE_MINUTES
            )
        except discord.HTTPException as error:
            if error.code != THREAD_IS_THERE:
                raise
        return message_id

    async def _change_post(self, thing: Thing, shown: str) -> None:
        home = await self._home()
        try:
            await self._changed_post(home, thing, shown)
        except discord.NotFound as error:
            if error.code == delivery.UNKNOWN_MESSAGE:
                desk = self._desk
                await service.lost_message(self._ctx, desk.guild_id, desk.competition_id, thing)
            else:
                await service.lost(self._ctx, self._turn, [thing.key], wished=True)

    async def _changed_post(self, home: Home, thing: Thing, shown: str) -> None:
        """The message first: what may not be seen any more goes before what it is called."""
        name, post, is_open, revision = await self._post(thing.key)
        place_id, channel_id = thing.place_id or 0, thing.channel_id or 0
        alone = await service.hold_card(self._ctx, self._turn, thing.key)
        message_id = thing.message_id
        if message_id is not None and thing.words != post.digest:
            await edit(self._client, channel_id, message_id, post)
        if place_id != home.id:
            options: dict[str, Any] = {"archived": False}
            if name:
                options["name"] = name
            if isinstance(home, discord.ForumChannel):
                options["applied_tags"] = await self._applied(home, place_id, is_open)
            await self._client.http.edit_channel(place_id, **options)
        if message_id is None:  # somebody has deleted it
            message_id = await self._said(home, channel_id, post)
        await service.made(
            self._ctx, self._turn, thing.key, shown, place_id, channel_id=channel_id,
            message_id=message_id, revision=revision, words=post.digest, alone=alone,
        )  # fmt: skip

    async def _applied(
        self, forum: discord.ForumChannel, place_id: int, is_open: bool
    ) -> list[str]:
        """The tags of a post: ours, and those that people have set."""
        thread = self._guild.get_thread(place_id) or await self._client.fetch_channel(place_id)
        ours = {desk_posts.tag(state) for state in (True, False)}
        theirs = [
            tag
            for tag in (thread.applied_tags if isinstance(thread, discord.Thread) else ())
            if tag.name not in ours
        ]
        tags = [*await self._tags(forum, is_open), *theirs]
        return [str(tag.id) for tag in tags[:MOST_APPLIED]]

    # --- events ------------------------------------------------------------------------------------

    async def _see_to_event(self, step: Step, shown: str) -> None:
        self._check_events()
        thing = self._desk.things.get(step.key)
        if step.act is Act.DROP:
            place_id = (thing.place_id if thing else None) or 0
            with contextlib.suppress(discord.NotFound):
                await self._client.http.delete_scheduled_event(self._guild.id, place_id)
            await service.lost(self._ctx, self._turn, [step.key], wished=False)
            return
        window = next(
            item for item in self._desk.windows if rules.event_key(item.phase) == step.key
        )
        known = thing.place_id if thing is not None and step.act is Act.CHANGE else None
        event = await self._event(window, known)
        if event is not None:
            event_id = await self._scheduled(event, window)
            await service.made(
                self._ctx, self._turn, step.key, shown, event_id, ends_at=window.closes
            )

    def _check_events(self) -> None:
        allowed = self._guild.me.guild_permissions
        missing = () if allowed.manage_events else permissions.missing(allowed, permissions.EVENTS)
        if missing:
            where = say("desk.trouble.server")
            raise CannotShow(say("desk.trouble.lacks", where=where, names=", ".join(missing)))

    async def _event(self, window: Window, known: int | None) -> discord.ScheduledEvent | None:
        """The event of a phase that is there already, or a new one; None: it is too late for one."""
        mark = desk_posts.mark(self._me, self._desk.competition.name, window.phase)
        for event in await live_events(self._guild):
            ours = event.creator_id == self._me  # anybody can write a mark
            if event.id == known or (ours and (event.description or "").endswith(f"\n{mark}")):
                return event
        times = rules.event_times(window, self._desk.at)
        if times is None:
            return None
        text = _event_text(self._desk, window, self._me)
        return await self._guild.create_scheduled_event(
            name=text.name,
            description=text.about,
            start_time=times.begins,
            end_time=times.ends,
            entity_type=discord.EntityType.external,
            privacy_level=discord.PrivacyLevel.guild_only,
            location=(await self._home()).jump_url,
        )

    async def _scheduled(self, event: discord.ScheduledEvent, window: Window) -> int:
        """With the words and times of its phase."""
        text = _event_text(self._desk, window, self._me)
        changed: dict[str, Any] = {}
        if event.name != text.name:
            changed["name"] = text.name
        if event.description != text.about:
            changed["description"] = text.about
        if window.closes is not None and event.end_time != window.closes:
            changed["end_time"] = window.closes
        opens = window.opens
        if (
            opens is not None
            and opens > self._desk.at
            and event.start_time != opens
            and event.status is discord.EventStatus.scheduled
        ):
            changed["start_time"] = opens
        if changed:
            await event.edit(**changed)
        return event.id


async def _pinned(pinning: Awaitable[Any]) -> None:
    """Where something else is pinned by people, or as much as can be, ours goes without."""
    try:
        await pinning
    except discord.HTTPException as error:
        if not 400 <= error.status < 500:
            raise
        log.info("not pinned", error=str(error))


async def edit(client: discord.Client, channel_id: int, message_id: int, post: Post) -> None:
    """Edit a message in place, in a post that has been put away too."""
    message = client.get_partial_messageable(channel_id).get_partial_message(message_id)
    try:
        await message.edit(**post.editing())
    except discord.HTTPException as error:
        if error.code != delivery.ARCHIVED:
            raise
        await client.http.edit_channel(channel_id, archived=False)
        await message.edit(**post.editing())
