"""A Discord on loopback: REST v10, gateway, CDN, and the people who use it.

A bot process is pointed at ``api_url`` and ``gateway_url``; a test arranges guilds and channels,
acts as people (``slash``, ``press``, ``autocomplete``) and reads what they would see
(``read``, ``transcript``). Discord's own rules hold: an interaction must be acknowledged within 3 s
and once, its token lives 15 minutes, lengths and counts are limited, rate limits are enforced, a
nonce makes a repeated send the same message, missing permissions are refused. A call to a route that
is not here is answered 501 and remembered: ``assert_well_behaved`` fails on it.

``python -m tests.fakes.discord --port 8300`` serves one with a guild, a channel and a person, and
prints the settings a bot needs to join; ``POST /people/slash`` and ``GET /people/transcript`` drive it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from tests.fakes import discord_rules as rules
from tests.fakes import discord_world as shape
from tests.fakes.discord_forums import Forums
from tests.fakes.discord_gateway import Gateway, until
from tests.fakes.discord_http import as_json, number
from tests.fakes.discord_rules import ApiError
from tests.fakes.discord_world import (
    Attachment,
    Channel,
    Failure,
    Guild,
    Interaction,
    Message,
    Request,
    User,
)

ACKNOWLEDGE_S = 3.0
TOKEN_S = 15 * 60.0
NONCE_S = 5 * 60.0
ALL, PER_CHANNEL = (50, 1.0), (5, 5.0)  # calls within seconds
INVALID = (10_000, 600.0)
"""Answers 401, 403 and 429, after which Discord hears nothing of the bot for a while."""
ACTIVE_THREADS = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Upload:
    """A file a person attaches to a command."""

    name: str
    content: bytes


class LoopbackDiscord(Forums):
    """Start with ``async with LoopbackDiscord() as discord``."""

    def __init__(self, *, token: str = "loopback-token", port: int = 0) -> None:
        super().__init__()
        self.token = token
        self.port = port
        self.acknowledge_s = ACKNOWLEDGE_S
        self.token_s = TOKEN_S
        self.pace = True  # enforce rate limits
        self.far_s = 0.0  # how long an answer is on its way
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.failures: list[Failure] = []
        self.release = asyncio.Event()  # lets "hang" answers go
        self.gateway = Gateway(self, token)
        self._spent: dict[str, deque[float]] = defaultdict(deque)
        self._sent: dict[str, Message] = {}  # the bot's, by nonce
        self._runner: web.AppRunner | None = None

    # --- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> LoopbackDiscord:
        application = web.Application(
            middlewares=[self._middleware], client_max_size=64 * rules.MEBIBYTE
        )
        application.add_routes(self._routes())
        self._runner = web.AppRunner(application, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.gateway.url = self.gateway_url
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self.gateway.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    def environment(self) -> dict[str, str]:
        """What a bot process needs to come here."""
        return {
            "DISCORD_TOKEN": self.token,
            "KERNELBOT_DISCORD_API_URL": self.api_url,
            "KERNELBOT_DISCORD_GATEWAY_URL": self.gateway_url,
        }

    async def until(self, met: Callable[[], Any], what: str, within_s: float = 120.0) -> Any:
        return await until(self, met, within_s, what)

    def fail(
        self, method: str, part: str, kind: str, *, times: int = 1, retry_after: float = 0.3,
        shared: bool = False, code: int = 0,
    ) -> Failure:  # fmt: skip
        """Answer the next ``times`` calls whose method and path match otherwise than by success.

        ``kind``: a status ("429", "500", "503"); a status with "-after" does the work first;
        "hang" never answers, "hang-after" does the work and never answers (until ``release``);
        "drop" cuts the connection, "drop-after" does the work first. A 403 or 404 has ``code``.
        """
        failure = Failure(method, part, kind, times, retry_after, shared, code)
        self.failures.append(failure)
        return failure

    def assert_well_behaved(self) -> None:
        """The bot broke none of Discord's rules."""
        late = [
            f"{item.user.name}: {item.what} was not acknowledged in time"
            for item in self.interactions.values()
            if item.expired
        ]
        wrong = self.violations + late
        assert not wrong, "\n".join(wrong) + "\n" + self.transcript()

    # --- people ----------------------------------------------------------------------------------

    def person(self, guild: Guild, name: str, shown: str = "") -> User:
        user = self.user(name, shown)
        guild.members.append(user)
        return user

    async def slash(
        self, user: User, channel: Channel, name: str, /, **options: str | int | Upload
    ) -> Interaction:
        """Send a slash command as the client would: it must be registered and fit its definition. One of a group is
        named with the group before it: ``admin audit``."""
        group, *path = name.split(" ")
        command = defined = self._command(group)
        for part in path:
            defined = next(item for item in defined["options"] if item["name"] == part)
        given, resolved = self._options(defined, options, channel)
        for part in reversed(path):
            given = [{"type": 2 if part is not path[-1] else 1, "name": part, "options": given}]
        data = {
            "id": command["id"],
            "name": group,
            "type": 1,
            "options": given,
            "resolved": resolved,
        }
        what = f"/{name} " + " ".join(
            f"{key}:{value.name if isinstance(value, Upload) else value}"
            for key, value in options.items()
        )
        return await self._interact(2, user, channel, data, what.strip())

    async def autocomplete(
        self, user: User, channel: Channel, name: str, option: str, typed: str, /, **filled: str
    ) -> Interaction:
        command = self._command(name)
        defined = next(item for item in command["options"] if item["name"] == option)
        assert defined.get("autocomplete"), f"/{name} {option} has no autocomplete"
        given, _ = self._options(command, filled, channel, partial=True)
        given.append({"name": option, "type": defined["type"], "value": typed, "focused": True})
        data = {"id": command["id"], "name": name, "type": 1, "options": given}
        return await self._interact(4, user, channel, data, f"/{name} {option}:{typed}…")

    async def press(self, user: User, message: Message, label: str) -> Interaction:
        assert message in self.read(message.channel, user), f"{user.name} cannot see this message"
        button = next((item for item in message.buttons if item.get("label") == label), None)
        assert button is not None, f"there is no button {label!r}:\n{self.transcript()}"
        assert not button.get("disabled"), f"the button {label!r} is disabled"
        data = {"custom_id": button["custom_id"], "component_type": 2}
        return await self._interact(3, user, message.channel, data, f"[{label}]", source=message)

    def write(self, user: User, channel: Channel, content: str) -> Message:
        """A message of a person; the bot hears nothing of it."""
        message = Message(self.snowflake(), channel, user, content)
        self.messages[message.id] = message
        return message

    async def point_at(self, user: User, message: Message, name: str) -> Interaction:
        """Choose a command from the menu of a message."""
        assert message in self.read(message.channel, user), f"{user.name} cannot see this message"
        command = self._command(name)
        assert command["type"] == 3, f"{name} is no command for messages"
        shown = self.message_payload(message, self.url)
        data = {
            "id": command["id"],
            "name": name,
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): shown}},
        }
        return await self._interact(2, user, message.channel, data, f"[message menu: {name}]")

    async def fill(self, asked: Interaction, **values: str | list[str]) -> Interaction:
        """Send the form that answered an interaction, with what stands in it already unless changed."""
        await self.until(lambda: asked.form, f"a form as the answer to {asked.what}")
        form = asked.form
        assert form is not None
        fields = [row["component"] for row in form["components"]]
        unknown = set(values) - {item["custom_id"] for item in fields}
        assert not unknown, f"the form has no field {unknown}"
        rows = [{"type": 18, "component": _answered(item, values)} for item in fields]
        data = {"custom_id": form["custom_id"], "components": rows}
        return await self._interact(5, asked.user, asked.channel, data, f"[{form['title']}]")

    async def answer(self, interaction: Interaction, within_s: float = 120.0) -> Message:
        """The bot's answer, once it is more than "thinking…"."""
        await self.until(lambda: interaction.answered, f"an answer to {interaction.what}", within_s)
        assert interaction.original is not None
        return interaction.original

    def _command(self, name: str) -> dict[str, Any]:
        found = next((item for item in self.commands if item["name"] == name), None)
        assert found is not None, f"/{name} is not registered"
        return found

    def _options(
        self, command: dict[str, Any], options: dict[str, Any], channel: Channel,
        *, partial: bool = False,
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
        defined = {item["name"]: item for item in command.get("options") or []}
        unknown = set(options) - set(defined)
        assert not unknown, f"/{command['name']} has no option {unknown}"
        missing = {name for name, item in defined.items() if item.get("required")} - set(options)
        assert partial or not missing, f"/{command['name']} requires {missing}"
        given: list[dict[str, Any]] = []
        resolved: dict[str, Any] = {}
        for name, value in options.items():
            kind = defined[name]["type"]
            choices = [choice["value"] for choice in defined[name].get("choices") or []]
            assert not choices or value in choices, f"{value!r} is no choice of {name}"
            if isinstance(value, Upload):
                item = Attachment(self.snowflake(), value.name, value.content, channel.id)
                self.attachments[item.id] = item
                payload = self.attachment_payload(item, self.url) | {"ephemeral": True}
                resolved.setdefault("attachments", {})[str(item.id)] = payload
                value = str(item.id)
            given.append({"name": name, "type": kind, "value": value})
        return given, resolved

    async def _interact(
        self, kind: int, user: User, channel: Channel, data: dict[str, Any], what: str,
        source: Message | None = None,
    ) -> Interaction:  # fmt: skip
        interaction = Interaction(
            self.snowflake(),
            secrets.token_urlsafe(24),
            kind,
            user,
            channel,
            what,
            self.now(),
            source,
        )
        self.interactions[interaction.id] = interaction
        self.by_token[interaction.token] = interaction
        payload: dict[str, Any] = {
            "id": str(interaction.id),
            "application_id": str(self.bot.id),
            "type": kind,
            "data": data,
            "channel_id": str(channel.id),
            "channel": self.channel_payload(channel),
            "token": interaction.token,
            "version": 1,
            "locale": "en-US",
            "app_permissions": str(self.bot_permissions(channel)),
            "entitlements": [],
            "authorizing_integration_owners": {},
            "attachment_size_limit": rules.FILE_LIMIT,
            "context": 0 if channel.guild else 1,
        }
        if channel.guild is not None:
            payload["guild_id"] = str(channel.guild.id)
            payload["guild"] = {"id": str(channel.guild.id), "features": [], "locale": "en-US"}
            payload["guild_locale"] = "en-US"
            payload["member"] = self.member_payload(user)
        else:
            payload["user"] = user.payload()
        if source is not None:
            payload["message"] = self.message_payload(source, self.url)
        await self.gateway.dispatch("INTERACTION_CREATE", payload)
        return interaction

    # --- REST ------------------------------------------------------------------------------------

    def _routes(self) -> list[web.RouteDef]:
        api, hook = "/api/v10", "/api/v10/webhooks/{application}/{token}"
        channel = api + "/channels/{channel}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/gateway", self.gateway.serve),
            ("GET", "/attachments/{channel}/{attachment}/file", self._cdn),
            ("POST", "/people/slash", self._people_slash),
            ("GET", "/people/transcript", self._people_transcript),
            ("GET", api + "/users/@me", self._me),
            ("GET", api + "/users/{user}", self._user),
            ("GET", api + "/oauth2/applications/@me", self._application),
            ("GET", api + "/gateway", self._gateway_url),
            ("GET", api + "/applications/{application}/commands", self._get_commands),
            ("PUT", api + "/applications/{application}/commands", self._put_commands),
            ("POST", api + "/interactions/{interaction}/{token}/callback", self._callback),
            ("POST", hook, self._follow_up),
            ("GET", hook + "/messages/{message}", self._get_answer),
            ("PATCH", hook + "/messages/{message}", self._edit_answer),
            ("POST", api + "/users/@me/channels", self._open_dm),
            ("GET", channel, self._get_channel),
            ("PATCH", channel, self._edit_channel),
            ("POST", channel + "/threads", self._create_thread),
            ("PUT", channel + "/thread-members/{user}", self._add_to_thread),
            ("GET", channel + "/messages", self._history),
            ("POST", channel + "/messages", self._send),
            ("GET", channel + "/messages/{message}", self._get_message),
            ("PATCH", channel + "/messages/{message}", self._edit),
            *self.forum_routes(api),
            ("*", "/{unknown:.*}", self._unknown),
        ]
        return [web.route(method, path, handler) for method, path, handler in table]

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(("/gateway", "/people")):
            return await handler(request)
        route = request.match_info.route.resource
        note = ""
        if self.far_s:
            await asyncio.sleep(self.far_s)
        try:
            failure = self._failure_for(request)
            if failure is not None and not failure.kind.endswith("-after"):
                response = await self._injected(failure, request)
            else:
                response = self._limited(request) or await self._answer(request, handler)
                if (bucket := self._bucket(request)) is not None:
                    response.headers.update(self._pacing(bucket))
                if failure is not None:
                    response = await self._injected(failure, request)
        except ApiError as error:
            note = str(error)
            if error.code in (50035, 40060, 10062, 50006, 40005):
                self.violations.append(f"{request.method} {request.path}: {error}")
            response = as_json(error.body(), error.status)
        self._count_invalid(response.status)
        name = route.canonical if route is not None else "?"
        self.requests.append(
            Request(self.now(), request.method, name, request.path, response.status, note)
        )
        async with self.changed:
            self.changed.notify_all()
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        open_to_all = ("/interactions/", "/webhooks/", "/attachments/")
        signed = request.headers.get("Authorization") == f"Bot {self.token}"
        if not signed and not any(part in request.path for part in open_to_all):
            raise ApiError(401, 0, "401: Unauthorized")
        return await handler(request)

    def _failure_for(self, request: web.Request) -> Failure | None:
        for failure in self.failures:
            if (
                failure.times > 0
                and failure.method == request.method
                and failure.part in request.path
            ):
                failure.times -= 1
                return failure
        return None

    async def _injected(self, failure: Failure, request: web.Request) -> web.StreamResponse:
        kind = failure.kind.removesuffix("-after")
        if kind == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if kind == "hang":
            failure.hung += 1
            async with self.changed:
                self.changed.notify_all()
            await self.release.wait()
            return as_json({"code": 0, "message": "too late"}, 500)
        if kind == "429":
            return _too_many(failure.retry_after, shared=failure.shared)
        return as_json({"code": failure.code, "message": f"{kind}: injected"}, int(kind))

    def _count_invalid(self, status: int) -> None:
        if status in (401, 403, 429) and self._spend("invalid", *INVALID) is not None:
            self.violations.append(
                "10,000 invalid requests within ten minutes: Discord bans the bot"
            )

    def _limited(self, request: web.Request) -> web.StreamResponse | None:
        """Discord's limits: 50 calls a second in all, 5 sends and 5 edits per channel in 5 s."""
        # Interactions and their follow-ups are not bound to the bot's global limit.
        free = ("/interactions/", "/webhooks/", "/attachments/")
        if not self.pace or any(part in request.path for part in free):
            return None
        wait, bucket = self._spend("all", *ALL), self._bucket(request)
        if wait is None and bucket is not None:
            wait = self._spend(bucket, *PER_CHANNEL)
        return None if wait is None else _too_many(wait)

    def _bucket(self, request: web.Request) -> str | None:
        """What a call counts against besides the whole: sends, edits, new threads of a channel."""
        channel = request.match_info.get("channel")
        if not self.pace or not channel or request.method not in ("POST", "PATCH"):
            return None
        kind = request.path.removeprefix("/api/v10/channels/").split("/")[1:2]
        return "-".join([request.method, channel, *kind])

    def _pacing(self, bucket: str) -> dict[str, str]:
        """The headers by which a client paces itself instead of running into a 429."""
        limit, window_s = PER_CHANNEL
        spent = self._spent[bucket]
        reset_after = max(0.05, spent[0] + window_s - self.now()) if spent else window_s
        return {
            "X-RateLimit-Bucket": bucket.replace(bucket.split("-")[1], "channel"),
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - len(spent))),
            "X-RateLimit-Reset": f"{self.now() + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
        }

    def _spend(self, bucket: str, limit: int, window_s: float) -> float | None:
        """Count a call; when there were too many, the seconds until one is allowed again."""
        now, spent = self.now(), self._spent[bucket]
        while spent and spent[0] <= now - window_s:
            spent.popleft()
        if len(spent) >= limit:
            return max(0.05, spent[0] + window_s - now)
        spent.append(now)
        return None

    async def _unknown(self, request: web.Request) -> web.Response:
        self.violations.append(f"unknown route: {request.method} {request.path}")
        return as_json({"code": 0, "message": "501: the loopback Discord has no such route"}, 501)

    # --- about the bot ---------------------------------------------------------------------------

    async def _me(self, request: web.Request) -> web.Response:
        return as_json(self.bot.payload() | {"verified": True, "flags": 0})

    async def _user(self, request: web.Request) -> web.Response:
        user = self.users.get(number(request, "user"))
        if user is None:
            raise ApiError(404, 10013, "Unknown User")
        return as_json(user.payload())

    async def _application(self, request: web.Request) -> web.Response:
        return as_json(
            {
                "id": str(self.bot.id),
                "name": self.bot.name,
                "icon": None,
                "description": "",
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": 0,
                "owner": self.bot.payload(),
                "team": None,
                "summary": "",
            }
        )

    async def _gateway_url(self, request: web.Request) -> web.Response:
        return as_json({"url": self.gateway_url})

    async def _get_commands(self, request: web.Request) -> web.Response:
        return as_json(self.commands)

    async def _put_commands(self, request: web.Request) -> web.Response:
        commands = await request.json()
        rules.check_commands(commands)
        self.commands = [
            {
                "id": str(self.snowflake()),
                **rules.kept(command),
                "application_id": str(self.bot.id),
                "version": str(self.snowflake()),
            }
            for command in commands
        ]
        self.command_writes += 1
        return as_json(self.commands)

    # --- interactions ----------------------------------------------------------------------------

    async def _callback(self, request: web.Request) -> web.Response:
        body, files = await self._body(request)
        interaction = self.interactions.get(number(request, "interaction"))
        if interaction is None or interaction.token != request.match_info["token"]:
            raise ApiError(404, 10062, "Unknown interaction")
        if interaction.acknowledged is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        if self.now() - interaction.created > self.acknowledge_s:
            interaction.expired = True
            raise ApiError(404, 10062, "Unknown interaction")
        data = body.get("data") or {}
        resource = self._take_callback(interaction, body["type"], data, files)
        interaction.acknowledged = self.now()
        answer: dict[str, Any] = {
            "interaction": {
                "id": str(interaction.id),
                "type": interaction.type,
                "response_message_loading": body["type"] == 5,
                "response_message_ephemeral": interaction.ephemeral,
            }
        }
        if resource is not None:
            answer["interaction"]["response_message_id"] = str(resource.id)
            message = self.message_payload(resource, self.url)
            answer["resource"] = {"type": body["type"], "message": message}
        if request.query.get("with_response") in ("1", "true", "True"):
            return as_json(answer)
        return web.Response(status=204)

    def _take_callback(
        self, interaction: Interaction, kind: int, data: dict[str, Any],
        files: list[tuple[str, bytes]],
    ) -> Message | None:  # fmt: skip
        match kind:
            case 4:
                rules.check_message(data, files, new=True)
                interaction.ephemeral = bool(data.get("flags", 0) & shape.EPHEMERAL)
                interaction.original = self._answer_message(interaction)
                self.put_into(interaction.original, data, files)
            case 5:
                interaction.ephemeral = bool(data.get("flags", 0) & shape.EPHEMERAL)
                interaction.original = self._answer_message(interaction)
                interaction.original.flags |= shape.LOADING
            case 6:
                assert interaction.source is not None
                interaction.original = interaction.source
            case 7:
                assert interaction.source is not None
                rules.check_message(data, files, new=False)
                interaction.original = interaction.source
                self.put_into(interaction.source, data, files)
                interaction.source.edits.append(self.now())
            case 8:
                if interaction.type != 4:
                    raise ApiError(400, 50035, "Invalid Form Body", {"type": "not an autocomplete"})
                rules.check_choices(data.get("choices") or [])
                interaction.choices = data.get("choices") or []
            case 9:
                if interaction.type == 5:
                    raise ApiError(400, 50035, "Invalid Form Body", {"type": "a form after a form"})
                rules.check_form(data)
                interaction.form = data
            case other:
                raise ApiError(501, 0, f"callback type {other} is not known here")
        return interaction.original

    def _answer_message(self, interaction: Interaction) -> Message:
        message = Message(self.snowflake(), interaction.channel, self.bot)
        if interaction.ephemeral:
            message.flags |= shape.EPHEMERAL
            message.only_for = interaction.user
        self.messages[message.id] = message
        return message

    def _interaction_of(self, request: web.Request) -> Interaction:
        interaction = self.by_token.get(request.match_info["token"])
        if interaction is None or interaction.acknowledged is None:
            raise ApiError(404, 10015, "Unknown Webhook")
        if self.now() - interaction.created > self.token_s:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return interaction

    async def _follow_up(self, request: web.Request) -> web.Response:
        body, files = await self._body(request)
        interaction = self._interaction_of(request)
        rules.check_message(body, files, new=True)
        original = interaction.original
        if original is not None and original.flags & shape.LOADING:
            message = original  # the first follow-up takes the place of "thinking…"
            message.flags &= ~shape.LOADING
        else:
            message = self._answer_message(interaction)
            if body.get("flags", 0) & shape.EPHEMERAL:
                message.flags |= shape.EPHEMERAL
                message.only_for = interaction.user
            interaction.followups.append(message)
        self.put_into(message, body, files)
        return as_json(self.message_payload(message, self.url))

    def _answer_of(self, request: web.Request) -> Message:
        interaction = self._interaction_of(request)
        wanted = request.match_info["message"]
        messages = [*interaction.followups]
        if interaction.original is not None:
            messages.append(interaction.original)
        for message in messages:
            if wanted == str(message.id):
                return message
        if wanted == "@original" and interaction.original is not None:
            return interaction.original
        raise ApiError(404, 10008, "Unknown Message")

    async def _get_answer(self, request: web.Request) -> web.Response:
        return as_json(self.message_payload(self._answer_of(request), self.url))

    async def _edit_answer(self, request: web.Request) -> web.Response:
        body, files = await self._body(request)
        message = self._answer_of(request)
        rules.check_message(body, files, new=bool(message.flags & shape.LOADING))
        if message.flags & shape.LOADING:
            message.flags &= ~shape.LOADING
        else:
            message.edits.append(self.now())
        self.put_into(message, body, files)
        return as_json(self.message_payload(message, self.url))

    # --- channels and messages -------------------------------------------------------------------

    def channel_of(self, request: web.Request, *needed: int) -> Channel:
        channel = self.channels.get(number(request, "channel"))
        if channel is None or channel.deleted:
            raise ApiError(404, 10003, "Unknown Channel")
        if not self.bot_permissions(channel) & shape.VIEW_CHANNEL:
            raise ApiError(403, 50001, "Missing Access")
        for bit in needed:
            if not self.bot_permissions(channel) & bit:
                raise ApiError(403, 50013, "Missing Permissions")
        return channel

    async def _open_dm(self, request: web.Request) -> web.Response:
        user = self.users.get(int((await request.json())["recipient_id"]))
        if user is None:
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        return as_json(self.channel_payload(self.dm(user)))

    async def _get_channel(self, request: web.Request) -> web.Response:
        return as_json(self.channel_payload(self.channel_of(request)))

    async def _edit_channel(self, request: web.Request) -> web.Response:
        return await self.change_channel(self.channel_of(request), await request.json())

    async def _create_thread(self, request: web.Request) -> web.Response:
        channel = self.channel_of(request)
        body = await request.json()
        if channel.type == shape.FORUM:
            return await self.create_post(channel, body)
        self.channel_of(request, shape.CREATE_PRIVATE_THREADS)
        if channel.type != shape.TEXT or body.get("type") != shape.PRIVATE_THREAD:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        rules.check_thread(body)
        if self._active_threads(channel.guild) >= ACTIVE_THREADS:
            raise ApiError(400, 160006, "Maximum number of active threads reached")
        thread = self.thread(channel, body["name"])
        payload = self.channel_payload(thread)
        await self.gateway.dispatch("THREAD_CREATE", payload | {"newly_created": True})
        return as_json(payload, 201)

    def _active_threads(self, guild: Guild | None) -> int:
        return sum(
            item.type == shape.PRIVATE_THREAD and item.guild is guild and not item.archived
            for item in self.channels.values()
        )

    async def _add_to_thread(self, request: web.Request) -> web.Response:
        thread = self.channel_of(request, shape.SEND_MESSAGES_IN_THREADS)
        user = self.users.get(number(request, "user"))
        if thread.guild is None or user not in thread.guild.members:
            raise ApiError(404, 10007, "Unknown Member")
        thread.members.add(user.id)
        return web.Response(status=204)

    async def _history(self, request: web.Request) -> web.Response:
        channel = self.channel_of(request)
        if not self.bot_permissions(channel) & shape.READ_MESSAGE_HISTORY:
            return as_json([])  # as Discord does: an empty history, not a refusal
        said = [item for item in self.read(channel) if not item.ephemeral]
        limit = int(request.query.get("limit", 50))
        if "after" in request.query:
            newer = [item for item in said if item.id > int(request.query["after"])][:limit]
            return as_json([self.message_payload(item, self.url) for item in reversed(newer)])
        if "before" in request.query:
            said = [item for item in said if item.id < int(request.query["before"])]
        return as_json([self.message_payload(item, self.url) for item in reversed(said[-limit:])])

    def _message_of(self, request: web.Request, channel: Channel) -> Message:
        message = self.messages.get(number(request, "message"))
        if (
            message is None
            or message.channel is not channel
            or message.deleted
            or message.ephemeral
        ):
            raise ApiError(404, 10008, "Unknown Message")
        return message

    async def _get_message(self, request: web.Request) -> web.Response:
        channel = self.channel_of(request)
        return as_json(self.message_payload(self._message_of(request, channel), self.url))

    async def _send(self, request: web.Request) -> web.Response:
        body, files = await self._body(request)
        thread = shape.SEND_MESSAGES_IN_THREADS
        channel = self.channel_of(request)
        self._may_send(
            channel, thread if channel.type in shape.THREADS else shape.SEND_MESSAGES, bool(files)
        )
        rules.check_message(body, files, new=True)
        nonce = str(body.get("nonce") or "")
        if nonce and body.get("enforce_nonce"):
            earlier = self._sent.get(nonce)  # in whatever channel: a nonce is its sender's
            if earlier is not None and self._age(earlier) < NONCE_S:
                if earlier.deleted:
                    raise ApiError(404, 10008, "Unknown Message")
                return as_json(self.message_payload(earlier, self.url))
        message = Message(self.snowflake(), channel, self.bot, nonce=nonce)
        if nonce:
            self._sent[nonce] = message
        self.messages[message.id] = message
        self.put_into(message, body, files)
        channel.archived = False
        return as_json(self.message_payload(message, self.url))

    def _age(self, message: Message) -> float:
        return self.now() - ((message.id >> 22) + shape.EPOCH_MS) / 1000

    def _may_send(self, channel: Channel, permission: int, files: bool) -> None:
        if channel.type == shape.DM:
            if not all(self.users[user].accepts_dms for user in channel.members):
                raise ApiError(403, 50007, "Cannot send messages to this user")
            return
        needed = permission | (shape.ATTACH_FILES if files else 0)
        if needed & ~self.bot_permissions(channel):
            raise ApiError(403, 50013, "Missing Permissions")

    async def _edit(self, request: web.Request) -> web.Response:
        body, files = await self._body(request)
        channel = self.channel_of(request)
        message = self._message_of(request, channel)
        if message.author is not self.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        if channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        rules.check_message(body, files, new=False)
        self.put_into(message, body, files)
        message.edits.append(self.now())
        return as_json(self.message_payload(message, self.url))

    def put_into(
        self, message: Message, body: dict[str, Any], files: list[tuple[str, bytes]]
    ) -> None:
        if "content" in body:
            message.content = body["content"] or ""
        if "embeds" in body:
            message.embeds = body["embeds"] or []
        if "components" in body:
            message.components = body["components"] or []
        described = {
            str(item.get("id")): item.get("description") or ""
            for item in body.get("attachments") or []
        }
        if "attachments" in body:  # those that are not named go
            message.attachments = [
                item for item in message.attachments if str(item.id) in described
            ]
        for at, (name, content) in enumerate(files):
            words = described.get(str(at), "")
            item = Attachment(self.snowflake(), name, content, message.channel.id, words)
            self.attachments[item.id] = item
            message.attachments.append(item)
        lacks = not self.bot_permissions(message.channel) & shape.EMBED_LINKS
        if message.channel.guild and lacks and not message.ephemeral:
            message.embeds = []  # as Discord does: dropped without a word
        message.pings |= rules.pinged(message.content, body.get("allowed_mentions"))

    async def _body(self, request: web.Request) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
        if not request.content_type.startswith("multipart/"):
            return await request.json(), []
        body: dict[str, Any] = {}
        files: list[tuple[str, bytes]] = []
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                body = json.loads(await part.text())
            else:
                files.append((part.filename or "", bytes(await part.read())))
        return body, files

    async def _cdn(self, request: web.Request) -> web.Response:
        item = self.attachments.get(number(request, "attachment"))
        if item is None:
            raise ApiError(404, 0, "not found")
        return web.Response(body=item.content, content_type="application/octet-stream")

    # --- people over HTTP, for a Discord that runs as a process of its own -----------------------

    async def _people_slash(self, request: web.Request) -> web.Response:
        body = await request.json()
        user = next(item for item in self.users.values() if item.name == body["user"])
        channel = next(item for item in self.channels.values() if item.name == body["channel"])
        options = dict(body.get("options") or {})
        for name, value in options.items():
            if isinstance(value, dict):
                options[name] = Upload(value["name"], value["content"].encode())
        try:
            interaction = await self.slash(user, channel, body["command"], **options)
        except AssertionError as error:
            return as_json({"message": str(error)}, 400)
        return as_json({"id": str(interaction.id)})

    async def _people_transcript(self, request: web.Request) -> web.Response:
        return web.Response(text=self.transcript() + "\n")


