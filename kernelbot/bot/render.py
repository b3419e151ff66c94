"""Views into messages: pure, and the only place that knows how long Discord lets things be.

Text that came from people is escaped here: ``plain`` for running text, ``block`` for code blocks.
Colour never carries meaning alone; every embed says in words what its colour says.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import discord

from kernelbot import report
from kernelbot.bot.messages import say
from kernelbot.domain import lasting, ranking
from kernelbot.domain.competition_scoring import Total
from kernelbot.domain.notifying import Preferences, clock
from kernelbot.domain.ranking import Standing
from kernelbot.domain.submission import Status
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import Mode, VerdictKind
from kernelbot.services.notices import Notice
from kernelbot.services.views import (
    AllowanceView,
    Comparison,
    CompetitionView,
    Difference,
    EventStandings,
    LeaderboardView,
    MeView,
    OwnPlace,
    Podium,
    ProblemView,
    QueueView,
    Reveal,
    RunView,
    StandingsPage,
    SubmissionView,
    TotalsPage,
)

CONTENT, TITLE, DESCRIPTION, FIELD_NAME, FIELD_VALUE, FIELDS = 2000, 256, 4096, 256, 1024, 25
EMBEDS, EMBED_TOTAL, FOOTER, CUSTOM_ID, CHOICES, CHOICE = 10, 6000, 2048, 100, 25, 100
THREAD_NAME, FILES, FILES_BYTES, ALT = 100, 10, 8 << 20, 1024

SMALLEST_BLOCK = 60
"""A code block of fewer characters tells nothing; its text goes as a file alone."""

ROWS = 10  # of a leaderboard page: more does not fit a phone's screen
NAME_WIDTH = 18

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


# --- text ----------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Without control characters and without marks that reorder what follows."""
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs", "Co")
        # Bidirectional overrides turn "gpj.exe" into "exe.jpg" and swap columns of a table.
        if not ("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069")
    )


