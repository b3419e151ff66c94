"""Discord's own rules, as its API enforces them: what a message, a command or a choice may be.

Each check raises ApiError with the code and the error path Discord would answer with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

MEBIBYTE = 1 << 20
FILE_LIMIT = 10 * MEBIBYTE


class ApiError(Exception):
    """An answer other than success: HTTP status, Discord's code, what it says."""

    def __init__(
        self, status: int, code: int, message: str, errors: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code} {message} {errors or ''}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors or {}

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.errors:
            body["errors"] = {}
            for path, reason in self.errors.items():
                _nest(body["errors"], path.split("."), reason)
        return body


def _nest(tree: dict[str, Any], path: list[str], reason: str) -> None:
    for part in path:
        tree = tree.setdefault(part, {})
    tree.setdefault("_errors", []).append({"code": "BASE_TYPE_BAD_LENGTH", "message": reason})


class Form:
    """Collects what is wrong with one body; ``finish`` answers 50035 with every path."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def length(self, path: str, text: Any, low: int, high: int) -> None:
        if not isinstance(text, str):
            self.errors[path] = "Only strings are allowed"
        elif not low <= len(text) <= high:
            self.errors[path] = f"Must be between {low} and {high} in length (is {len(text)})"

    def count(self, path: str, items: Any, high: int) -> None:
        if len(items) > high:
            self.errors[path] = f"Must be {high} or fewer in length (is {len(items)})"

    def refuse(self, path: str, reason: str) -> None:
        self.errors[path] = reason

    def finish(self) -> None:
        if self.errors:
            raise ApiError(400, 50035, "Invalid Form Body", self.errors)


def check_message(body: dict[str, Any], files: Iterable[tuple[str, bytes]], *, new: bool) -> None:
    """A message as sent or edited by the bot."""
    form, files = Form(), list(files)
    content = body.get("content") or ""
    embeds, rows = body.get("embeds") or [], body.get("components") or []
    form.length("content", content, 0, 2000)
    form.count("embeds", embeds, 10)
    if sum(_embed_size(embed) for embed in embeds) > 6000:
        form.refuse("embeds", "Embed size exceeds maximum size of 6000")
    for at, embed in enumerate(embeds):
        _check_embed(form, f"embeds.{at}", embed)
    _check_rows(form, rows)
    form.count("attachments", files, 10)
    if len(str(body.get("nonce") or "")) > 25:
        form.refuse("nonce", "Must be 25 or fewer in length")
    form.finish()
    if any(len(content) > FILE_LIMIT for _, content in files):
        raise ApiError(413, 40005, "Request entity too large")
    if new and not (content.strip() or embeds or files):
        raise ApiError(400, 50006, "Cannot send an empty message")


def _embed_size(embed: dict[str, Any]) -> int:
    fields = embed.get("fields") or []
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [item.get(key) for item in fields for key in ("name", "value")]
    return sum(len(text or "") for text in texts)


def _check_embed(form: Form, path: str, embed: dict[str, Any]) -> None:
    form.length(f"{path}.title", embed.get("title") or "", 0, 256)
    form.length(f"{path}.description", embed.get("description") or "", 0, 4096)
    form.length(f"{path}.footer.text", (embed.get("footer") or {}).get("text") or "", 0, 2048)
    form.length(f"{path}.author.name", (embed.get("author") or {}).get("name") or "", 0, 256)
    fields = embed.get("fields") or []
    form.count(f"{path}.fields", fields, 25)
    for at, item in enumerate(fields):
        form.length(f"{path}.fields.{at}.name", (item.get("name") or "").strip(), 1, 256)
        form.length(f"{path}.fields.{at}.value", (item.get("value") or "").strip(), 1, 1024)
    if (url := embed.get("url")) and not re.match(r"https?://", url):
        form.refuse(f"{path}.url", "Not a well formed URL")


def _check_rows(form: Form, rows: list[dict[str, Any]]) -> None:
    form.count("components", rows, 5)
    seen: set[str] = set()
    for at, row in enumerate(rows):
        path, items = f"components.{at}", row.get("components") or []
        if row.get("type") != 1 or not items:
            form.refuse(path, "Must be an action row with components")
        form.count(f"{path}.components", items, 5)
        for index, item in enumerate(items):
            _check_button(form, f"{path}.components.{index}", item, seen)


def _check_button(form: Form, path: str, item: dict[str, Any], seen: set[str]) -> None:
    if item.get("type") != 2:
        return
    form.length(f"{path}.label", item.get("label") or "", 0, 80)
    if not (item.get("label") or item.get("emoji")):
        form.refuse(path, "A button must have a label or emoji")
    if item.get("style") == 5:
        if not re.match(r"(https?|discord)://", item.get("url") or ""):
            form.refuse(f"{path}.url", "Not a well formed URL")
        return
    custom_id = item.get("custom_id") or ""
    form.length(f"{path}.custom_id", custom_id, 1, 100)
    if custom_id in seen:
        form.refuse(f"{path}.custom_id", "Component custom id cannot be duplicated")
    seen.add(custom_id)


def check_form(data: dict[str, Any]) -> None:
    """A form that is shown to a person: labels over text fields and menus."""
    form, rows = Form(), data.get("components") or []
    form.length("data.title", data.get("title"), 1, 45)
    form.length("data.custom_id", data.get("custom_id"), 1, 100)
    form.count("data.components", rows, 5)
    names = set()
    for at, row in enumerate(rows):
        path, item = f"data.components.{at}", row.get("component") or {}
        if row.get("type") != 18 or item.get("type") not in (3, 4):
            form.refuse(path, "Must be a label with a text field or a menu")
        form.length(f"{path}.label", row.get("label"), 1, 45)
        form.length(f"{path}.description", row.get("description") or "", 0, 100)
        form.length(f"{path}.value", item.get("value") or "", 0, item.get("max_length") or 4000)
        form.count(f"{path}.options", item.get("options") or [], 25)
        for option in item.get("options") or []:
            form.length(f"{path}.options.label", option.get("label"), 1, 100)
            form.length(f"{path}.options.value", option.get("value"), 1, 100)
            form.length(f"{path}.options.description", option.get("description") or "", 0, 100)
        if item.get("custom_id") in names:
            form.refuse(path, "Component custom id cannot be duplicated")
        names.add(item.get("custom_id"))
    form.finish()


def check_commands(commands: list[dict[str, Any]]) -> None:
    """The definitions of a PUT of all commands."""
    form = Form()
    names = [command.get("name") for command in commands]
    if len(set(names)) != len(names):
        form.refuse("name", "Application command names must be unique")
    form.count("commands", commands, 100)
    for at, command in enumerate(commands):
        _check_command(form, str(at), command)
    form.finish()


def kept(command: dict[str, Any]) -> dict[str, Any]:
    """A command as Discord gives it back: defaults added, words that say nothing left out, lists in an order of
    its own."""
    permissions = command.get("default_member_permissions")
    contexts = command.get("contexts")
    return {
        **_said(command),
        "type": command.get("type", 1),
        "description": command.get("description", ""),
        "default_member_permissions": None if permissions is None else str(permissions),
        "dm_permission": contexts is None or 1 in contexts,
        "contexts": None if contexts is None else sorted(contexts, reverse=True),
        "integration_types": sorted(command.get("integration_types") or [0], reverse=True),
        "nsfw": bool(command.get("nsfw")),
        "name_localizations": command.get("name_localizations") or None,
        "description_localizations": command.get("description_localizations") or None,
        "options": [_kept_option(option) for option in command.get("options") or []],
    }


def _kept_option(option: dict[str, Any]) -> dict[str, Any]:
    inner = [_kept_option(item) for item in option.get("options") or []]
    return {**_said(option), **({"options": inner} if inner else {})}


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing; a zero does."""
    return {
        key: value
        for key, value in given.items()
        if value is not None and value is not False and value != []
    }