def _answered(field: dict[str, Any], values: dict[str, str | list[str]]) -> dict[str, Any]:
    """A field of a form as it comes back: what a person wrote or chose, else what stood there."""
    name = field["custom_id"]
    if field["type"] == 4:
        value = values.get(name, field.get("value") or "")
        value = value if isinstance(value, str) else ",".join(value)  # a menu once it fits in one
        assert len(value) <= field.get("max_length", 4000), f"{name} takes no more characters"
        assert value or not field.get("required", True), f"{name} must be filled in"
        return {"type": 4, "custom_id": name, "value": value}
    offered = [option["value"] for option in field["options"]]
    chosen = values.get(name, [item["value"] for item in field["options"] if item.get("default")])
    assert isinstance(chosen, list)
    assert set(chosen) <= set(offered), f"{chosen} is not offered: {offered}"
    return {"type": 3, "custom_id": name, "values": chosen}


def _too_many(retry_after: float, *, shared: bool = False) -> web.Response:
    # Without a Via header clients take a 429 for a ban by the proxy in front of Discord.
    headers = {"Via": "1.1 loopback", "Retry-After": str(round(retry_after, 3))}
    if shared:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": shared}
    return as_json(body, 429, headers)


async def serve(port: int) -> None:
    """One guild, one channel, one person, until interrupted."""
    async with LoopbackDiscord(port=port) as discord:
        guild = discord.guild()
        discord.text_channel(guild, "submissions")
        discord.person(guild, "ada", "Ada")
        for name, value in discord.environment().items():
            print(f"export {name}={value}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="A Discord on loopback, for a bot without a token."
    )
    parser.add_argument("--port", type=int, default=8300)
    asyncio.run(serve(parser.parse_args().port))
