"""One submission in words: its live card, its verdict, what was decided, and lists of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import discord

from kernelbot import report
from kernelbot.bot.board_posts import ROWS
from kernelbot.bot.choosing import Choice
from kernelbot.bot.limits import (
    CHOICE,
    CONTENT,
    DESCRIPTION,
    EMBED_TOTAL,
    EMBEDS,
    FIELD_VALUE,
    FILES,
    TITLE,
)
from kernelbot.bot.messages import say
from kernelbot.bot.post import BLUE, GOLD, GREEN, GREY, RED, File, Post, fitted, titled
from kernelbot.bot.text import (
    aligned,
    block,
    clean,
    cut,
    file_name,
    file_part,
    percent_text,
    plain,
    relative,
    whole_lines,
)
from kernelbot.domain import ranking
from kernelbot.domain.notifying import Preferences
from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services.canaries import Notice
from kernelbot.services.views import Comparison, Difference, RunView, SubmissionView

NOTICES = 3
"""About the machines, beside a submission."""
SMALLEST_BLOCK = 60
"""A code block of fewer characters tells nothing; its text goes as a file alone."""


FACTS_FROM = 1000
"""Characters that a run has in a message, from which on it is told how its times came about."""


def card_key(submission_id: int) -> str:
    return f"submission {submission_id}"


def result_key(submission_id: int) -> str:
    return f"result {submission_id}"


def decision_key(announcement_id: int) -> str:
    return f"decision {announcement_id}"


def share_key(submission_id: int) -> str:
    return f"share {submission_id}"


def accepted(
    view: SubmissionView, link: str = "", trouble: str = "", notices: Iterable[Notice] = ()
) -> Post:
    """The ephemeral answer to ``/submit``: what was taken, where it stands, where to look."""
    lines = [
        say(
            "accepted.again" if view.repeated else "accepted",
            id=view.id,
            file=plain(view.file_name, 60),
            board=plain(view.leaderboard),
            mode=view.mode.value,
        )
    ]
    if view.note:
        lines.append(plain(view.note, 500))
    lines += [f"{plain(run.gpu)}: {plain(report.headline(run))}." for run in view.runs[:ROWS]]
    lines += _notices(notices)
    if link:
        lines.append(say("accepted.follow", link=link))
    if trouble:
        lines.append(trouble)
    return Post(content=cut("\n".join(lines), CONTENT))


def card(view: SubmissionView, notices: Iterable[Notice] = ()) -> Post:
    """The live card: one field a run. ``notices``: of the machines that are to judge it."""
    title = f"#{view.id} · {plain(view.leaderboard, 80)} · {view.mode.value} · {state_words(view)}"
    when = relative(view.created_at)
    sent = say("card.sent", file=plain(view.file_name, 80), when=when)
    description = "\n".join([sent, *_notices(notices)])
    embed = titled(title, description, _colour(view), card_key(view.id))
    for run in view.runs:
        embed.add_field(name=plain(run.gpu, 100), value=_progress(run), inline=False)
    return Post(embeds=(fitted(embed),), key=card_key(view.id))


def _notices(found: Iterable[Notice]) -> list[str]:
    return [say("notice.line", text=plain(item.text, 400)) for item in list(found)[:NOTICES]]


def _progress(run: RunView) -> str:
    text = plain(report.headline(run), 600)
    if run.status is Status.RUNNING and run.attempt > 1:
        text += "\n" + say("card.attempt", attempt=run.attempt)
    if run.status.final:
        text += f"\n{_last_lines(run, FIELD_VALUE - len(text) - 1)}"
    return text


def _last_lines(run: RunView, room: int) -> str:
    """How the story of a run ends: what a person decided about it, and, whatever else fits, whether it is ranked."""
    ranking = cut(plain(run.ranking, 300), room)
    decided = run.decision and report.decision_text(run.decision.outcome, run.decision.reason)
    before = cut(plain(decided or "", 600), max(0, room - len(ranking) - 1))
    return "\n".join(line for line in (before, ranking) if line)


def state_words(view: SubmissionView) -> str:
    return say(f"state.{_state(view)}")


def _state(view: SubmissionView) -> str:
    if not view.done:
        return "running" if view.status is Status.RUNNING else "queued"
    if view.status is Status.CANCELLED:
        return "cancelled"
    kinds = {run.kind for run in view.runs}
    if kinds == {VerdictKind.PASSED}:
        return "passed"
    if kinds == {VerdictKind.QUARANTINED}:
        return "set_aside"
    return "failed" if len(view.runs) == 1 or VerdictKind.PASSED not in kinds else "partly_passed"


def _colour(view: SubmissionView) -> int:
    colours = {"passed": GREEN, "running": BLUE, "failed": RED}
    colours |= {"partly_passed": GOLD, "set_aside": GOLD}
    return colours.get(_state(view), GREY)


def result(
    view: SubmissionView,
    user: int | None,
    comparisons: Sequence[Comparison] = (),
    left: Sequence[File] = (),
) -> Post:
    """The verdict for its owner: one embed a run, whole tables and logs as files when long. It names its
    owner and notifies nobody; see ``to``. ``left``: of the files of its runs those that go with it."""
    board = plain(view.leaderboard)
    content = say("result.is", id=view.id, board=board, state=state_words(view))
    if user:
        content = f"<@{user}> {content}"
    shown = view.runs[:EMBEDS]
    share = min(DESCRIPTION, (EMBED_TOTAL - 400) // max(1, len(shown)))
    known = {item.run_id: item for item in comparisons}
    attached = {item.name for item in left}
    parts = [_run_result(view, run, share, known.get(run.id), attached) for run in shown]
    embeds = [embed for embed, _ in parts]
    files = [*left, *(file for _, made in parts for file in made)]
    if embeds:
        embeds[-1].set_footer(text=result_key(view.id))
    if len(view.runs) > len(shown):
        content += " " + say("result.more_runs", count=len(view.runs) - len(shown))
    return Post(
        content=cut(content, CONTENT),
        embeds=tuple(embeds),
        files=tuple(files[:FILES]),
        key=result_key(view.id),
    )


def decision(view: SubmissionView, run_id: int, user: int, key: str) -> Post:
    """What a person decided about one run, for its owner."""
    run = next(run for run in view.runs if run.id == run_id)
    decided = say("result.decided", id=view.id, board=plain(view.leaderboard))
    content = f"<@{user}> {decided}"
    embed, files = _run_result(view, run, DESCRIPTION)
    embed.set_footer(text=key)
    return Post(cut(content, CONTENT), (embed,), tuple(files), key=key)


def to(user: int, post: Post, wanted: Preferences, now: datetime) -> Post:
    """The post as this person wants it: with a notification if they asked for that, without a sound in
    their quiet hours."""
    quiet = wanted.is_quiet(now)
    pings = (user,) if wanted.finished and not quiet else ()
    return replace(post, pings=pings, silent=quiet)


def _run_result(
    view: SubmissionView,
    run: RunView,
    share: int,
    against: Comparison | None = None,
    attached: Collection[str] = (),
) -> tuple[discord.Embed, list[File]]:
    """``share``: characters this run may take of the message's embeds."""
    files = []
    title = cut(f"{plain(run.gpu, 40)}: {plain(report.headline(run), 200)}", min(TITLE, share // 3))
    meaning = "" if against is None else compared(run, against)
    room = share - len(title) - 40
    last = _last_lines(run, room)
    facts = _facts(run) if share >= FACTS_FROM else ""
    also = "\n".join(line for line in (_left(view, run, attached), meaning, facts) if line)
    also = cut(also, room - len(last) - 1) if room - len(last) > SMALLEST_BLOCK else ""
    ranking = "\n".join(line for line in (also, last) if line)
    left = room - len(ranking)
    parts = []
    table = _case_table(run)
    log = run.verdict.log if run.verdict is not None and report.shows_log(run.mode) else ""
    if table:
        most = left * 3 // 5 if log else left
        if most > SMALLEST_BLOCK:
            parts.append(block(whole_lines(table, most - 10), most))
            left -= len(parts[-1]) + 1
        if len(table) > most - 10:
            files.append(File(f"cases-{file_part(run.gpu)}.txt", clean(table).encode()))
    if log:
        excerpt = report.log_excerpt(
            clean(log),
            characters=max(0, min(1500, left - 60)),
            head=run.mode is Mode.PROFILE,  # which begins with what was found
        )
        if left > SMALLEST_BLOCK:
            parts.append(block(excerpt, left))
        if excerpt.strip() != clean(log).strip() or left <= SMALLEST_BLOCK:
            files.append(File(f"log-{file_part(run.gpu)}.txt", clean(log).encode()))
    colours = {VerdictKind.PASSED: GREEN, VerdictKind.QUARANTINED: GOLD, None: GREY}
    return titled(title, "\n".join([*parts, ranking]), colours.get(run.kind, RED)), files


def _facts(run: RunView) -> str:
    """What its times rest on where that is not the judge's own clock, what is to be known about them, what it took."""
    found = run.verdict
    if found is None:
        return ""
    notes = report.timing_summary(found)
    ranked = run.mode is Mode.RANKED
    took = report.spent_text(found.spent, found.device.kind, at_most=ranked)
    lines = [
        report.weak_text(found),
        f"Times: {cut(notes, 160)}." if notes else "",
        f"Spent: {took}." if took else "",
    ]
    return "\n".join(plain(line, 250) for line in lines if line)


def compared(run: RunView, against: Comparison) -> str:
    """A passed run against its owner's best and against the place in front of theirs."""
    lines, best, ahead = [], against.best, against.ahead
    if best is not None and run.seconds:
        values = {
            "id": best.submission_id,
            "time": report.format_time_error(best.seconds, best.error),
        }
        change = run.seconds / best.seconds - 1
        joint = math.hypot(run.error or 0.0, best.error)
        if abs(math.log1p(change)) < ranking.TIE_Z * joint:
            lines.append(say("result.alike", **values))
        else:
            percent = percent_text(abs(change))
            lines.append(
                say("result.faster" if change < 0 else "result.slower", percent=percent, **values)
            )
    if ahead is not None and ahead.rank is not None:
        lines.append(
            say(
                "result.behind" if run.mode is Mode.RANKED else "result.would_be_behind",
                percent=percent_text(against.seconds / ahead.seconds - 1),
                gap=report.format_time(against.seconds - ahead.seconds),
                place=report.ordinal(ahead.rank),
            )
        )
    elif run.mode is not Mode.RANKED:
        lines.append(say("result.would_lead"))
    return "\n".join(lines)


def _left(view: SubmissionView, run: RunView, attached: Collection[str]) -> str:
    """Of a run's files those that do not go with the message: where to get them."""
    lines = [
        say("files.expired", name=_file_name(item.name), when=relative(item.expired_at))
        for item in run.artefacts
        if item.expired_at is not None
    ]
    elsewhere = [name for name in run.files if name not in attached]
    if elsewhere:
        names = cut(", ".join(f"`{_file_name(name)}`" for name in elsewhere), 150)
        lines.append(say("files.elsewhere", names=names, id=view.id))
    return "\n".join(lines[-4:])


def _file_name(name: str) -> str:
    """Of a file that a run left, between backticks."""
    return cut(" ".join(clean(name).replace("`", "'").split()), 60)


def _case_table(run: RunView) -> str:
    rows = [
        (
            say("case.ok") if row.ok else say("case.no"),
            say(f"stage.{row.stage.value}"),
            cut(row.spec, 30),
            cut(" ".join(row.text.split()), 60),
        )
        for row in report.case_rows(run)
    ]
    return aligned(rows)


def shared(view: SubmissionView) -> Post:
    """A result its owner shows to everybody: times and places, no code, no log, no files."""
    key = share_key(view.id)
    name, board = plain(view.user_name, 64), plain(view.leaderboard)
    text = say("share.text", name=name, id=view.id, board=board)
    embed = titled(plain(view.title, 120), text, GREEN, key)
    for run in view.runs:
        if run.kind is VerdictKind.PASSED:
            words = f"{plain(report.headline(run), 300)}\n{plain(run.ranking, 300)}"
            embed.add_field(name=plain(run.gpu, 100), value=words, inline=False)
    return Post(embeds=(fitted(embed),), key=key)


def difference(found: Difference, pair: Sequence[SubmissionView] = ()) -> Post:
    """What changed between two submissions, and how each did: the beginning of the changes to read, the
    whole as a file."""
    summaries = [f"**#{view.id}** {cut(_summary(view), 300)}" for view in pair]
    if not found.text:
        same = say("diff.none", before=found.before, after=found.after)
        return Post(content=cut("\n".join([same, *summaries]), CONTENT))
    title = say("diff.title", before=found.before, after=found.after)
    text = block(whole_lines(found.text, 3000), 3100, "diff")
    name = f"{found.before}-{found.after}.diff"
    return Post(
        embeds=(fitted(titled(title, "\n".join([*summaries, text]), BLUE)),),
        files=(File(name, clean(found.text).encode()),),
    )


def submission(
    view: SubmissionView,
    code: tuple[str, bytes] | None,
    comparisons: Sequence[Comparison] = (),
    left: Sequence[File] = (),
) -> Post:
    """``/submission``: the verdict again, with the code."""
    shown = card(view) if not view.done else result(view, None, comparisons, left)
    if code is None:
        return shown
    file = File(file_name(code[0]) or "submission.txt", code[1])
    return Post(shown.content, shown.embeds, (file, *shown.files)[:FILES], key=shown.key)


def submission_choice(view: SubmissionView) -> Choice:
    """One's own submission, offered while its number is typed."""
    run = view.runs[0] if len(view.runs) == 1 else None
    state = report.headline(run) if run is not None and view.done else state_words(view)
    at = f"{view.created_at:%m-%d %H:%M}"  # there is no <t:...> in a list of choices
    name = f"#{view.id} · {view.leaderboard} · {view.mode.value} · {state} · {at} UTC"
    return Choice(cut(clean(name), CHOICE), str(view.id), view.file_name)


def submissions(views: Sequence[SubmissionView], more: bool) -> Post:
    """``/submissions``: the newest first, one line each."""
    if not views:
        return Post(content=say("submissions.none"))
    lines = [
        f"**#{view.id}** {plain(view.leaderboard, 40)} · {view.mode.value} · "
        f"{cut(_summary(view), 240)} · {relative(view.created_at)}"
        for view in views
    ]
    if more:
        lines.append(say("submissions.more"))
    return Post(embeds=(fitted(titled(say("submissions.title"), "\n".join(lines), BLUE)),))


def _summary(view: SubmissionView) -> str:
    return "; ".join(
        f"{plain(run.gpu, 20)}: {plain(report.headline(run), 80)}" for run in view.runs[:3]
    )


def cancelled(view: SubmissionView) -> Post:
    return Post(content=say("cancelled", id=view.id))
