"""Views into what administrators are shown: pure, like ``bot.submission_posts``, and for nobody else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import discord

from kernelbot import report
from kernelbot.bot import choosing
from kernelbot.bot.limits import CHOICE, CONTENT, FIELD_VALUE, FIELDS, TITLE
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, GOLD, RED, File, Post, fitted
from kernelbot.bot.text import block, clean, cut, cut_markdown, file_name, plain, relative, until
from kernelbot.domain.budget import Balance
from kernelbot.domain.people import Role
from kernelbot.judge.protocol import Hint
from kernelbot.services.effects import BanEffect, Fall, RefuseEffect, VoidEffect
from kernelbot.services.grants import CompetitionUse, Ending, Grant, Hourly, PersonUse
from kernelbot.services.persons import Known, Profile, RoleChange, RolePlan, Sent
from kernelbot.services.submissions import Recent
from kernelbot.services.views import (
    CodeView,
    InviteView,
    OwnPlace,
    RejudgeView,
    RunHints,
    SetAside,
    SubmissionView,
)

HINTS = 12
FALLS = 6
LINES = 12
REASON = 300
EVIDENCE = 1200
ENTRY = 400
"""Of the audit log: ten fit, so that no page leaves out one."""


# --- people --------------------------------------------------------------------------------------


def who(name: str, user_id: int) -> str:
    """Names are not unique, so with the number."""
    return say("admin.who", name=plain(name, 64), id=user_id)


def person(found: Profile, places: Sequence[OwnPlace], now: datetime) -> Post:
    embed = discord.Embed(
        title=cut(f"{plain(found.name, 64)} · #{found.user_id}", TITLE),
        description=_standing(found, now),
        colour=RED if _banned(found, now) else BLUE,
    )
    accounts = _accounts(found.identities)
    sent = ", ".join(f"{count:,} {mode}" for mode, count in sorted(found.submissions.items()))
    counts = say(
        "admin.person.counts",
        sent=sent or say("admin.none"),
        open=found.open_runs,
        places=found.places,
        void=found.void,
        tokens=found.live_tokens,
    )
    for name, value in (
        (say("admin.person.accounts"), accounts or say("admin.none")),
        (say("admin.person.did"), counts),
        (say("admin.person.places"), "\n".join(map(_held, places))),
        (say("admin.person.latest"), "\n".join(map(_sent, found.latest)) or say("admin.none")),
    ):
        if not value:
            continue
        text = cut_markdown(value, FIELD_VALUE)
        embed.add_field(name=name, value=text, inline=False)
    return Post(embeds=(fitted(embed),))


def _banned(found: Profile, now: datetime) -> bool:
    return found.banned_until is not None and found.banned_until > now


def _standing(found: Profile, now: datetime) -> str:
    lines = [say(f"admin.is.{found.role.value}") + " " + relative(found.created_at)]
    if found.banned_until is not None and _banned(found, now):
        reason = plain(found.ban_reason, REASON)
        lines.append(say("admin.person.banned", until=until(found.banned_until), reason=reason))
    return "\n".join(lines)


def _accounts(identities: Sequence[dict[str, str]]) -> str:
    return "\n".join(_account(item) for item in identities[:LINES])


def _account(item: dict[str, str]) -> str:
    name = plain(item["name"], 64)
    if item["provider"] == "discord" and item["subject"].isdigit():
        return say("admin.person.discord", name=name, subject=item["subject"])
    return say("me.account", provider=plain(item["provider"], 32), name=name)


def _held(item: OwnPlace) -> str:
    """With the submission that a decision would be about."""
    entry = item.standing.entry
    return say(
        "admin.person.place",
        id=entry.submission_id,
        place=report.ordinal(item.standing.rank),
        total=item.total,
        board=plain(item.leaderboard, 40),
        gpu=plain(item.gpu, 20),
        time=report.format_time_error(entry.seconds, entry.error),
    )


def _sent(item: Sent) -> str:
    came = ", ".join(item.verdicts) or item.status
    return say(
        "admin.person.sent",
        id=item.id,
        board=plain(item.leaderboard, 40),
        mode=item.mode,
        came=came.replace("_", " "),
        when=relative(item.created_at),
    )


def role_asked(plan: RolePlan) -> str:
    """With the accounts: a name anybody can take."""
    change = plan.change
    key = "admin.role.ask_oneself" if change.oneself else f"admin.role.ask_{change.role.value}"
    effect = say(key, who=who(change.name, change.user_id))
    accounts = _accounts(plan.identities) or say("admin.none")
    return f"{effect}\n**{say('admin.person.accounts')}**\n{accounts}"


def role_set(change: RoleChange) -> str:
    state = "now" if change.changed else "already"
    return say(f"admin.role.{state}_{change.role.value}", who=who(change.name, change.user_id))


def person_choice(found: Known) -> choosing.Choice:
    words = [found.name, f"#{found.user_id}", *found.providers]
    if found.role is Role.ADMIN:
        words.append(say("admin.choice.admin"))
    if found.banned:
        words.append(say("admin.choice.banned"))
    return choosing.Choice(cut(clean(" · ".join(words)), CHOICE), f"#{found.user_id}")


def submission_choice(found: Recent) -> choosing.Choice:
    name = (
        f"#{found.id} · {found.user_name} · {found.leaderboard} · {found.mode} · "
        f"{found.status} · {found.created_at:%m-%d %H:%M} UTC"
    )
    return choosing.Choice(cut(clean(name), CHOICE), str(found.id))


# --- what a decision would do ---------------------------------------------------------------------


def void_asked(effect: VoidEffect, reason: str) -> str:
    if effect.void:
        return say("admin.void.already", id=effect.submission_id)
    head = say(
        "admin.void.ask",
        id=effect.submission_id,
        name=plain(effect.user_name, 64),
        reason=plain(reason, REASON),
    )
    return "\n".join([head, *_falls(effect.falls), say("admin.void.told")])


def ban_asked(effect: BanEffect, until_: datetime, reason: str, *, void: bool) -> str:
    name = who(effect.user_name, effect.user_id)
    text = plain(reason, REASON)
    lines = [say("admin.ban.ask", who=name, until=until(until_), reason=text)]
    if effect.banned_until is not None:
        key = "shorter" if until_ < effect.banned_until else "longer"
        before = plain(effect.ban_reason, REASON)
        lines.append(say(f"admin.ban.{key}", until=until(effect.banned_until), reason=before))
    if effect.open_runs:
        lines.append(say("admin.ban.open", count=effect.open_runs))
    if void:
        lines += _falls(effect.falls)
        lines.append(say("admin.ban.void_stays"))
    elif effect.falls:
        lines.append(say("admin.ban.places_stay", count=len(effect.falls)))
    return "\n".join(lines)


def _falls(falls: Sequence[Fall]) -> list[str]:
    if not falls:
        return [say("admin.falls.none")]
    moved = sum(fall.moves_up for fall in falls)
    lines = [say("admin.falls.head", count=len(falls), moved=moved)]
    lines += [_fall(fall) for fall in falls[:FALLS]]
    if len(falls) > FALLS:
        lines.append(say("admin.more", count=len(falls) - FALLS))
    return lines


def _fall(fall: Fall) -> str:
    after = say("admin.fall.gone")
    if fall.rank_after is not None:
        after = say("admin.fall.then", place=report.ordinal(fall.rank_after))
    return say(
        "admin.fall",
        place=report.ordinal(fall.rank),
        people=fall.people,
        board=plain(fall.leaderboard, 60),
        gpu=plain(fall.gpu, 40),
        after=after,
    )


def refusal_asked(effect: RefuseEffect, reason: str) -> str:
    return say(
        "admin.refuse.ask_again" if effect.again else "admin.refuse.ask",
        run=effect.run_id,
        id=effect.submission_id,
        name=plain(effect.user_name, 64),
        board=plain(effect.leaderboard, 60),
        gpu=plain(effect.gpu, 40),
        rule=plain(effect.rule, 60),
        reason=plain(reason, REASON),
    )


# --- single results ------------------------------------------------------------------------------


def rerun(view: SubmissionView, of: int) -> str:
    key = "admin.rerun.already" if view.repeated else "admin.rerun.done"
    gpus = ", ".join(plain(run.gpu, 40) for run in view.runs)
    return say(key, of=of, id=view.id, name=plain(view.user_name, 64), gpus=gpus)


def rejudged(views: Sequence[RejudgeView], *, planned: bool) -> Post:
    """What was queued, or would be, one line an entry."""
    lines = [_rejudged(view) for view in views[:LINES]]
    if len(views) > LINES:
        lines.append(say("admin.more", count=len(views) - LINES))
    key = "admin.rejudge.planned" if planned else "admin.rejudge.title"
    return _list(say(key, count=len(views)), lines, say("admin.none"))


def rejudging_asked(views: Sequence[RejudgeView]) -> str:
    kinds = Counter(view.gpu for view in views)
    gpus = ", ".join(f"{plain(gpu, 30)} {count}" for gpu, count in kinds.items())
    return say("admin.rejudge.ask", count=len(views), gpus=cut(gpus, 600))


def rejudging_begun(views: Sequence[RejudgeView]) -> str:
    """As ``rejudged``, for a message without an embed."""
    lines = [_rejudged(view) for view in views]
    title = say("admin.rejudge.title", count=len(views))
    return cut_markdown("\n".join([title, *lines]), CONTENT)


def _rejudged(view: RejudgeView) -> str:
    text = plain(view.text, 160)
    if view.rejudge_id is not None:
        text = say("admin.rejudge.as", id=view.rejudge_id) + " " + text
    return say(
        "admin.rejudge.line",
        id=view.submission_id,
        name=plain(view.user_name, 40),
        board=plain(view.leaderboard, 40),
        gpu=plain(view.gpu, 30),
        text=text,
    )


def hints(submission_id: int, found: Sequence[RunHints]) -> Post:
    """The lines of each run; alike ones of several GPUs once."""
    embed = discord.Embed(
        title=say("admin.hints.title", id=submission_id),
        description=say("admin.hints.decide" if found else "admin.hints.not_yet"),
        colour=BLUE,
    )
    by_lines: dict[tuple[Hint, ...], list[str]] = {}
    for item in found:
        by_lines.setdefault(item.hints, []).append(item.gpu)
    for lines, gpus in by_lines.items():
        name = ", ".join(plain(gpu, 40) for gpu in gpus)
        embed.add_field(name=name, value=hint_lines(lines), inline=False)
    return Post(embeds=(fitted(embed),))


def hint_lines(found: Sequence[Hint], most: int = HINTS) -> str:
    lines = [
        say(
            "admin.hints.line", line=item.line, rule=plain(item.rule, 40), text=plain(item.text, 70)
        )
        for item in found[:most]
    ]
    if len(found) > most:
        lines.append(say("admin.more", count=len(found) - most))
    return cut_markdown("\n".join(lines) or say("admin.hints.none"), FIELD_VALUE)


def quarantined(item: SetAside | None, waiting: int) -> Post:
    """One result that was set aside, with what speaks for and against it."""
    if item is None:
        return Post(content=say("admin.quarantine.none"))
    title = say("admin.quarantine.title", run=item.run_id, rule=plain(item.rule, 60))
    about = say(
        "admin.quarantine.about",
        id=item.submission_id,
        name=plain(item.user_name, 64),
        board=plain(item.leaderboard, 60),
        gpu=plain(item.gpu, 40),
        mode=item.mode.value,
        when=relative(item.finished_at),
    )
    evidence = block(item.evidence, EVIDENCE)
    embed = discord.Embed(title=title, description=f"{about}\n{evidence}", colour=GOLD)
    times = "\n".join(
        f"{cut(clean(case.spec), 60)}  "
        f"{report.format_time_error(case.measurement.ns / 1e9, case.measurement.stderr_ns / case.measurement.ns)}"
        for case in item.cases
        if case.measurement is not None and case.measurement.ns > 0
    )
    if times:
        table = block(times, FIELD_VALUE)
        embed.add_field(name=say("admin.quarantine.times"), value=table, inline=False)
    name = say("admin.quarantine.hints")
    embed.add_field(name=name, value=hint_lines(item.hints, 6), inline=False)
    embed.set_footer(text=say("admin.quarantine.footer", waiting=waiting))
    return Post(embeds=(fitted(embed),))


def code(submission_id: int, found: CodeView) -> Post:
    """Somebody's file, for a reviewer."""
    name = file_name(found.file_name)
    text = say("admin.code", id=submission_id, licence=plain(found.licence, 80))
    return Post(content=text, files=(File(f"{submission_id}-{name}", found.content),))