def _check_command(form: Form, path: str, command: dict[str, Any]) -> None:
    if command.get("type") in (2, 3) and "." not in path:  # in the menu of a person or message
        form.length(f"{path}.name", command.get("name"), 1, 32)
        form.length(f"{path}.description", command.get("description") or "", 0, 0)
        return
    if not re.fullmatch(r"[-_a-z0-9]{1,32}", command.get("name") or ""):
        form.refuse(f"{path}.name", "Command name is invalid")
    form.length(f"{path}.description", command.get("description") or "", 1, 100)
    options = command.get("options") or []
    form.count(f"{path}.options", options, 25)
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        form.refuse(f"{path}.options", "Required options must be placed before non-required")
    for at, option in enumerate(options):
        _check_command(form, f"{path}.options.{at}", option)
        choices = option.get("choices") or []
        if choices and option.get("autocomplete"):
            form.refuse(f"{path}.options.{at}", "Choices and autocomplete exclude each other")
        _choices(form, f"{path}.options.{at}.choices", choices)


def check_choices(choices: list[dict[str, Any]]) -> None:
    """The answer to an autocomplete."""
    form = Form()
    _choices(form, "data.choices", choices)
    form.finish()


def _choices(form: Form, path: str, choices: list[dict[str, Any]]) -> None:
    form.count(path, choices, 25)
    for at, choice in enumerate(choices):
        form.length(f"{path}.{at}.name", choice.get("name"), 1, 100)
        if isinstance(choice.get("value"), str):
            form.length(f"{path}.{at}.value", choice["value"], 1, 100)


