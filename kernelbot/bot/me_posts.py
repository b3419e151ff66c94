"""What somebody may want to know of themselves: where they stand, what they have left, hear of and may use. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from kernelbot import report
from kernelbot.bot.board_posts import ROWS
from kernelbot.bot.limits import FIELD_VALUE
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, Post, fitted, titled
from kernelbot.bot.text import cut_markdown, plain, relative, until
from kernelbot.domain.notifying import Preferences, clock
from kernelbot.services.views import AllowanceView, MeView, OwnPlace


def me(
    view: MeView,
    allowances: Sequence[AllowanceView],
    places: Sequence[OwnPlace],
    wanted: Preferences,
) -> Post:
    """What somebody may want to know of themselves."""
    banned = ""
    if view.banned_until is not None and view.banned_until > datetime.now(UTC):
        ends, reason = until(view.banned_until), plain(view.ban_reason, 300)
        banned = say("me.banned", until=ends, reason=reason)
    embed = titled(say("me.title", name=plain(view.name, 64)), banned, BLUE)
    accounts = [
        say("me.account", provider=plain(item["provider"], 32), name=plain(item["name"], 64))
        for item in view.identities
    ]
    for name, value in (
        (say("me.places"), _places(places)),
        (say("me.allowance"), _allowance(allowances)),
        (say("me.gpu_seconds"), _gpu_seconds(allowances)),
        (say("me.accounts"), "\n".join(accounts)),
        (say("me.hear"), _hears(wanted)),
    ):
        if value:
            embed.add_field(name=name, value=cut_markdown(value, FIELD_VALUE), inline=False)
    return Post(embeds=(fitted(embed),))


def _places(places: Sequence[OwnPlace]) -> str:
    lines = [
        say(
            "me.places.line",
            place=report.ordinal(item.standing.rank) + (" =" if item.standing.tied else ""),
            total=item.total,
            board=plain(item.leaderboard, 60),
            gpu=plain(item.gpu, 20),
            time=report.format_time_error(item.standing.entry.seconds, item.standing.entry.error),
        )
        for item in places[:ROWS]
    ]
    if len(places) > ROWS:
        lines.append(say("me.places.more", count=len(places) - ROWS))
    return "\n".join(lines) or say("me.places.none")


def _allowance(views: Iterable[AllowanceView]) -> str:
    """Where there is a limit."""
    lines = [
        say(
            "me.allowance.line",
            board=plain(view.leaderboard, 60),
            ranked=_left_of(view.ranked_left, view.ranked_limit),
            other=_left_of(view.other_left, view.other_limit),
        )
        for view in views
        if view.ranked_limit is not None or view.other_limit is not None
    ]
    return "\n".join(lines) or say("me.allowance.none")


def _gpu_seconds(views: Iterable[AllowanceView]) -> str:
    """One balance is for all leaderboards of a competition."""
    found = {(view.competition, item.gpu): item for view in views for item in view.gpu_seconds}
    lines = []
    for (competition, gpu), item in found.items():
        line = say(
            "me.gpu_seconds.line",
            competition=plain(competition, 60),
            gpu=plain(gpu, 20),
            left=f"{item.left_s:,.0f}",
            limit=f"{item.limit_s:,.0f}",
        )
        if item.reserved_s:
            line += say("me.gpu_seconds.reserved", reserved=f"{item.reserved_s:,.0f}")
        if item.more_at is not None:
            line += say("me.gpu_seconds.more", when=relative(item.more_at))
        elif item.refills_at is not None:
            line += say("me.gpu_seconds.refills", when=relative(item.refills_at))
        lines.append(line)
    return "\n".join(lines)


def _left_of(left: int | None, limit: int | None) -> str:
    if limit is None:
        return say("me.allowance.free")
    return say("me.allowance.left", left=left, limit=limit)


def _hears(wanted: Preferences) -> str:
    hours = say("me.quiet.none")
    if wanted.quiet_from is not None and wanted.quiet_until is not None:
        begin, end = clock(wanted.quiet_from), clock(wanted.quiet_until)
        hours = say("me.quiet.hours", begin=begin, end=end, zone=plain(wanted.zone, 40))
    lines = [
        say("me.finished", state=on_or_off(wanted.finished)),
        say("me.overtaken", state=on_or_off(wanted.overtaken)),
        say("me.deadlines", state=on_or_off(wanted.deadlines)),
        say("me.direct", state=on_or_off(wanted.direct)),
        say("me.quiet", hours=hours),
    ]
    return "\n".join(lines)


def on_or_off(state: bool) -> str:
    return say("me.on") if state else say("me.off")


def help_text(*, manages: bool = False, administrates: bool = False) -> Post:
    """With what only they may use who manage this server, or run competitions."""
    lines = [say("help")]
    lines += [say("help.setup")] if manages else []
    lines += [say("help.admin")] if administrates else []
    return Post(embeds=(fitted(titled(say("help.title"), "\n".join(lines), BLUE)),))