# --- allowances ----------------------------------------------------------------------------------


def allowance(use: PersonUse) -> Post:
    embed = discord.Embed(
        title=say("admin.allowance.title", name=plain(use.name, 64), id=use.user_id),
        colour=BLUE,
    )
    if not use.competitions:
        embed.description = say("me.allowance.none")
    if use.grants:  # before what may be more than there is room for
        text = cut_markdown("\n".join(map(_grant_line, use.grants)), FIELD_VALUE)
        embed.add_field(name=say("admin.allowance.grants"), value=text, inline=False)
    for item in use.competitions[: FIELDS - 1]:
        text = cut_markdown(_used(item), FIELD_VALUE)
        embed.add_field(name=plain(item.competition, 100), value=text, inline=False)
    return Post(embeds=(fitted(embed),))


def _used(item: CompetitionUse) -> str:
    return "\n".join([*map(_balance, item.gpu_seconds), *map(_hourly, item.hourly)])


def _balance(item: Balance) -> str:
    return say(
        "admin.allowance.gpu",
        gpu=plain(item.gpu, 40),
        used=f"{item.used_s:,.0f}",
        limit=f"{item.limit_s:,.0f}",
        reserved=f"{item.reserved_s:,.0f}",
        left=f"{item.left_s:,.0f}",
    )