LINK = r"https?://[A-Za-z0-9./?=&%#_+~-]*[A-Za-z0-9/?=&%#_+~-]"
"""An address that Discord reads as one to its last character, whatever stands around it."""
MEANING = re.compile(
    r"""
    (?P<escaped>
        [\\*_~`|\[\]]
      | \A[#>+-]                           # headings, quotes and lists begin a line
      | (?<=\A\d)\.(?=\s) | (?<=\A\d\d)\.(?=\s) | (?<=\A\d\d\d)\.(?=\s)
      | :(?=[\w+-]+:)                      # emoji
    )
    # A backslash before these may not keep a mention from notifying, or an address from being one on every
    # device; something between them and the rest does.
  | (?P<parted>
        <(?!\s)                           # mentions, custom emoji, timestamps, command links
      | @(?=everyone|here|[!&]?\d{17,20})
      | :(?=//)
      | (?<=discord)\.(?=\w) | (?<=discordapp)\.(?=\w)  # invitations are cards without a scheme
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def plain(text: str, limit: int = 200, *, links: bool = False) -> str:
    """Somebody's text inside running text: one line, no markup, no mentions, and no address that can be followed
    unless ``links``. At most ``limit`` characters are seen, and at most twice as many are sent."""
    line = cut(" ".join(clean(text).split()), limit)
    if not links:
        return MEANING.sub(_disarmed, line)
    parts = re.split(f"({LINK})", line)
    return "".join(
        part if at % 2 else MEANING.sub(_disarmed, part) for at, part in enumerate(parts)
    )


def _disarmed(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found["escaped"] else f"{found[0]}\u200b"


def block(text: str, limit: int, language: str = "") -> str:
    """A code block nobody can write their way out of, of at most ``limit`` characters."""
    # A zero-width space between backticks: there is no escape inside a code block.
    body = clean(text).replace("``", "`\u200b`").rstrip() or " "
    frame = f"```{language}\n\n```"
    return f"```{language}\n{cut(body, limit - len(frame))}\n```"


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def cut_markdown(text: str, limit: int) -> str:
    """Shortened between lines, with an open code block closed."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 8].rsplit("\n", 1)[0]
    return kept + ("\n```\n…" if kept.count("```") % 2 else "\n…")


def flowing(text: str) -> str:
    """Markdown as Discord reads it: it keeps line breaks within a paragraph, and knows no tables."""
    lines: list[str] = []
    table: list[list[str]] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        is_row = not in_code and line.startswith("|")
        if is_row:
            cells = [cell.strip().replace("`", "") for cell in line.strip("| ").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                table.append(cells)
            continue
        if table:
            columns = max(len(row) for row in table)
            rows = [[*row, *[""] * (columns - len(row))] for row in table]
            lines += ["```", *_table(rows).splitlines(), "```"]
            table = []
        continues = not in_code and line and not re.match(r"\s*([-*+] |[>#]|\d+[.)] |```)", line)
        if continues and lines and lines[-1].strip() and not lines[-1].startswith(("#", "```")):
            lines[-1] = f"{lines[-1].rstrip()} {line.strip()}"
        else:
            lines.append(line)
        in_code ^= line.lstrip().startswith("```")
    return "\n".join(lines).rstrip()


def relative(moment: datetime) -> str:
    """``<t:...:R>``: everybody reads it in their own time zone."""
    return discord.utils.format_dt(moment, "R")


def until(moment: datetime) -> str:
    """``until`` a moment as everybody reads it in their own time zone, or that there is no end."""
    if moment >= lasting.FOR_EVER:
        return say("until.for_ever")
    return say("until", at=discord.utils.format_dt(moment, "f"), when=relative(moment))


def card_key(submission_id: int) -> str:
    return f"submission {submission_id}"


def decision_key(announcement_id: int) -> str:
    return f"decision {announcement_id}"


def result_key(submission_id: int) -> str:
    return f"result {submission_id}"


def share_key(submission_id: int) -> str:
    return f"share {submission_id}"


def notice_key(announcement_id: int) -> str:
    return f"notice {announcement_id}"


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


# --- one submission ------------------------------------------------------------------------------


def accepted(view: SubmissionView, link: str = "", trouble: str = "") -> Post:
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
    lines += [f"{plain(run.gpu)}: {plain(report.headline(run))}." for run in view.runs[:ROWS]]
    if link:
        lines.append(say("accepted.follow", link=link))
    if trouble:
        lines.append(trouble)
    return Post(content=cut("\n".join(lines), CONTENT))


def card(view: SubmissionView) -> Post:
    """The live card: one field a run."""
    title = f"#{view.id} · {plain(view.leaderboard, 80)} · {view.mode.value} · {state_words(view)}"
    when = relative(view.created_at)
    description = say("card.sent", file=plain(view.file_name, 80), when=when)
    embed = titled(title, description, _colour(view), card_key(view.id))
    for run in view.runs:
        embed.add_field(name=plain(run.gpu, 100), value=_progress(run), inline=False)
    return Post(embeds=(fitted(embed),), key=card_key(view.id))


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
    also = "\n".join(line for line in (_left(view, run, attached), meaning) if line)
    also = cut(also, room - len(last) - 1) if room - len(last) > SMALLEST_BLOCK else ""
    ranking = "\n".join(line for line in (also, last) if line)
    left = room - len(ranking)
    parts = []
    table = _case_table(run)
    log = run.verdict.log if run.verdict is not None and report.shows_log(run.mode) else ""
    if table:
        most = left * 3 // 5 if log else left
        if most > SMALLEST_BLOCK:
            parts.append(block(_whole_lines(table, most - 10), most))
            left -= len(parts[-1]) + 1
        if len(table) > most - 10:
            files.append(File(f"cases-{_file_part(run.gpu)}.txt", clean(table).encode()))
    if log:
        excerpt = report.log_excerpt(
            clean(log),
            characters=max(0, min(1500, left - 60)),
            head=run.mode is Mode.PROFILE,  # which begins with what was found
        )
        if left > SMALLEST_BLOCK:
            parts.append(block(excerpt, left))
        if excerpt.strip() != clean(log).strip() or left <= SMALLEST_BLOCK:
            files.append(File(f"log-{_file_part(run.gpu)}.txt", clean(log).encode()))
    colours = {VerdictKind.PASSED: GREEN, VerdictKind.QUARANTINED: GOLD, None: GREY}
    return titled(title, "\n".join([*parts, ranking]), colours.get(run.kind, RED)), files


def compared(run: RunView, against: Comparison) -> str:
    """A passed run against its owner's best and against the place in front of theirs."""
    lines, best, ahead = [], against.best, against.ahead
    if best is not None and run.seconds:
        values = {"id": best.submission_id, "time": _time(best.seconds, best.error)}
        change = run.seconds / best.seconds - 1
        joint = math.hypot(run.error or 0.0, best.error)
        if abs(math.log1p(change)) < ranking.TIE_Z * joint:
            lines.append(say("result.alike", **values))
        else:
            percent = _percent(abs(change))
            lines.append(
                say("result.faster" if change < 0 else "result.slower", percent=percent, **values)
            )
    if ahead is not None and ahead.rank is not None:
        lines.append(
            say(
                "result.behind" if run.mode is Mode.RANKED else "result.would_be_behind",
                percent=_percent(against.seconds / ahead.seconds - 1),
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
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last one is ragged."""
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _whole_lines(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = text[: max(0, limit - 20)].rsplit("\n", 1)[0]
    more = text.count("\n") - kept.count("\n")
    return f"{kept}\n… {say('table.more', count=more)}"


def _file_part(text: str) -> str:
    """Of a file name: letters, digits, dash."""
    return (
        "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in text)[:40] or "run"
    )


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
    text = block(_whole_lines(found.text, 3000), 3100, "diff")
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
    name = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in clean(code[0]))
    file = File(cut(name, 80) or "submission.txt", code[1])
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
        cut(
            f"**#{view.id}** {plain(view.leaderboard, 40)} · {view.mode.value} · "
            f"{_summary(view)} · {relative(view.created_at)}",
            360,
        )
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


# --- leaderboards --------------------------------------------------------------------------------


def with_picture(post: Post, picture: File | None) -> Post:
    """The picture under the words of the first embed."""
    if picture is None:
        return post
    embed = post.embeds[0].copy().set_image(url=f"attachment://{picture.name}")
    return replace(post, embeds=(embed, *post.embeds[1:]), files=(*post.files, picture))


def leaderboard(board: LeaderboardView, page: StandingsPage, number: int) -> Post:
    """One page of a leaderboard on one GPU; the viewer's own row is always there."""
    pages = max(1, -(-page.total // ROWS))
    lines = [_standing_row(item, page.mine, page.light_seconds) for item in page.items]
    mine = page.mine
    if mine is not None and all(item.position != mine.position for item in page.items):
        rows = [_standing_row(mine, mine, page.light_seconds)]
        own_is_above = bool(page.items) and mine.position < page.items[0].position
        lines = [*rows, "…", *lines] if own_is_above else [*lines, "…", *rows]
    title = say("board.title", title=plain(board.title, 120), gpu=plain(page.gpu, 40))
    table = block("\n".join(lines), 3000) if lines else say("board.empty")
    notes = [window(board), *board_notes(page)]
    if board.self_evaluated:
        notes.append(say("board.self_evaluated"))
    embed = titled(title, "\n".join([table, *[note for note in notes if note]]), BLUE)
    footer = say("board.footer", page=number + 1, pages=pages, total=page.total, name=board.name)
    embed.set_footer(text=footer)
    return Post(embeds=(fitted(embed),))


def board_rows(page: StandingsPage, most: int) -> str:
    """The first rows of a leaderboard, nobody's own among them."""
    return "\n".join(_standing_row(item, None, page.light_seconds) for item in page.items[:most])


def board_notes(page: StandingsPage) -> list[str]:
    """What the signs in its rows mean, and what is not shown of it now."""
    notes = [report.light_note(page.light_seconds), frozen(page)]
    if any(item.tied for item in page.items):
        notes.append(say("board.tied"))
    if any(item.earlier for item in page.items):
        notes.append(plain(report.EARLIER_NOTE))
    if any(item.entry.unconfirmed for item in page.items):
        notes.append(plain(report.UNCONFIRMED_NOTE))
    return notes


def _standing_row(item: Standing, mine: Standing | None, best: float | None) -> str:
    own = mine is not None and mine.position == item.position
    earlier = item.earlier is not None
    timing = report.score_text(item.entry.seconds, item.entry.error, None if earlier else best)
    sign = f" {report.UNCONFIRMED_SIGN}" if item.entry.unconfirmed else ""
    return f"{_row_start(own, item.rank, item.tied, item.entry.user_name, earlier)}  {timing}{sign}"


def frozen(page: StandingsPage | TotalsPage) -> str:
    if page.frozen_until is None:
        return ""
    if page.seen_through:
        return say("board.seen_through", until=until(page.frozen_until))
    return say("board.frozen", when=relative(page.frozen_until))


def joined(view: CompetitionView) -> Post:
    """The answer to a code that let somebody in."""
    boards = ", ".join(plain(item["name"], 60) for item in view.document["leaderboards"][:ROWS])
    return Post(say("joined", title=plain(view.document["title"], 120), boards=boards))


def totals(contest: CompetitionView, page: TotalsPage, number: int) -> Post:
    """One page of the standings across a competition's problems; the viewer's own row is always there."""
    pages = max(1, -(-page.total // ROWS))
    rows = [_total_row(item, page.mine) for item in page.items]
    if page.mine is not None and all(item.position != page.mine.position for item in page.items):
        own = _total_row(page.mine, page.mine)
        above = bool(page.items) and page.mine.position < page.items[0].position
        rows = [own, "…", *rows] if above else [*rows, "…", own]
    phases = {item["name"]: item["title"] for item in contest.document.get("phases", ())}
    phase = phases.get(page.phase) or page.phase
    title = plain(" · ".join(filter(None, (contest.document["title"], phase))), 200)
    notes = [frozen(page), _how_scored(page), *_what_counts(page), _own_parts(page)]
    if any(item.tied for item in page.items):
        notes.append(say("totals.tied"))
    table = block("\n".join(rows), 3000) if rows else say("board.empty")
    embed = titled(title, "\n".join([table, *filter(None, notes)]), BLUE)
    footer = say(
        "board.footer", page=number + 1, pages=pages, total=page.total, name=page.competition
    )
    embed.set_footer(text=footer)
    return Post(embeds=(fitted(embed),))


def _how_scored(page: TotalsPage) -> str:
    scoring = page.scoring
    share = say(f"totals.share.{scoring.share.value}")
    lines = [say(f"totals.rule.{scoring.rule.value}", share=share)]
    if scoring.count:
        lines.append(say("totals.best_count", count=scoring.count))
    return " ".join(lines)


def _what_counts(page: TotalsPage) -> list[str]:
    """Each problem with what it is worth."""
    counted = [f"{_event(item)} {item.worth:.6g}" for item in page.events if item.counts][:ROWS]
    left_out = [_event(item) for item in page.events if not item.counts][:ROWS]
    return [
        *([say("totals.worth", problems=cut(", ".join(counted), 600))] if counted else []),
        *(
            [say("totals.unknown_light", problems=cut(", ".join(left_out), 300))]
            if left_out
            else []
        ),
    ]


def _event(item: EventStandings) -> str:
    return f"{plain(item.leaderboard, 40)} ({plain(item.gpu, 20)})"


def _own_parts(page: TotalsPage) -> str:
    """What of each problem the viewer has."""
    if page.mine is None:
        return ""
    events = [item for item in page.events if item.counts]
    parts = []
    for event, part in zip(events, page.mine.parts, strict=True):
        share = f"{part.share:.0%}".replace("%", " %")
        place = f"{report.ordinal(part.standing.rank)}, " if part.standing else ""
        parts.append(f"{_event(event)} {place}{share}")
    return say("totals.own", parts=cut("; ".join(parts[:ROWS]), 600))


def _total_row(item: Total, mine: Total | None) -> str:
    own = mine is not None and mine.position == item.position
    return f"{_row_start(own, item.rank, item.tied, item.user_name)}  {item.score:.6g}"


def _row_start(own: bool, rank: int, tied: bool, name: str, earlier: bool = False) -> str:
    shown = _column(" ".join(clean(name).split()), NAME_WIDTH)
    place = f"{rank}{'=' if tied else ''}{report.EARLIER_SIGN if earlier else ''}"
    return f"{'>' if own else ' '}{place:>4}  {shown}"


def _column(text: str, width: int) -> str:
    """Cut and filled up to so many columns; signs of East Asia take two, marks upon others none."""
    taken = sum(map(_columns, text))
    if taken > width:
        while text and taken > width - 1:
            text, taken = text[:-1], taken - _columns(text[-1])
        text, taken = text + "…", taken + 1
    return text + " " * (width - taken)


def _columns(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def window(board: LeaderboardView) -> str:
    if board.is_open:
        return say("board.open", when=relative(board.closes_at)) if board.closes_at else ""
    if board.opens_at and board.opens_at > datetime.now(UTC):
        return say("board.opens", when=relative(board.opens_at))
    return say("board.closed")


def problem(view: ProblemView, boards: Sequence[LeaderboardView] = (), folder: bytes = b"") -> Post:
    """The statement, what is timed, what holds on its leaderboards; the starters and the ``folder`` (a zip of all
    that one needs to work at home) as files."""
    files = [
        File(
            f"{_file_part(view.name)}-{_file_part(style)}{view.starter_suffixes[style]}",
            code.encode(),
        )
        for style, code in list(view.starters.items())[: FILES - 1]
    ]
    zipped = f"{_file_part(view.name)}.zip"
    if folder and len(folder) + sum(len(file.content) for file in files) <= FILES_BYTES:
        files.append(File(zipped, folder))
    own_words = re.sub(rf"\A# {re.escape(view.title)}\s*\n", "", view.statement)
    statement = discord.utils.escape_mentions(flowing(clean(own_words)))
    light = _speed_of_light(view)
    whole = f"\n{say('problem.whole', file=zipped)}" if files and files[-1].name == zipped else ""
    room = DESCRIPTION - len(light)
    text = (
        statement if len(statement) <= room else cut_markdown(statement, room - len(whole)) + whole
    )
    embed = titled(plain(view.title, 200), text + light, BLUE)
    timed = ", ".join(plain(case, 100) for case in view.benchmarks)
    fields = [
        (say("problem.board", board=plain(board.name, 80)), limits(board)) for board in boards[:5]
    ]
    fields.append((say("problem.timed", how=say(f"scoring.{view.scoring}")), cut(timed, 500)))
    fields.append((say("problem.packages"), ", ".join(plain(name, 40) for name in view.packages)))
    for name, value in fields:
        if value:
            embed.add_field(name=name, value=value, inline=False)
    return Post(embeds=(fitted(embed),), files=tuple(files))


def limits(board: LeaderboardView) -> str:
    """What somebody needs to know before they send anything there."""
    ranked, other = (
        say("problem.per_hour", count=limit) if limit is not None else say("problem.no_limit")
        for limit in (board.ranked_per_hour, board.other_per_hour)
    )
    lines = [
        say("problem.gpus", gpus=cut(", ".join(plain(gpu, 40) for gpu in board.gpus), 400)),
        say("problem.languages", languages=", ".join(board.languages)),
        say("problem.allowance", ranked=ranked, other=other),
        window(board),
    ]
    return "\n".join(line for line in lines if line)


def _speed_of_light(view: ProblemView) -> str:
    """What each benchmark takes at best, a line for each GPU."""
    times: dict[str, list[str]] = {}
    for item in view.speed_of_light:
        times.setdefault(item.gpu, []).append(report.format_time(item.seconds))
    lines = [cut(f"{plain(gpu, 40)}: {', '.join(row)}", 200) for gpu, row in times.items()]
    return f"\n\n{say('problem.light')}\n" + "\n".join(lines[:5]) if lines else ""


def queue(queues: Iterable[QueueView], now: Mapping[str, Wait]) -> Post:
    """``now``: how long the reader would wait on each."""
    lines = [_queue_line(item, now.get(item.gpu)) for item in queues]
    text = "\n".join(lines) or say("queue.none")
    return Post(embeds=(fitted(titled(say("queue.title"), text, BLUE)),))


def _queue_line(item: QueueView, now: Wait | None) -> str:
    busy = say("queue.busy", running=item.running, slots=item.slots)
    state = busy if item.slots else say("queue.nobody")
    line = say("queue.line", gpu=plain(item.gpu, 40), queued=item.queued, state=state)
    if item.oldest_s is not None and item.queued:
        line += say("queue.oldest", time=report.duration_text(item.oldest_s))
    if item.out_of_service:
        line += say("queue.out", count=item.out_of_service)
    if now is not None and item.slots and item.paused is None:
        line += say("queue.now", wait=plain(report.wait_text(now), 300))
    if item.paused is not None:
        key = "queue.held" if item.paused.holds else "queue.paused"
        line += "\n" + say(key, reason=plain(item.paused.reason, 500))
    return line


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
            time=_time(item.standing.entry.seconds, item.standing.entry.error),
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


# --- announcements -------------------------------------------------------------------------------


def podium(change: Podium, key: str) -> Post:
    """Who took which place, by how much, and who was there before."""
    place = report.ordinal(change.rank)
    board = f"{plain(change.title, 100)} ({plain(change.gpu, 40)})"
    lines = [
        say(
            "podium.shares"
            if change.tied
            else "podium.record"
            if change.is_record
            else "podium.took"
            if change.displaced_name
            else "podium.is_in",
            name=plain(change.user_name, 64),
            place=place,
            time=_time(change.seconds, change.error),
            margin=_margin(change),
        )
    ]
    if change.previous_seconds and change.displaced_seconds:
        before = report.format_time(change.previous_seconds)
        percent = _change(change.seconds / change.previous_seconds - 1)
        lines.append(say("podium.against_own", percent=percent, time=before))
    if change.displaced_name and change.displaced_seconds:
        was = report.format_time(change.displaced_seconds)
        name = plain(change.displaced_name, 64)
        lines.append(say("podium.before", name=name, time=was))
    embed = titled(board, "\n".join(lines), GOLD, key)
    return Post(embeds=(fitted(embed),), key=key)


def _margin(change: Podium) -> str:
    """``, −3.1 % against the time before, 71 % of speed of light``."""
    share = change.light_seconds / change.seconds if change.light_seconds else None
    parts = [
        "" if change.margin is None else say("podium.margin", percent=_change(change.margin)),
        report.light_text(share, say("podium.light", percent="{}")),
    ]
    return "".join(f", {part}" for part in parts if part)


def _change(fraction: float) -> str:
    """``−3.1 %``."""
    return f"{'−' if fraction < 0 else '+'}{_percent(abs(fraction))}"


def _percent(fraction: float) -> str:
    """``3.1 %``."""
    return f"{100 * fraction:.1f} %"


def personal(found: Notice, key: str, now: datetime) -> Post:
    """A direct message that somebody asked for; without a sound in their quiet hours."""
    board = plain(found.leaderboard, 80)
    if found.own is not None and found.ahead is not None:
        own, ahead = found.own.entry, found.ahead.entry
        text = say(
            "notice.overtaken",
            board=board,
            gpu=plain(found.gpu, 40),
            place=report.ordinal(found.own.rank),
            time=_time(own.seconds, own.error),
            name=plain(ahead.user_name, 64),
            ahead=_time(ahead.seconds, ahead.error),
        )
    else:
        assert found.closes_at is not None
        at = discord.utils.format_dt(found.closes_at, "f")
        text = say("notice.deadline", board=board, when=relative(found.closes_at), at=at)
    embed = titled(board, f"{text}\n{say('notice.why')}", BLUE, key)
    return Post(embeds=(fitted(embed),), key=key, silent=found.wanted.is_quiet(now))


def reveal(found: Reveal, key: str) -> Post:
    """The podiums of a leaderboard after a freeze."""
    lines = [say("reveal.over", board=plain(found.leaderboard, 80))]
    for shown in found.podiums:
        lines += ["", f"**{plain(shown.gpu, 40)}**"]
        for item in shown.places:
            place = f"{report.ordinal(item.rank)}{' =' if item.tied else ''}"
            timing = _time(item.seconds, item.error)
            name = plain(item.user_name, 64)
            lines.append(say("reveal.place", place=place, name=name, time=timing))
        if shown.more:
            lines.append(say("reveal.more", count=shown.more))
    if found.unjudged:
        lines += ["", say("reveal.unjudged", count=found.unjudged)]
    text = cut("\n".join(lines), DESCRIPTION)
    embed = titled(plain(found.title, 100), text, GOLD, key)
    return Post(embeds=(fitted(embed),), key=key)


def bulletin(text: str, title: str, key: str = "") -> Post:
    """What organizers tell in their own words: lines stay lines, and nothing in them is markup or a mention."""
    lines = [plain(line, DESCRIPTION, links=True) for line in clean(text).splitlines()]
    words = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    about = plain(title, 100) if title else say("bulletin.all")
    made = titled(about, cut(words, DESCRIPTION), GOLD, key)
    return Post(embeds=(fitted(made),), key=key)


def notice(text: str, *, out: bool, key: str) -> Post:
    """What everybody should know about the machines: a device is ``out`` of service, or back."""
    title = say("notice.out") if out else say("notice.back")
    embed = titled(title, cut(plain(text, DESCRIPTION), DESCRIPTION), GREY if out else GREEN, key)
    return Post(embeds=(fitted(embed),), key=key)


def _time(seconds: float, error: float) -> str:
    return report.format_time_error(seconds, error)


# --- choices -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    name: str
    value: str
    words: str = field(default="", compare=False)  # also searched


def matching_last(choices: Iterable[Choice], typed: str) -> list[Choice]:
    """The same where several may stand apart by commas: the last one is completed, and none is offered
    twice."""
    *before, last = typed.split(",")
    chosen = [word.strip() for word in before if word.strip()]
    known = {word.lower() for word in chosen}
    left = [item for item in choices if item.value.lower() not in known]
    start = "".join(f"{word}, " for word in chosen)
    found = [Choice(start + item.name, start + item.value) for item in matching(left, last)]
    return [item for item in found if len(item.value) <= CHOICE and len(item.name) <= CHOICE]


def matching(choices: Iterable[Choice], typed: str) -> list[Choice]:
    """At most 25: those that begin with what was typed, then those that contain it."""
    wanted = typed.strip().lower()
    usable = [item for item in choices if len(item.value) <= CHOICE]
    found = [item for item in usable if wanted in f"{item.value} {item.name} {item.words}".lower()]
    found.sort(key=lambda item: (not item.value.lower().startswith(wanted), item.value.lower()))
    return [
        Choice(cut(clean(item.name), CHOICE) or item.value, item.value) for item in found[:CHOICES]
    ]
