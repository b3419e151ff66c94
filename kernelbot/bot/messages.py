"""Everything the bot says, in one place, ready for translation.

``say("submit.accepted", id=812)`` gives the words in the language of the person who is answered, or in
English where nobody has translated them. A language is a further catalogue in ``CATALOGUES`` with the
same keys and the same names in braces. English by design stay sentences about a run itself, which come from
``kernelbot.report``, refusals, which come from the services (every channel shows the same), what organizers wrote, and
the words of modes, which Discord is told once for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

ENGLISH: dict[str, str] = {
    # --- moments ---------------------------------------------------------------------------------
    "until": "until {at} ({when})",
    "until.for_ever": "for ever",
    # --- one submission -----------------------------------------------------------------------------
    "mode.test": "Is it right? The public cases; nothing is timed or ranked",
    "mode.benchmark": "How fast is it? Checked and timed, not ranked",
    "mode.ranked": "Counts: secret inputs, timed, a place on the leaderboard",
    "mode.profile": "Where does the time go? Not ranked",
    "accepted": "**#{id}** accepted: {file} for {board}, {mode}.",
    "accepted.again": "**#{id}** accepted (you had sent this before): {file} for {board}, {mode}.",
    "accepted.follow": "Follow it here: {link}",
    "accepted.unreachable": (
        "I could neither open a thread here nor write to you directly, so it goes on here, visible to you alone, for "
        "a quarter of an hour; `/submission id:{id}` shows it at any time. Allow direct messages from this server to change that."
    ),
    "accepted.later": (
        "Discord does not let me show you its card now; the result comes as soon as it does. "
        "`/submission id:{id}` shows it at any time."
    ),
    "where.board": "I have {file}. Which leaderboard is it for? It is kept for two hours.",
    "where.gpu": (
        "I have {file}. Which GPUs is it for? Choose one or several, and it is on its way. It is kept for two hours."
    ),
    "where.choose.board": "Leaderboard",
    "where.choose.gpu": "GPU, one or several",
    "where.sent": "This file is sent already; `/submissions` shows it.",
    "card.sent": "{file}, sent {when}",
    "card.attempt": "Attempt {attempt}: our machine failed before. This costs you nothing.",
    "state.queued": "queued",
    "state.running": "running",
    "state.cancelled": "cancelled",
    "state.passed": "passed",
    "state.failed": "failed",
    "state.partly_passed": "partly passed",
    "state.set_aside": "set aside",
    "stage.build": "build",
    "stage.check": "check",
    "stage.measure": "time",
    "case.ok": "ok",
    "case.no": "no",
    "table.more": "{count} more in the file",
    "files.expired": "`{name}` has expired {when}.",
    "files.elsewhere": "Files: {names}. Get them with `kernelbot artefacts {id} --output .`",
    "result.is": "#{id} on {board}: {state}.",
    "result.more_runs.one": "{count} more run: see `/submission`.",
    "result.more_runs.other": "{count} more runs: see `/submission`.",
    "result.decided": "#{id} on {board}: an organizer has decided.",
    "cancelled": "#{id} is cancelled. It was not ranked.",
    "submissions.none": "You have not submitted anything yet. `/submit` takes your file.",
    "submissions.title": "Your submissions",
    "card.cancel": "Cancel",
    # --- looking around -----------------------------------------------------------------------------
    "choice.closed": " (closed)",
    "board.title": "{title} on {gpu}",
    "board.empty": "Nobody is ranked here yet. Be the first!",
    "notice.line": "⚠ {text}",
    "notice.out": "Out of service",
    "notice.back": "Back in service",
    "board.tied": "= shares its rank: the times cannot be told apart.",
    "board.self_evaluated": (
        "Self-evaluated: measured by the problem's own program, beside each submission."
    ),
    "page.back": "◀ Back",
    "page.next": "Next ▶",
    "page.older": "Older",
    "page.newest": "Newest",
    "board.footer": "Page {page} of {pages} · {total} ranked · {name}",
    "board.frozen": "Frozen: what others reach is shown {when}.",
    "board.seen_through": "Frozen {until}, but not for you who organize.",
    "board.open": "Closes {when}.",
    "board.opens": "Opens {when}.",
    "board.closed": "Closed.",
    "totals.rule.points": "Score: the points of each problem times {share}, summed; higher is better.",
    "totals.rule.weighted_sum": "Score: the weight of each problem times {share}, summed; higher is better.",
    "totals.rule.geometric_mean": "Score: the weighted geometric mean, over the problems, of {share}; higher is better.",
    "totals.share.place": "a share by place",
    "totals.share.speed_of_light": "how close the time is to the speed of light",
    "totals.share.best": "how close the time is to the best one",
    "totals.share.baseline": "how many times as fast as the baseline it is",
    "totals.best_count.one": "Of each person the best problem counts.",
    "totals.best_count.other": "Of each person the best {count} problems count.",
    "totals.worth": "Problems: {problems}.",
    "totals.unknown_light": "Counts for nobody, as its speed of light is not known: {problems}.",
    "totals.own": "You: {parts}.",
    "totals.tied": "= shares its rank: the scores cannot be told apart.",
    "joined": "You are in **{title}**. Its leaderboards: {boards}. `/problem` says what is to be done.",
    "problem.board": "Leaderboard {board}",
    "problem.gpus": "GPUs: {gpus}",
    "problem.languages": "Languages: {languages}",
    "problem.allowance": "Ranked: {ranked}; everything else: {other}",
    "problem.per_hour": "{count} an hour",
    "problem.no_limit": "no limit",
    "problem.packages": "Packages beside torch and triton",
    "problem.timed": "Benchmarks; the score is {how}",
    "problem.whole": "… It goes on in {file}, with the reference and everything else to work at home.",
    "scoring.geom": "the geometric mean of their times",
    "scoring.mean": "the mean of their times",
    "scoring.last": "the time of the last",
    "scoring.speed_of_light": "the geometric mean of their times, none below its speed of light",
    "problem.light": "**Speed of light** of the benchmarks",
    "queue.title": "Queues",
    "queue.none": "No GPU is set up.",
    "queue.line": "**{gpu}**: {queued} waiting, {state}",
    "queue.busy": "{running} of {slots} busy",
    "queue.nobody": "no worker is connected",
    "queue.oldest": ", the first for {time}",
    "queue.paused": "-# Takes no submissions; what waits is judged. {reason}",
    "queue.held": "-# Takes no submissions, and what waits is held. {reason}",
    "queue.out": ", devices out of service: {count}",
    "queue.now": ". A benchmark of yours now: {wait}",
    "help.title": "How to compete",
    "help": (
        "**Send a kernel**: `/submit` with your file, or without one to paste it; or point at a message with "
        'code (press and hold, or right-click, then Apps, "Submit this code block"). The leaderboard, GPUs and mode '
        "can be chosen; leaderboard and GPUs may also stand in the file's first lines, for example "
        "`#!kernelbot leaderboard vectoradd`.\n"
        "**Modes**: `test` checks, `benchmark` checks and times, `ranked` counts, `profile` shows where the time "
        "goes.\n"
        "**Follow it**: every submission gets a card in a private thread of yours (or a direct message, `/me`). It "
        "shows your place in line, then each step, then the result, with buttons for what comes next. You can "
        "close Discord; nothing is lost.\n"
        "**Look around**: `/leaderboard`, `/standings`, `/problem`, `/queue`. By invitation: `/join` with your "
        "code.\n"
        "**Your own**: `/me` (places, allowance, notifications), `/submissions`, `/submission` (with your code, or "
        "compared with another), `/cancel`. `/link` lets the command line in.\n"
        "Other people who take part do not see your code, your logs and your unranked results. Administrators of the bot may "
        "read code, and who manages this server's threads may read your thread; direct messages (`/me`) only you see."
    ),
    # --- the picture of a leaderboard -----------------------------------------------------------------
    "picture.ranked": "{total} ranked",
    "picture.share": "%: of the speed of light",
    "picture.frozen": "frozen, newer results come later",
    "picture.unnamed": "(name: see the list)",
    "picture.history": "Record over time",
    "picture.others": "set by somebody else",
    "picture.light": "speed of light: {time}",
    "picture.axis.time": "time, linear scale",
    "picture.axis.log": "time, logarithmic scale",
    "picture.axis.minutes": "minutes since the first result",
    "picture.axis.hours": "hours since the first result",
    "picture.axis.days": "days since the first result",
    "picture.words.share": ", {share} of the speed of light",
    "picture.words.history.one": "The record fell from {first} to {last}, once within {over}.",
    "picture.words.history.other": "The record fell from {first} to {last}, {count} times within {over}.",
    "picture.span.minutes": "{count} min",
    "picture.span.hours": "{count} h",
    "picture.span.days.one": "{count} day",
    "picture.span.days.other": "{count} days",
    # --- errors -------------------------------------------------------------------------------------
    "error.changed": (
        "This command has just changed. Restart Discord (or wait a minute) and try again."
    ),
    "error.unreadable": "I cannot read {value} there. Choose from the list.",
    "error.database": (
        "Our database does not answer right now. Nothing was lost and nothing was counted; "
        "try again in a minute. (id `{id}`)"
    ),
    "error.ours": (
        "Something broke on our side, not in your code. It is safe to try again; "
        "if it happens again, tell the organizers this id: `{id}`"
    ),
    "error.discord": (
        "Discord failed while I was answering. What you asked for may have been done: look before you repeat it. "
        "(id `{id}`)"
    ),
    "error.id": "\n-# {code} · id {id}",
    "error.again": "Try again {when}.",
    "file.lost": "Discord did not hand over your file. Send the command again.",
    "file.large": "{name} has {bytes} bytes; the limit is {limit}.",
    # --- /me ---------------------------------------------------------------------------------------
    "me.title": "{name}",
    "me.allowance": "Left of this hour",
    "me.allowance.none": "No limits where you may submit.",
    "me.allowance.line": "{board}: {ranked} ranked, {other} others",
    "me.allowance.left": "{left} of {limit}",
    "me.allowance.free": "any number of",
    "me.gpu_seconds": "GPU-seconds left of 24 hours",
    "me.gpu_seconds.line": "{competition} on {gpu}: {left} of {limit}",
    "me.gpu_seconds.reserved": ", {reserved} kept for what waits or runs",
    "me.gpu_seconds.more": "; there are more {when}",
    "me.gpu_seconds.refills": "; the first come back {when}",
    "me.places": "Best places",
    "me.places.none": "None yet: `/submit` with mode ranked.",
    "me.places.line": "{place} of {total} on {board} ({gpu}) with {time}",
    "me.places.more": "… and {count} more",
    "me.accounts": "Linked accounts",
    "me.account": "{provider}: {name}",
    "me.banned": "You may not submit {until}. {reason}",
    "me.hear": "Notifications (none until you ask for one)",
    "me.finished": "A result is there: {state}",
    "me.overtaken": "Somebody takes your place: {state}",
    "me.deadlines": "A leaderboard closes in 24 h, in 1 h: {state}",
    "me.direct": "Cards and results as direct messages: {state}",
    "me.quiet": "Quiet hours: {hours}",
    "me.quiet.none": "none",
    "me.quiet.hours": "{begin} to {end} ({zone})",
    "me.on": "on",
    "me.off": "off",
    "me.button.finished": "Results: {state}",
    "me.button.overtaken": "Overtaken: {state}",
    "me.button.deadlines": "Deadlines: {state}",
    "me.button.direct": "Direct messages: {state}",
    "quiet.button": "Quiet hours",
    "quiet.title": "Quiet hours",
    "quiet.from": "From",
    "quiet.until": "Until",
    "quiet.zone": "Time zone",
    "quiet.hint": "Like 22:30; leave both empty for no quiet hours",
    "quiet.zone.hint": "Like Europe/Berlin, Asia/Seoul or UTC",
    "submissions.more": "There are older ones.",
    # --- announcements ------------------------------------------------------------------------------
    "podium.record": "New record: **{name}** took **{place}** place with **{time}**{margin}.",
    "podium.shares": "**{name}** shares **{place}** place with **{time}**{margin}: the times cannot be told apart.",
    "podium.took": "**{name}** took **{place}** place with **{time}**{margin}.",
    "podium.is_in": "**{name}** is in **{place}** place with **{time}**{margin}.",
    "podium.margin": "{percent} against the time before",
    "podium.light": "{percent} of speed of light",
    "podium.against_own": "{percent} against their own {time}.",
    "podium.before": "There before: {name} with {time}.",
    "reveal.over": "The freeze of {board} is over. This is how it stands:",
    "reveal.place": "{place}: **{name}** with {time}",
    "reveal.more.one": "… and {count} more who shares a place with them",
    "reveal.more.other": "… and {count} more who share a place with them",
    "reveal.unjudged.one": "{count} run is still to be judged, and may change it.",
    "reveal.unjudged.other": "{count} runs are still to be judged, and may change it.",
    # --- notices ------------------------------------------------------------------------------------
    "notice.overtaken": (
        "Somebody has passed you on {board} ({gpu}): you are {place} with {time}, behind {name} with {ahead}."
    ),
    "notice.deadline": "{board} closes {when}, on {at}. What is accepted before that counts.",
    "notice.why": "You asked to hear of this; `/me` turns it off.",
    # --- /admin: asking first ------------------------------------------------------------------------
    "confirm.yes": "Confirm",
    "confirm.no": "Keep as it is",
    "confirm.look": "Working… Look again",
    "confirm.kept": "Nothing was changed.",
    # --- /admin: people and results -------------------------------------------------------------------
    "admin.more": "… and {count} more",
    "admin.none": "none",
    "admin.who": "**{name}** (#{id})",
    "admin.choice.admin": "administrator",
    "admin.choice.banned": "banned",
    "admin.choice.grant": "{id} · {name} · {seconds} s in {competition} on {gpu}",
    "admin.choice.invite": "{id} · {hint}… · {joined} of {most} came in",
    "admin.reason": "Why",
    "admin.reason.hint": "It is kept in the audit log, and its owner reads it",
    "admin.person.accounts": "Accounts",
    "admin.person.discord": "discord: {name} (`{subject}`, <@{subject}>)",
    "admin.person.did": "So far",
    "admin.person.counts": (
        "Submissions: {sent}\nWaiting or running: {open}\nPlaces: {places}\nEntries off the boards: {void}\n"
        "Tokens in use: {tokens}"
    ),
    "admin.person.places": "Places, and what holds them",
    "admin.person.place": "**#{id}** {place} of {total} on {board} ({gpu}) with {time}",
    "admin.person.latest": "Latest submissions",
    "admin.person.sent": "**#{id}** {board} · {mode} · {came} · {when}",
    "admin.person.banned": "May not submit {until}: {reason}",
    "admin.is.admin": "Administrator, here since",
    "admin.is.member": "Member, here since",
    "admin.role.ask_admin": (
        "{who} becomes an administrator: they see every competition and everybody's code, decide about results and "
        "people, and can make others administrators."
    ),
    "admin.role.ask_member": "{who} is an administrator no more; what they decided stays.",
    "admin.role.ask_oneself": (
        "{who}, that is **you**: you are an administrator no more, and only another one can make you one again."
    ),
    "admin.role.now_admin": "{who} is an administrator now.",
    "admin.role.now_member": "{who} is a member now.",
    "admin.role.already_admin": "{who} is an administrator already.",
    "admin.role.already_member": "{who} is no administrator.",
    "admin.void.ask": "**#{id}** of {name} stops counting, wherever its code stands. Reason: {reason}",
    "admin.void.told": "Its owner is told, with the reason. `/admin restore` takes it back.",
    "admin.void.already": "#{id} does not count already.",
    "admin.void.done": "#{id} does not count any more. Leaderboards without it now, GPU by GPU: {boards}.",
    "admin.restore.done": "#{id} counts again. Leaderboards with it, GPU by GPU: {boards}.",
    "admin.restore.already": "#{id} was not voided.",
    "admin.falls.none": "No place falls: better code of theirs holds them.",
    "admin.falls.head": "Places that fall: {count}. People who move up: {moved}.",
    "admin.fall": "• {place} of {people} on {board} ({gpu}): {after}",
    "admin.fall.gone": "they have no other there",
    "admin.fall.then": "{place} with other code",
    "admin.ban.ask": "{who} may not submit {until}. Reason: {reason}",
    "admin.ban.shorter": "**That ends a ban sooner** which is in force {until}, for: {reason}",
    "admin.ban.longer": "It takes the place of a ban that is in force {until}, for: {reason}",
    "admin.ban.open": "What waits or runs of theirs ({count}) is judged but does not count.",
    "admin.ban.places_stay": "Their places stay: {count}. `void:True` takes them off too.",
    "admin.ban.void_stays": "Everything of theirs stops counting; an end of the ban does not bring it back.",
    "admin.ban.done": "{who} may not submit {until}.",
    "admin.ban.voided": "Nothing of theirs counts any more.",
    "admin.unban.done": "{who} may submit again. What was voided stays so; `/admin restore` brings it back.",
    "admin.first.done": "#{id} is next on its GPUs. Runs that were moved: {runs}.",
    "admin.rerun.done": "#{of} of {name} runs once more as **#{id}** on {gpus}, at no cost to them.",
    "admin.rerun.already": "#{of} of {name} runs once more already, as **#{id}** on {gpus}.",
    "admin.rejudge.title": "Judged again: {count}",
    "admin.rejudge.planned": "Would be judged again: {count}. Nothing was queued.",
    "admin.rejudge.ask": (
        "**{count} ranked entries are measured once more**, on {gpus}, at no cost to anybody. Their places stay "
        "as they are until then; what does not agree is set aside for a decision. What is under way already is not queued twice."
    ),
    "admin.rejudge.as": "As #{id}.",
    "admin.rejudge.line": "**#{id}** of {name} on {board} ({gpu}): {text}",
    "admin.hints.title": "Hints for #{id}",
    "admin.hints.decide": "Lines a reviewer may want to look at. They decide nothing.",
    "admin.hints.not_yet": "No run of it has ended yet.",
    "admin.hints.none": "None.",
    "admin.hints.line": "Line {line} ({rule}): {text}",
    "admin.code": "The code of #{id}. That you read it is in the audit log. Licence: {licence}",
    "admin.quarantine.none": "Nothing waits for a decision.",
    "admin.quarantine.title": "Run {run}: {rule}",
    "admin.quarantine.about": "**#{id}** of {name} on {board} ({gpu}), {mode}, {when}",
    "admin.quarantine.times": "Times that do not count yet",
    "admin.quarantine.hints": "Hints",
    "admin.quarantine.footer": "Waiting for a decision: {waiting}",
    "admin.quarantine.release": "Release",
    "admin.quarantine.refuse": "Refuse",
    "admin.quarantine.code": "Code",
    "admin.quarantine.first": "First",
    "admin.quarantine.next": "Next",
    "admin.release.title": "Release run {run}: it counts",
    "admin.release.done": "Run {run} passed; it counts as if it always had.",
    "admin.refuse.title": "Refuse run {run}",
    "admin.refuse.ask": (
        "Run {run} of **#{id}** ({name}, {board} on {gpu}), set aside for {rule}, ends as disqualified and gets no place. "
        "Its owner is told. Reason: {reason}"
    ),
    "admin.refuse.ask_again": (
        "Run {run}, which judged the entry of {name} again ({board} on {gpu}), does not count. The place stays; `/admin "
        "void` takes it. Reason: {reason}"
    ),
    "admin.refuse.done": "Run {run} is disqualified.",
    "admin.allowance.title": "Allowance of {name} (#{id})",
    "admin.allowance.gpu": "{gpu}: {used} of {limit} GPU-seconds used in 24 h, {reserved} kept for what waits, {left} left",
    "admin.allowance.hour": "{board}, this hour: {ranked} ranked, {other} others",
    "admin.allowance.unlimited": "{used} (no limit)",
    "admin.allowance.grants": "Granted",
    "admin.allowance.grant": "**{id}**: {seconds} s more in 24 h in {competition} on {gpu}, {until}: {reason}",
    "admin.allowance.granted": (
        "Grant **{id}**: {who} may use {seconds} GPU-seconds more within 24 hours in {competition} on {gpu}, {until}."
    ),
    "admin.allowance.end.ask": (
        "Grant **{id}** ends now, not {until}: {who} may use {seconds} GPU-seconds less within 24 hours in {competition} "
        "on {gpu}. What they have waiting is judged all the same."
    ),
    "admin.allowance.end.left": "Left to them then: {left}.",
    "admin.allowance.ended": "Grant {id} has ended. What was used of it stays used.",
    "admin.invite.made": (
        "An invitation to {competition} (number {id}), shown this once:\n`/join code:{code}`\n"
        "People who may come in with it: {most}. Valid {until}."
    ),
    "admin.invite.any": "any number",
    "admin.invite.title": "Invitations to {competition}",
    "admin.invite.none": "None yet: `/admin invite create` makes one.",
    "admin.invite.line": "**{id}** `{hint}…` · {joined} of {most} came in · {state} · made {when}",
    "admin.invite.open": "in use",
    "admin.invite.revoked": "revoked",
    "admin.invite.expired": "expired",
    "admin.invite.used_up": "used up",
    "admin.invite.ask": (
        "Nobody comes into {competition} with invitation {id} (`{hint}…`) any more. The {joined} who came in with it stay."
    ),
    "admin.invite.unknown": "There is no invitation {id} in use. `/admin invite list` shows them.",
    "admin.invite.gone": "Invitation {id} lets nobody in any more.",
    "admin.audit.title": "Audit log",
    "admin.audit.of": "Audit log of {target}",
    "admin.audit.none": "Nothing was done.",
    "admin.audit.line": "{at} **{actor}** `{action}` {target}",
    "admin.audit.ourselves": "KernelBot",
    # --- what a competition looks like in a server ------------------------------------------------------
    "desk.tag.open": "open",
    "desk.tag.closed": "closed",
    "desk.topic": "{title}. Rules and leaderboards, kept up to date by the bot; talk about problems in their posts.",
    "desk.rules.name": "Rules of {title}",
    "desk.rules.none": "There are no rules but the licence.",
    "desk.label.host": "Host",
    "desk.label.licence": "Licence of what you send",
    "desk.label.when": "When",
    "desk.label.gpus": "GPUs",
    "desk.label.scoring": "Scoring",
    "desk.label.prizes": "Prizes",
    "desk.prize": "{place} place in {where}: {prize}",
    "desk.overall": "the standings",
    "desk.label.register": "Registration",
    "desk.label.winners": "Before a prize is yours",
    "desk.label.how": "How to take part",
    "desk.how": (
        "`/problem` has each statement and files to start from; `/submit` sends a kernel, first with mode `test`, "
        "then `ranked`; `/leaderboard` and `/standings` show who is ahead. Each leaderboard has a post here."
    ),
    "desk.when.from_to": "{phase}from {opens} to {closes}, {when}",
    "desk.when.from": "{phase}from {opens}, without an end",
    "desk.when.to": "{phase}until {closes}, {when}",
    "desk.when.always": "{phase}open, without an end",
    "desk.when.phase": "**{phase}**: ",
    "desk.scoring.single": "Each leaderboard is ranked by itself, on each GPU.",
    "desk.scoring.points": "Points for each problem, summed.",
    "desk.scoring.weighted_sum": "A weighted sum over the problems.",
    "desk.scoring.geometric_mean": "The geometric mean over the problems.",
    "desk.scoring.place": "A problem counts by place.",
    "desk.scoring.speed_of_light": "A problem counts by how close the time is to the speed of light.",
    "desk.scoring.best": "A problem counts by how close the time is to the best.",
    "desk.scoring.baseline": "A problem counts by how much faster than the baseline it is.",
    "desk.worth": "{board}: {worth}",
    "desk.card.how": "`/problem name:{problem}` has the statement and files, `/submit leaderboard:{board}` sends.",
    "desk.card.freeze": "Frozen from {begins} until {ends}: what others reach then is shown after it.",
    "desk.card.gpu": "{gpu} · {total} ranked",
    "desk.gpus.nobody": "Nobody is ranked yet on {gpus}.",
    "desk.gpus.more": "Also ranked on {gpus}: `/leaderboard`.",
    "desk.hidden": "This is not on show any more. What was said about it stays.",
    "desk.hidden.name": "Not on show",
    "desk.event.name": "{title}: {phase}",
    "desk.event.about": "Hosted by {host}. {gpus}. Rules and leaderboards are in the competition's forum.",
    "desk.event.by_nobody": "{gpus}. Rules and leaderboards are in the competition's forum.",
    "desk.moment.opens": "{what} has opened {when}. `/problem` has the statements, `/submit` sends.",
    "desk.moment.day_left": "{what} closes {when}, on {at}. What is accepted before that counts.",
    "desk.moment.hour_left": "{what} closes {when}, on {at}. What is accepted before that counts.",
    "desk.moment.closes": "{what} has closed {when}. What was accepted before that is still judged.",
    "desk.trouble.category": "The category for competitions is gone. Choose one with /setup.",
    "desk.trouble.lacks": "In {where} the bot lacks {names}.",
    "desk.trouble.server": "this server",
    "desk.trouble.refused": "Discord refused: {what}",
    "desk.trouble.ours": "Something failed on our side (`{id}`). It is tried again by itself.",
    # --- /admin: organizers ---------------------------------------------------------------------------
    "admin.intake.all": "All GPUs",
    "admin.intake.pause": (
        "**{what}: no submission is taken any more.** What runs ends, and what waits is judged. Whoever submits "
        "reads: {reason}"
    ),
    "admin.intake.hold": (
        "**{what}: no submission is taken, and nothing of what waits begins.** What runs ends; what waits keeps its "
        "place and begins when you resume. Whoever submits reads: {reason}"
    ),
    "admin.intake.is_paused": "{what}: paused. `/admin intake resume` takes submissions again.",
    "admin.intake.is_held": (
        "{what}: paused, and what waits is held. `/admin intake resume` takes submissions again and begins it."
    ),
    "admin.intake.resumed": "{what}: submissions are taken again, and what was held begins.",
    "admin.intake.none": "Nothing is paused.",
    "admin.intake.line": "**{what}**, {waits}, {since} by {by}: {reason}",
    "admin.intake.waits.held": "what waits is held",
    "admin.intake.waits.judged": "what waits is judged",
    "admin.plan.title.one": "{count} change",
    "admin.plan.title.other": "{count} changes",
    "admin.plan.line": "**{kind}** {what}: {detail}",
    "admin.plan.note": "**Note** {text}",
    "admin.plan.impossible": "{count} refused, so nothing can be applied.",
    "admin.plan.refused": "refused",
    "admin.plan.remeasured": "re-measured",
    "admin.plan.hidden": "hidden",
    "admin.plan.changed": "changed",
    "admin.plan.created": "created",
    "admin.plan.nothing": "Nothing.",
    "admin.plan.same": "Everything is as in the files.",
    "admin.plan.only": "This is what `/admin competition apply` would do.",
    "admin.plan.ask": (
        "Confirm, and this is done, all or nothing; within an hour, and only while it is still just this."
    ),
    "admin.plan.warning": "**Look at it: {again} re-measured, {hidden} hidden.**",
    "admin.plan.applied": "Applied: {what}.",
    "admin.plan.mistakes.one": "**{count} mistake in the files; nothing is changed.**",
    "admin.plan.mistakes.other": "**{count} mistakes in the files; nothing is changed.**",
    "admin.plan.one": "Give either `file` or `url`; `ref` and `path` go with a `url`.",
    "admin.hide.ask": (
        "**{name} goes off every list, with {boards}.** What waits for them ends at no cost (runs: {waiting}), results stay, "
        "and applying its files shows it again."
    ),
    "admin.hide.own": (
        "**The next start shows it again:** it comes from the installation's own folder, which is published at each "
        "start. Take its file out of there too."
    ),
    "admin.hide.done": "{name} is hidden until its files are applied again.",
    "admin.contests.title": "Competitions",
    "admin.contests.none": "There is none yet.",
    "admin.contests.phases": "Phases: {names}",
    "admin.contests.opens": "opens {when}",
    "admin.contests.closes": "closes {when}",
    "admin.contests.frozen": "frozen from {begin} to {end}",
    "admin.contests.people": "{count} ranked",
    "admin.contests.measured": "{count} to be measured again",
    "admin.contests.rejudged": "{count} being rejudged",
    "admin.state.open": "open",
    "admin.state.upcoming": "upcoming",
    "admin.state.over": "over",
    "admin.state.hidden": "hidden",
    "bulletin.all": "From the organizers",
    "announce.title": "Tell everybody something",
    "announce.text": "What to tell",
    "announce.hint": "As plain text: no markup, and nobody is pinged",
    "announce.where.all": "in every server's channel for announcements",
    "announce.where.channel": "for {name}, in {channel}",
    "announce.where.named": (
        "for {name}, in every server's channel for announcements, and where a server has chosen none in its "
        "{channel}"
    ),
    "announce.where.competition": "for {name}, in every server's channel for announcements",
    "announce.ask": "**This will be told {where}, once; if nobody can hear it within a day, not at all:**",
    "announce.done": "It is on its way.",
    "fleet.title": "What judges",
    "fleet.none": "Nothing judges here: start a worker, or let a machine in.",
    "fleet.footer": "Page {page} of {pages} · drift: the last canaries, half to twice the median; ! is outside the band",
    "fleet.machine": "{running} running; at once: {slots}",
    "fleet.elsewhere": "reached elsewhere: {names}",
    "fleet.trouble": "⚠ {trouble}",
    "fleet.untrusted": "nobody vouches for it",
    "fleet.stale": "⚠ has another version of the judge",
    "fleet.seen": "heard of {when}",
    "fleet.kind.agent": "agent",
    "fleet.kind.worker": "worker",
    "fleet.state.ready": "ready",
    "fleet.state.drained": "drained",
    "fleet.state.troubled": "in trouble",
    "fleet.state.silent": "silent",
    "fleet.state.new": "has never come",
    "fleet.state.quarantined": "quarantined",
    "fleet.device.name": "Device {id}, {name}",
    "fleet.device": "of {of}, drift `{drift}`",
    "fleet.canary": "last canary {when}",
    "fleet.running": "Under way",
    "fleet.run": "#{id} on {board}, {mode}, {gpu} of {machine}, for {time}: {progress}",
    "fleet.run.more": "… and more",
    "fleet.unknown": "There is no machine {name}; `/admin fleet` shows those there are.",
    "fleet.is_worker": (
        "{name} is a worker of the installation, not an agent: it has no switch that could be turned from here. To have "
        "nothing more begin on its GPU kinds, `/admin intake pause` with `hold:True`; to take out single devices of it, "
        "`/admin quarantine-device`. To end it, stop its process where it runs: what it has running is given back "
        "and judged by another."
    ),
    "fleet.drain.ask": "**{name} takes nothing more** for {gpus}. What it has running ({running}) ends there.",
    "fleet.drain.done": "{name} takes nothing more. `/admin undrain` lets it take work again.",
    "fleet.undrain.done": "{name} takes work again.",
    "device.out.ask": (
        "**{device} of {of} ({state}) gets no more runs.** The ranked results that it gave since its last good canary "
        "are judged again at no cost, everybody is told, and no canary lets it in again."
    ),
    "device.out.done": "Device {id} takes nothing more. `/admin release-device` lets it in again.",
    "device.out.later": (
        "What it gave could not be judged again just now, nor everybody told: a worker does both within minutes. The "
        "log has the failure."
    ),
    "device.in.ask": "**{device} of {of} ({state}) takes runs again**, and its band begins anew with what it is now.",
    "device.in.done": "Device {id} takes runs again.",
    # --- /link --------------------------------------------------------------------------------------
    "link.ask": (
        "**{client}** asked {when} to be let in. It will act as you: read your submissions and code, and "
        "send new ones. Let it in only if you ran `kernelbot login --discord` yourself just now; "
        "nobody else has a reason to give you a code."
    ),
    "link.yes": "That was me: let it in",
    "link.done": "It is let in. `kernelbot tokens list` shows it, `kernelbot tokens revoke` puts it out.",
    "link.ask.admin": (
        "You are an administrator. As one it could do for a day whatever `/admin` does, as long as you are one; "
        "without that it sends and reads what is yours, and no more."
    ),
    "link.yes.admin": "Let it in as administrator, for a day",
    "link.done.admin": (
        "It is let in as an administrator for a day: `kernelbot admin` works there. It cannot be renewed; to end it "
        "sooner let a command line in without that, and there `kernelbot tokens list` and `kernelbot tokens revoke`."
    ),
    # --- pasted code -----------------------------------------------------------------------------
    "paste.title": "Send a kernel",
    "paste.code": "Your code",
    "paste.code.hint": "Up to 4,000 characters; longer code goes as a file with /submit.",
    "paste.ask.leaderboard": "Leaderboard",
    "paste.ask.gpu": "GPU, one or several",
    "paste.in_the_code": "May also stand in the code: #!kernelbot leaderboard NAME, #!kernelbot gpu NAME",
    "paste.mode": "What to do with it",
    "paste.file": "File name",
    "paste.file.hint": "Its ending says the language: .py, .cu, .hip or .cpp",
    "paste.kept": "What you pasted is attached, so that nothing is lost.",
    "paste.no_block": (
        "This message has no code block: lines between two rows of three backticks. A file goes "
        "with `/submit`."
    ),
    "paste.too_long": (
        "This code block has more than {most} characters, more than a form takes. "
        "Save it as a file and send it with `/submit`."
    ),
    "paste.case": (
        "A case is chosen with a file only. In pasted code write `#!kernelbot case 2` as its first line."
    ),
    # --- results -----------------------------------------------------------------------------------
    "result.faster": "{percent} faster than your best other code, #{id} ({time}).",
    "result.slower": "{percent} slower than your best code, #{id} ({time}).",
    "result.alike": "As fast as your best code, #{id} ({time}): the two cannot be told apart.",
    "result.behind": "{percent} ({gap}) behind {place} place.",
    "result.would_be_behind": "If it counted, it would be {percent} ({gap}) behind {place} place.",
    "result.would_lead": "If it counted, nobody would be in front.",
    # --- buttons under a result ----------------------------------------------------------------------
    "button.rerun": "Re-run",
    "button.ranked": "Run ranked",
    "button.profile": "Profile",
    "button.diff": "Diff to my best",
    "button.share": "Share",
    "diff.none": "#{after} is the same code as #{before}.",
    "diff.title": "From #{before} to #{after}",
    "share.text": "**{name}** shares #{id} on {board}.",
    "share.done": "Shown to everybody here: {link}",
    "share.nowhere": (
        "A direct message has nobody to share with. Open the result in a server with "
        "`/submission id:{id}` and press Share there."
    ),
    "share.frozen": (
        "{board} is frozen {until}: till then results are not posted. Share it after that."
    ),
    "share.closed": (
        "{board} is not for everybody to see, so nothing of it is posted where everybody reads."
    ),
    "share.nothing": "Only a passed run can be shared.",
    "share.not_yours": "Only its owner shares a result.",
    "share.may_not": "You may not write in {channel}, so I do not either. Share it in another channel.",
    "share.cannot": "I may not write in {channel}: its permissions keep me out. Share it in another channel.",
    # --- servers: /setup ----------------------------------------------------------------------------
    "setup.title": "Setting up {server}",
    "setup.intro": (
        "Two choices, both may be changed at any time. Everything else works without them: `/submit`, `/leaderboard` and "
        "the others, in every channel."
    ),
    "setup.name.announcements_channel": "Announcements",
    "setup.does.announcements_channel": (
        "Posted there: new places on the podiums, where things stand when a freeze ends, GPUs out of service or back, and what "
        "organizers tell everybody; never code or logs, and nothing of competitions that not everybody may see."
    ),
    "setup.by_name": "None chosen: they go to a channel named `{name}`, if there is one.",
    "setup.name.competitions_category": "Competitions",
    "setup.does.competitions_category": (
        "In this category each competition that everybody may see gets a forum of its own, with its rules, its problems and their leaderboards."
    ),
    "setup.by_id": "None chosen: they go to {place}, as its id is in the settings of the bot.",
    "setup.nothing_chosen": "None chosen, so there are none here.",
    "setup.chosen": "Now: {place}",
    "setup.gone": "What was chosen has been deleted, so nothing is posted. Choose another.",
    "setup.fine": "I may do there all that I need.",
    "setup.lacking": (
        "**I lack there: {names}.** In the settings of {place}, under Permissions, add {role} and allow these."
    ),
    "setup.server": "In the whole server",
    "setup.server.fine": "I may do all that I need.",
    "setup.server.lacking": (
        "**I lack: {names}.** In the server's settings, under Roles, switch them on for {role}; or open [this link]({link}), "
        "which gives them all."
    ),
    "setup.server.threads": "Cards and results come as direct messages where I cannot make private threads.",
    "setup.pins": "Without {names} there the rules are not pinned; all else works.",
    "setup.server.events": "Without Create Events competitions are not in the server's calendar.",
    "setup.shown": "Competitions that are not as they should be",
    "setup.shown.trouble": "**{name}**: {trouble}",
    "setup.shown.left_away": (
        "**{name}**: {count} deleted twice, so not made again. Choose the category once more to have it back."
    ),
    "setup.choose.announcements_channel": "A channel for announcements (none: clear it)",
    "setup.choose.competitions_category": "A category for competitions (none: clear it)",
    "setup.button.make": "Make a category for me",
    "setup.button.none": "No category",
    "setup.button.hello": "Say hello there",
    "setup.button.look": "Look again",
    "setup.category": "Competitions",
    "setup.may_not": "Only who may manage this server sets it up (the permission Manage Server).",
    "setup.nowhere": "A server is set up from within it: use `/setup` in one of its channels.",
    "setup.not_here": "There is no such channel in this server any more. Choose another.",
    "setup.cannot_make": "I cannot make a category: {names} is missing. Make one yourself and choose it here, or give me that.",
    "setup.no_channel": "Choose a channel for announcements first.",
    "setup.cannot_speak": "I cannot write in {place}: {names} is missing.",
    "setup.said": "Said: {link}",
    "setup.example": "Hello! This is where announcements of KernelBot will be. `/help` says how to compete.",
    "setup.welcome": (
        "Hello! I run competitions for GPU kernels: `/help` says how to compete. Whoever manages this server chooses with "
        "`/setup` where announcements go and whether competitions get forums here. Until then I answer commands and post nothing."
    ),
    "setup.lost.announcements_channel": (
        "The channel of my announcements has been deleted, so they are not posted here any more. `/setup` chooses another."
    ),
    "setup.lost.competitions_category": (
        "The category of the competitions has been deleted, so they are not shown here any more. `/setup` chooses another."
    ),
    "help.setup": "**For you who manage this server**: `/setup` chooses where announcements and competitions go.",
    "help.admin": "**For you who run competitions**: `/admin`.",
    "accepted.not_here.forum": (
        "A forum has no private threads, so this is in our direct messages; from a text channel it is a thread of yours."
    ),
    "accepted.not_here.voice": (
        "A voice channel has no threads, so this is in our direct messages; from a text channel it is a thread of yours."
    ),
    "accepted.not_here.news": (
        "A channel for announcements has no private threads, so this is in our direct messages; from a text channel it is "
        "a thread of yours."
    ),
    "accepted.not_here.refused": (
        "Discord did not let me make a thread for you here, so this is in our direct messages."
    ),
    "accepted.no_threads": "It is a direct message: to make a thread for you here I lack {names}.",
    "share.lacking": "I may not write in {channel}: I lack {names}. Share it in another channel.",
    # --- servers: permissions as Discord calls them ---------------------------------------------------
    "permission.attach_files": "Attach Files",
    "permission.create_events": "Create Events",
    "permission.create_private_threads": "Create Private Threads",
    "permission.create_public_threads": "Create Public Threads",
    "permission.embed_links": "Embed Links",
    "permission.manage_channels": "Manage Channels",
    "permission.manage_threads": "Manage Threads",
    "permission.pin_messages": "Pin Messages",
    "permission.read_message_history": "Read Message History",
    "permission.send_messages": "Send Messages",
    "permission.send_messages_in_threads": "Send Messages in Threads",
    "permission.view_channel": "View Channels",
}

CATALOGUES: dict[str, Mapping[str, str]] = {"en": ENGLISH}

COMMANDS: dict[str, Mapping[str, str]] = {}
"""By language what commands, options and choices are called there, by what they are called in English. Discord
is told when commands are registered."""

LOCALE: ContextVar[str] = ContextVar("locale", default="en")
"""Of the person who is answered, as Discord spells it: ``de``, ``en-US``."""


def language() -> str:
    """Of the catalogue that speaks to the person who is answered."""
    locale = LOCALE.get()
    return next((name for name in (locale, locale.split("-")[0]) if name in CATALOGUES), "en")


@contextmanager
def speaking(locale: str) -> Iterator[None]:
    """What is said within is in this language: of somebody to whom nobody is answering now."""
    token = LOCALE.set(locale)
    try:
        yield
    finally:
        LOCALE.reset(token)


def say(key: str, /, **values: object) -> str:
    """The words under this key, with ``values`` where their names stand in braces; where there are words for one and
    for any other number, those for ``count``."""
    if "count" in values and f"{key}.other" in ENGLISH:
        key = f"{key}.one" if values["count"] == 1 else f"{key}.other"
    words = CATALOGUES[language()].get(key) or ENGLISH[key]
    return words.format(**values)