def _hourly(item: Hourly) -> str:
    return say(
        "admin.allowance.hour",
        board=plain(item.leaderboard, 60),
        ranked=_of(item.ranked_used, item.ranked_limit),
        other=_of(item.other_used, item.other_limit),
    )


def _of(used: int, limit: int | None) -> str:
    if limit is None:
        return say("admin.allowance.unlimited", used=used)
    return say("me.allowance.left", left=used, limit=limit)


def _grant_line(item: Grant) -> str:
    return say(
        "admin.allowance.grant",
        id=item.id,
        seconds=f"{item.gpu_s:,.0f}",
        competition=plain(item.competition, 60),
        gpu=plain(item.gpu, 40),
        until=until(item.ends_at),
        reason=plain(item.reason, 100),
    )


def granted(item: Grant) -> str:
    return say(
        "admin.allowance.granted",
        id=item.id,
        who=who(item.user_name, item.user_id),
        seconds=f"{item.gpu_s:,.0f}",
        competition=plain(item.competition, 60),
        gpu=plain(item.gpu, 40),
        until=until(item.ends_at),
    )


def grant_choice(item: Grant) -> str:
    """One in force, offered while its number is typed."""
    name = say(
        "admin.choice.grant",
        id=item.id,
        name=item.user_name,
        seconds=f"{item.gpu_s:,.0f}",
        competition=item.competition,
        gpu=item.gpu,
    )
    return cut(clean(name), CHOICE)


