"""The schema as code; a test compares it with what the migrations build.

Sized for 400,000 submissions and 1,000,000 runs from the start: ``runs`` stays narrow (verdicts
live beside it), every list is read by an index in the order it is shown, and a leaderboard is read
from ``standings``, whose size is the number of people on it, whatever they submitted.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _at(name: str, *, now: bool = False) -> Column[object]:
    if now:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
    return Column(name, DateTime(timezone=True))


users = Table(
    "users",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False, server_default="member"),
    _at("banned_until"),
    Column("ban_reason", Text, nullable=False, server_default=""),
    _at("created_at", now=True),
)
# Names are not unique: history and moderation look people up by them.
Index("ix_users_name", users.c.name)

# One person may come by Discord, GitHub and a local token: each provider has its own namespace.
identities = Table(
    "identities",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    _at("created_at", now=True),
)

# Only sha256 of a token is kept: 32 random bytes need no slow hash, and a leaked table signs nobody in.
tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("scopes", ARRAY(String(16)), nullable=False),
    _at("expires_at"),
    _at("revoked_at"),
    _at("last_used_at"),
    _at("created_at", now=True),
)

problems = Table(
    "problems",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("document", JSONB, nullable=False),
    _at("created_at", now=True),
    UniqueConstraint("name", "content_digest"),
)

problem_files = Table(
    "problem_files",
    metadata,
    Column("problem_id", ForeignKey("problems.id"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

competitions = Table(
    "competitions",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("visibility", String(16), nullable=False),
    _at("public_from"),
    Column("channel", Text, nullable=False, server_default=""),
    # Where its files came from: empty for the problems folder of this installation, else a path or a
    # repository, and of that the commit.
    Column("source", Text, nullable=False, server_default=""),
    Column("pinned", String(64), nullable=False, server_default=""),
    _at("created_at", now=True),
    _at("updated_at", now=True),
)

# Only sha256 of a code is kept, as of tokens: it is random, and long enough not to be guessed.
invites = Table(
    "invites",
    metadata,
    _id(),
    Column("competition_id", ForeignKey("competitions.id"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("most", Integer),  # how many people may join with it; NULL: any number
    Column("joined", Integer, nullable=False, server_default="0"),
    _at("expires_at"),
    _at("revoked_at"),
    _at("created_at", now=True),
)

members = Table(
    "members",
    metadata,
    Column("competition_id", ForeignKey("competitions.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("invite_id", ForeignKey("invites.id")),
    _at("joined_at", now=True),
)
Index("ix_members_user", members.c.user_id)

leaderboards = Table(
    "leaderboards",
    metadata,
    _id(),
    Column("competition_id", ForeignKey("competitions.id"), nullable=False, index=True),
    Column("problem_id", ForeignKey("problems.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    _at("opens_at"),
    _at("closes_at"),
    _at("frozen_from"),
    _at("frozen_until"),
    _at("revealed"),  # the end of the freeze that was announced last
    _at("code_opens_at"),
    Column("ranked_per_hour", Integer),
    Column("other_per_hour", Integer),
    Column("retired", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", now=True),
)
Index("uq_leaderboards_lower_name", func.lower(leaderboards.c.name), unique=True)

# ``revision`` rises with every change of the standings: readers cache by it, recorders queue on it.
# ``shown`` rises with those that everybody sees, of which a freeze keeps new results back.
leaderboard_gpus = Table(
    "leaderboard_gpus",
    metadata,
    Column("leaderboard_id", ForeignKey("leaderboards.id"), primary_key=True),
    Column("gpu", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("offered", Boolean, nullable=False, server_default=text("true")),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("shown", BigInteger, nullable=False, server_default="0"),
)

code_blobs = Table(
    "code_blobs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    _at("created_at", now=True),
)

submissions = Table(
    "submissions",
    metadata,
    _id(),
    Column("leaderboard_id", ForeignKey("leaderboards.id"), nullable=False),
    Column("problem_id", ForeignKey("problems.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("language", String(16), nullable=False),
    Column("code_digest", ForeignKey("code_blobs.digest"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("profile_case", Integer),  # which benchmark a profile is of; NULL: the slowest
    Column("idempotency_key", Text),
    # The submission that this one measures again, on a newer version of the problem.
    Column("repeats", ForeignKey("submissions.id")),
    Column("status", String(16), nullable=False, server_default="queued"),
    Column("refunded", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", now=True),
    _at("finished_at"),
    UniqueConstraint("user_id", "idempotency_key"),
)
Index("ix_submissions_mine", submissions.c.user_id, submissions.c.id.desc())
Index(
    "ix_submissions_allowance",
    submissions.c.user_id,
    submissions.c.leaderboard_id,
    submissions.c.created_at,
)
Index("ix_submissions_leaderboard", submissions.c.leaderboard_id, submissions.c.id.desc())
Index("ix_submissions_code", submissions.c.code_digest)
Index(
    "ix_submissions_repeats",
    submissions.c.repeats,
    postgresql_where=text("repeats IS NOT NULL"),
)
# How many are still to be measured again, in every list of leaderboards.
Index(
    "ix_submissions_repeating",
    submissions.c.leaderboard_id,
    postgresql_where=text("repeats IS NOT NULL AND status IN ('queued', 'running')"),
)

# A machine that is not ours to reach: our program on it asks for work over HTTPS with a token of its own,
# whose digest is here. ``session`` is the worker's id of its latest process; what an earlier one says counts
# for nothing. ``poll`` is its latest request for work: an earlier one that still waits takes nothing.
runners = Table(
    "runners",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("targets", ARRAY(Text), nullable=False),
    Column("trusted", Boolean, nullable=False, server_default=text("false")),
    Column("drained", Boolean, nullable=False, server_default=text("false")),
    Column("session", Uuid, unique=True),
    Column("poll", BigInteger, nullable=False, server_default="0"),
    # What it said of itself: devices, driver, torch, fence, digests.
    Column("announcement", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("trouble", Text, nullable=False, server_default=""),  # why it takes nothing just now
    Column("created_by", ForeignKey("users.id")),
    _at("created_at", now=True),
    _at("announced_at"),
    _at("last_seen_at"),
    _at("revoked_at"),
)
Index(
    "uq_runners_live_name",
    func.lower(runners.c.name),
    unique=True,
    postgresql_where=text("revoked_at IS NULL"),
)

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("submission_id", ForeignKey("submissions.id"), nullable=False, index=True),
    Column("leaderboard_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("code_digest", LargeBinary, nullable=False),
    Column("gpu", Text, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", String(16), nullable=False, server_default="queued"),
    Column("progress", String(40), nullable=False, server_default=""),
    Column("verdict", String(24)),
    Column(
        "note", Text, nullable=False, server_default=""
    ),  # why a passed ranked run is not ranked, or why one that had not begun never will
    Column("seconds", Float),
    Column("error", Float),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("lease", Uuid),
    Column("worker_id", Uuid),
    Column("handle", JSONB),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("queue_id", BigInteger),
    Column("problem_digest", String(64), nullable=False),
    Column("judge_digest", String(64)),
    Column("device", Text),
    # Which agent judged it (none: a worker), and its devices by the ids that canaries know them by.
    Column("runner_id", ForeignKey("runners.id")),
    Column("device_ids", ARRAY(Text)),
    # Its device was quarantined since: it compares with nothing, and counts until another run of its code does.
    Column("doubted", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", now=True),
    _at("started_at"),
    _at("judged_at"),  # its judge began; before that it waited for a machine
    _at("heartbeat_at"),
    _at("finished_at"),
    CheckConstraint("(status = 'done') = (verdict IS NOT NULL)", name="verdict_when_done"),
    CheckConstraint("(status = 'running') = (lease IS NOT NULL)", name="lease_when_running"),
    UniqueConstraint("submission_id", "gpu"),
)
Index(
    "ix_runs_entry",
    runs.c.leaderboard_id,
    runs.c.gpu,
    runs.c.user_id,
    runs.c.code_digest,
    postgresql_where=text("mode = 'ranked' AND verdict = 'passed'"),
)
Index("ix_runs_quarantined", runs.c.id, postgresql_where=text("verdict = 'quarantined'"))
# Whose are of what is measured again: they keep the place that they had.
Index(
    "ix_runs_undecided",
    runs.c.leaderboard_id,
    runs.c.gpu,
    postgresql_where=text("mode = 'ranked' AND verdict IN ('quarantined', 'judge_failed')"),
)
Index("ix_runs_running", runs.c.gpu, postgresql_where=text("status = 'running'"))
# From a place in the queue to the run that waits there.
Index("ix_runs_queue", runs.c.queue_id, postgresql_where=text("status IN ('queued', 'running')"))
# What a machine has judged, newest last.
Index(
    "ix_runs_runner",
    runs.c.runner_id,
    runs.c.id,
    postgresql_where=text("runner_id IS NOT NULL"),
)
# Who waits for a GPU kind, for the decision about the next run.
Index(
    "ix_runs_waiting",
    runs.c.gpu,
    runs.c.user_id,
    runs.c.leaderboard_id,
    runs.c.mode,
    runs.c.priority,
    runs.c.queue_id,
    postgresql_where=text("status = 'queued'"),
)
# What a person has not got back yet, for their allowance.
Index("ix_runs_open", runs.c.user_id, postgresql_where=text("status IN ('queued', 'running')"))
# What ended lately, for the metrics and for who used how much.
Index("ix_runs_finished_at", runs.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))
Index("ix_runs_personal", runs.c.user_id, runs.c.leaderboard_id, runs.c.gpu, runs.c.id.desc())

# The whole verdict, once per run: the primary key is what makes "recorded once" true. The decision is
# what a person said about one that was quarantined.
verdicts = Table(
    "verdicts",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    _at("created_at", now=True),
    Column("decision", String(16)),  # released | refused
    Column("reason", Text),
    _at("decided_at"),
)

# What was decided during a freeze.
Index(
    "ix_verdicts_decided_at",
    verdicts.c.decided_at,
    postgresql_where=text("decided_at IS NOT NULL"),
)

# Files that a run left, in pieces. They count once ``kept``, which the verdict's transaction says;
# those that are gone have no pieces any more.
artefacts = Table(
    "artefacts",
    metadata,
    _id(),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("lease", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("digest", LargeBinary, nullable=False, server_default=text("''::bytea")),
    Column("kept", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", now=True),
    _at("gone_at"),
    UniqueConstraint("run_id", "lease", "name"),
)
Index("ix_artefacts_created_at", artefacts.c.created_at, postgresql_where=text("gone_at IS NULL"))

artefact_pieces = Table(
    "artefact_pieces",
    metadata,
    Column("artefact_id", ForeignKey("artefacts.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

measurements = Table(
    "measurements",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("case_index", Integer, primary_key=True),
    Column("spec", Text, nullable=False),
    Column("ns", Float, nullable=False),
    Column("low_ns", Float, nullable=False),
    Column("high_ns", Float, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("clock", String(16), nullable=False),
)

run_events = Table(
    "run_events",
    metadata,
    _id(),
    Column("submission_id", ForeignKey("submissions.id"), nullable=False),
    Column("run_id", BigInteger),
    Column("kind", String(24), nullable=False),
    Column("data", JSONB, nullable=False),
    _at("created_at", now=True),
)
Index("ix_run_events_submission", run_events.c.submission_id, run_events.c.id)
Index("ix_run_events_created_at", run_events.c.created_at)

# One row for each code of a person on one version of the problem: all its ranked runs pooled. The
# best on the current version is that person's standing; times of other versions compare with nothing.
entries = Table(
    "entries",
    metadata,
    Column("leaderboard_id", BigInteger, primary_key=True),
    Column("gpu", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("code_digest", LargeBinary, primary_key=True),
    Column("problem_digest", String(64), primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),  # the first run of this code
    Column("submission_id", ForeignKey("submissions.id"), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("error", Float, nullable=False),
    Column("runs", Integer, nullable=False),
    _at("submitted_at", now=True),
    Column("void", Boolean, nullable=False, server_default=text("false")),
    # Of whoever made it void last, or put it back.
    Column("reason", Text, nullable=False, server_default=""),
    _at("decided_at"),
)

standings = Table(
    "standings",
    metadata,
    Column("leaderboard_id", BigInteger, primary_key=True),
    Column("gpu", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("code_digest", LargeBinary, nullable=False),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("submission_id", ForeignKey("submissions.id"), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("error", Float, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["leaderboard_id", "gpu"], ["leaderboard_gpus.leaderboard_id", "leaderboard_gpus.gpu"]
    ),
)
Index("ix_standings_board", standings.c.leaderboard_id, standings.c.gpu, standings.c.seconds)

# Personal bests as they happened, for the history chart.
bests = Table(
    "bests",
    metadata,
    _id(),
    Column("leaderboard_id", BigInteger, nullable=False),
    Column("gpu", Text, nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("submission_id", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("error", Float, nullable=False),
    _at("created_at", now=True),
)
Index("ix_bests_board", bests.c.leaderboard_id, bests.c.gpu, bests.c.id)
Index("ix_bests_person", bests.c.user_id, bests.c.leaderboard_id, bests.c.gpu, bests.c.id)

# Measured wall time of a kind of run, for the wait that people are told.
durations = Table(
    "durations",
    metadata,
    Column("leaderboard_id", BigInteger, primary_key=True),
    Column("gpu", Text, primary_key=True),
    Column("mode", String(16), primary_key=True),
    Column("mean_s", Float, nullable=False),
    Column("deviation_s", Float, nullable=False),
    Column("runs", Integer, nullable=False),
)

# GPU-seconds used of late on one GPU kind, divided by the weights of the competitions; a row's number fades
# by half in domain.fairness.HALF_LIFE_S and is brought up to date when it grows.
shares = Table(
    "shares",
    metadata,
    Column("gpu", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("used_s", Float, nullable=False),
    _at("as_of", now=True),
)
Index("ix_shares_lately", shares.c.gpu, shares.c.as_of)

# GPU-seconds that were charged, hour by hour: what allowances are counted from.
spent = Table(
    "spent",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("competition_id", ForeignKey("competitions.id"), primary_key=True),
    Column("gpu", Text, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("gpu_s", Float, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("slots", JSONB, nullable=False),  # {gpu: how many runs at once}
    Column("device", JSONB, nullable=False),
    Column("judge_digest", String(64), nullable=False),
    _at("started_at", now=True),
    _at("heartbeat_at", now=True),
)

# A device, one by one: of a machine that asks for work, or (without one) of a worker's own machine. What leaves
# its canaries' band is quarantined and takes no run until it is back.
devices = Table(
    "devices",
    metadata,
    _id(),
    Column("runner_id", ForeignKey("runners.id")),
    Column("device", Text, nullable=False),  # as runs.device_ids names it
    Column("kind", String(8), nullable=False),
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("gpus", ARRAY(Text), nullable=False),  # targets that it may judge for alone
    Column("outcomes", String(32), nullable=False, server_default=""),  # of its last runs, in marks
    Column("fault_of", BigInteger),  # the submission whose run failed last by our fault
    # Whose they were, mark by mark; 0: no fault.
    Column("fault_users", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("reason", Text, nullable=False, server_default=""),  # why it is quarantined
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),  # and so comes back
    Column("quarantines", Integer, nullable=False, server_default="0"),
    _at("quarantined_at"),
    _at("band_from", now=True),  # canaries before that make no band
    _at("last_run_at"),
    _at("created_at", now=True),
    _at("seen_at", now=True),
)
Index("uq_devices_device", text("coalesce(runner_id, 0)"), devices.c.device, unique=True)

canaries = Table(
    "canaries",
    metadata,
    _id(),
    Column("device_id", ForeignKey("devices.id"), nullable=False),
    Column("gpu", Text, nullable=False),
    Column("lease", Uuid),
    Column("verdict", String(24)),
    Column("good", Boolean),
    Column("reason", Text, nullable=False, server_default=""),  # why it is not good
    Column("setting", String(64), nullable=False, server_default=""),  # what times compare within
    Column("seconds", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("errors", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("sm_mhz", Float, nullable=False, server_default="0"),
    Column("watts", Float, nullable=False, server_default="0"),
    Column("judge_digest", String(64), nullable=False, server_default=""),
    _at("started_at", now=True),
    _at("due_by"),  # whoever has it and says nothing until then has lost it
    _at("finished_at"),
)
Index("ix_canaries_device", canaries.c.device_id, canaries.c.id.desc())

# A place on the podium that a machine nobody vouches for has measured: announced once the run that is named
# here, on a trusted one, agrees.
confirmations = Table(
    "confirmations",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("leaderboard_id", BigInteger, nullable=False),
    Column("gpu", Text, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("code_digest", LargeBinary, nullable=False),
    Column(
        "state", String(16), nullable=False, server_default="waiting"
    ),  # or confirmed, differs, failed, gone
    Column("announcement", JSONB, nullable=False),
    _at("created_at", now=True),
    _at("decided_at"),
)
Index(
    "ix_confirmations_open",
    confirmations.c.leaderboard_id,
    confirmations.c.gpu,
    confirmations.c.user_id,
    postgresql_where=text("state <> 'confirmed'"),
)

# What the world has to be told, written in the transaction that made it true.
outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    Column("topic", String(32), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _at("created_at", now=True),
    _at("due_at", now=True),
    _at("delivered_at"),
    Column("receipt", Text, nullable=False, server_default=""),  # id of the message it became
    Column("trouble", Text, nullable=False, server_default=""),
)
Index("ix_outbox_due", outbox.c.due_at, postgresql_where=text("delivered_at IS NULL"))

# In which servers an announcement stands already, while others are still to hear it.
receipts = Table(
    "receipts",
    metadata,
    Column("outbox_id", ForeignKey("outbox.id"), primary_key=True),
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False),
    _at("created_at", now=True),
)

# The message in Discord that shows a submission's progress: found again after a restart.
cards = Table(
    "cards",
    metadata,
    Column("submission_id", ForeignKey("submissions.id"), primary_key=True),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),
    Column("user_subject", Text, nullable=False),
    Column("shown", Text, nullable=False, server_default=""),  # digest of what it shows
    Column("closed", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", now=True),
)
Index("ix_cards_open", cards.c.submission_id, postgresql_where=text("NOT closed"))

# A private thread for each person and competition in a server, so that results do not litter the channel.
threads = Table(
    "threads",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("competition_id", ForeignKey("competitions.id"), primary_key=True),
    Column("thread_id", BigInteger, nullable=False),
    _at("created_at", now=True),
)

# Servers of Discord and what was chosen for them; one that was only greeted has nothing.
guilds = Table(
    "guilds",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("announcements_channel", BigInteger),
    Column("competitions_category", BigInteger),  # without one it shows no competitions as forums
    Column("changed_by", ForeignKey("users.id")),
    _at("changed_at"),
)

# A competition as a server shows it. One bot at a time sees to it: ``holder``, until ``held_until``. Nobody looks
# before ``due_at``, later after each trouble. ``compared_at``: when it was last held against what is there,
# ``changed_at``: when we last heard that this is not as it was; ``settings_at``: which choices for the server it follows.
desks = Table(
    "desks",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("competition_id", ForeignKey("competitions.id"), primary_key=True),
    Column("holder", Uuid),
    _at("held_until", now=True),
    _at("due_at", now=True),
    _at("compared_at"),
    _at("changed_at"),
    _at("settings_at"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("trouble", Text, nullable=False, server_default=""),  # for the server's organizers
)

# What was made for it in Discord: the forum, posts, events. ``place_id`` is the channel, thread or event, and is
# NULL where there is none (any more); ``shown``, ``revision`` and ``words`` are digests of what it shows.
desk_things = Table(
    "desk_things",
    metadata,
    Column("guild_id", BigInteger, primary_key=True),
    Column("competition_id", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),  # domain.desk says which there are
    Column("place_id", BigInteger),
    Column("channel_id", BigInteger),  # where its message is
    Column("message_id", BigInteger),
    Column("shown", Text, nullable=False, server_default=""),
    Column("revision", Text, nullable=False, server_default=""),  # of the standings on a card
    Column("words", Text, nullable=False, server_default=""),  # of a card
    _at("next_at", now=True),  # a card is not edited before
    _at("held_until", now=True),  # its message is written by one alone
    Column("failures", Integer, nullable=False, server_default="0"),  # to edit a card
    _at("ends_at"),  # of an event: after that it is gone by itself
    Column("lost", Integer, nullable=False, server_default="0"),  # times that somebody deleted it
    ForeignKeyConstraint(
        ["guild_id", "competition_id"], ["desks.guild_id", "desks.competition_id"]
    ),
)
Index("ix_desk_things_key", desk_things.c.key)

# What somebody wants to hear of; who has no row wants nothing.
preferences = Table(
    "preferences",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("direct", Boolean, nullable=False, server_default=text("false")),
    Column("finished", Boolean, nullable=False, server_default=text("false")),
    Column("overtaken", Boolean, nullable=False, server_default=text("false")),
    Column("deadlines", Boolean, nullable=False, server_default=text("false")),
    Column("quiet_from", SmallInteger),  # minutes of the day in this zone
    Column("quiet_until", SmallInteger),
    Column("zone", Text, nullable=False, server_default="UTC"),
    Column(
        "locale", Text, nullable=False, server_default="en"
    ),  # of what the bot says, as Discord spells it
)

# Command lines that wait to be let in by somebody who is known elsewhere, by the code that they show. Only
# sha256 of what they ask with is kept.
logins = Table(
    "logins",
    metadata,
    _id(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("code", String(16), nullable=False, unique=True),
    Column("client", Text, nullable=False),
    Column("user_id", ForeignKey("users.id")),  # who let it in
    Column("as_admin", Boolean, nullable=False, server_default=text("false")),  # and as what
    _at("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
Index("ix_logins_expires_at", logins.c.expires_at)

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("actor_id", BigInteger),
    Column("action", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _at("created_at", now=True),
)
Index("ix_audit_log_target", audit_log.c.target, audit_log.c.id)

# What somebody is about to do, until they confirm it.
pending_acts = Table(
    "pending_acts",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("act", String(32), nullable=False),
    Column("detail", JSONB, nullable=False),
    _at("created_at", now=True),
    _at("taken_at"),
    _at("ended_at"),
    Column("outcome", Text),  # what came of it, as it was told
)
Index("ix_pending_acts_created_at", pending_acts.c.created_at)

# GPU-seconds that somebody may use within 24 hours beyond what a competition allows, until then.
grants = Table(
    "grants",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("competition_id", ForeignKey("competitions.id"), nullable=False),
    Column("gpu", Text, nullable=False),
    Column("gpu_s", Float, nullable=False),
    Column("reason", Text, nullable=False),
    _at("created_at", now=True),
    Column("ends_at", DateTime(timezone=True), nullable=False),
)
Index("ix_grants_user_id", grants.c.user_id, grants.c.ends_at)

# GPU kinds that take no submissions for a time.
pauses = Table(
    "pauses",
    metadata,
    Column("gpu", Text, primary_key=True),  # empty: all of them
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("holds", Boolean, nullable=False),  # what waits is not begun either
    _at("since", now=True),
)

# Definition files that an organizer sent, from the plan that was shown until it is applied.
drafts = Table(
    "drafts",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),  # of the file
    Column("content", LargeBinary, nullable=False),
    _at("created_at", now=True),
)
Index("ix_drafts_created_at", drafts.c.created_at)