def check_thread(body: dict[str, Any]) -> None:
    form = Form()
    form.length("name", (body.get("name") or "").strip(), 1, 100)
    if body.get("auto_archive_duration", 1440) not in (60, 1440, 4320, 10080):
        form.refuse("auto_archive_duration", "Value must be one of {60, 1440, 4320, 10080}")
    form.finish()


def check_channel(body: dict[str, Any], *, community: bool) -> None:
    """A channel that the bot makes."""
    form = Form()
    form.length("name", body.get("name"), 1, 100)
    form.length("topic", body.get("topic") or "", 0, 4096 if body["type"] == 15 else 1024)
    if body["type"] == 15 and not community:
        form.refuse("type", "Value must be one of {0, 2, 4}")
    _check_tags(form, body.get("available_tags") or [])
    form.finish()


def check_channel_change(body: dict[str, Any]) -> None:
    form = Form()
    if "name" in body:
        form.length("name", body["name"], 1, 100)
    form.length("topic", body.get("topic") or "", 0, 1024)
    form.count("applied_tags", body.get("applied_tags") or [], 5)
    _check_tags(form, body.get("available_tags") or [])
    form.finish()


def _check_tags(form: Form, tags: list[dict[str, Any]]) -> None:
    form.count("available_tags", tags, 20)
    for at, tag in enumerate(tags):
        form.length(f"available_tags.{at}.name", tag.get("name"), 1, 20)


def check_event(body: dict[str, Any], now: datetime, *, new: bool = True) -> None:
    """A scheduled event elsewhere: it begins in the future, and ends after that."""
    form = Form()
    form.length("name", body.get("name"), 1, 100)
    form.length("description", body.get("description") or "", 0, 1000)
    location = (body.get("entity_metadata") or {}).get("location")
    form.length("entity_metadata.location", location, 1, 100)
    if body.get("entity_type") != 3 or body.get("privacy_level") != 2:
        form.refuse("entity_type", "Must be external, for members only")
    begins, ends = (
        datetime.fromisoformat(body[f"scheduled_{name}_time"]) for name in ("start", "end")
    )
    if new and begins <= now:
        form.refuse("scheduled_start_time", "Cannot schedule event in the past.")
    if ends <= begins or ends <= now:
        form.refuse("scheduled_end_time", "Cannot end before it starts.")
    form.finish()


def pinged(content: str, allowed: dict[str, Any] | None) -> set[int]:
    """Users that a message's mentions notify. Mentions inside embeds never do."""
    named = {int(user) for user in re.findall(r"<@!?(\d+)>", content)}
    if allowed is None or "users" in (allowed.get("parse") or []):
        return named
    return named & {int(user) for user in allowed.get("users") or []}