def grant_end_asked(planned: Ending) -> str:
    item = planned.grant
    text = say(
        "admin.allowance.end.ask",
        id=item.id,
        who=who(item.user_name, item.user_id),
        seconds=f"{item.gpu_s:,.0f}",
        competition=plain(item.competition, 60),
        gpu=plain(item.gpu, 40),
        until=until(item.ends_at),
    )
    if planned.left_s is not None:
        text += " " + say("admin.allowance.end.left", left=f"{planned.left_s:,.0f}")
    return text


# --- invitations ---------------------------------------------------------------------------------


def invited(made: InviteView) -> str:
    """With the code, this once."""
    assert made.code is not None, "it was made just now"
    ends = say("until.for_ever") if made.expires_at is None else until(made.expires_at)
    return say(
        "admin.invite.made",
        competition=plain(made.competition, 80),
        id=made.id,
        code=made.code,
        most=say("admin.invite.any") if made.most is None else f"{made.most:,}",
        until=ends,
    )


def invites(competition: str, found: Sequence[InviteView], now: datetime) -> Post:
    lines = [_invite(item, now) for item in found[:LINES]]
    if len(found) > LINES:
        lines.append(say("admin.more", count=len(found) - LINES))
    title = say("admin.invite.title", competition=plain(competition, 80))
    return _list(title, lines, say("admin.invite.none"))


def _invite(item: InviteView, now: datetime) -> str:
    state = "open"
    if item.revoked_at is not None:
        state = "revoked"
    elif item.expires_at is not None and item.expires_at <= now:
        state = "expired"
    elif item.most is not None and item.joined >= item.most:
        state = "used_up"
    return say(
        "admin.invite.line",
        id=item.id,
        hint=item.hint,
        joined=f"{item.joined:,}",
        most=say("admin.invite.any") if item.most is None else f"{item.most:,}",
        state=say(f"admin.invite.{state}"),
        when=relative(item.created_at),
    )


def invite_choice(item: InviteView) -> str:
    most = say("admin.invite.any") if item.most is None else f"{item.most:,}"
    return say("admin.choice.invite", id=item.id, hint=item.hint, joined=item.joined, most=most)


def revocation_asked(item: InviteView) -> str:
    return say(
        "admin.invite.ask",
        id=item.id,
        hint=item.hint,
        competition=plain(item.competition, 80),
        joined=f"{item.joined:,}",
    )


# --- the audit log -------------------------------------------------------------------------------


def audit(entries: Sequence[dict[str, Any]], target: str | None) -> Post:
    title = say("admin.audit.title")
    if target is not None:
        title = say("admin.audit.of", target=plain(target, 100))
    return _list(title, [cut(_entry(item), ENTRY) for item in entries], say("admin.audit.none"))


def _entry(item: dict[str, Any]) -> str:
    detail = json.dumps(item["detail"], ensure_ascii=False) if item["detail"] else ""
    line = say(
        "admin.audit.line",
        at=discord.utils.format_dt(item["at"], "f"),
        actor=plain(item["actor"] or say("admin.audit.ourselves"), 40),
        action=item["action"],
        target=plain(item["target"], 80),
    )
    return f"{line} {plain(detail.strip('{}'), 180)}".rstrip()


def _list(title: str, lines: Sequence[str], nothing: str) -> Post:
    embed = discord.Embed(title=title, description="\n".join(lines) or nothing, colour=BLUE)
    return Post(embeds=(fitted(embed),))
