"""Machines that ask for work over HTTPS: who they are, what they proved, who lets them in."""

from __future__ import annotations

import asyncio
import io
import re
import secrets
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from kernelbot.config import ROOT
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.target import Target, spellings
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn, did_you_mean
from kernelbot.judge import shipping
from kernelbot.judge.protocol import judge_digest
from kernelbot.services import canaries, joining
from kernelbot.services.canaries import Offered
from kernelbot.services.context import Context
from kernelbot.services.identity import HINT_CHARACTERS, MAX_TOKEN_CHARACTERS, digest
from kernelbot.storage import devices, fleet, people
from kernelbot.storage import runners as store
from kernelbot.storage.runners import Known

PREFIX = "kbr_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_SLOTS = 64
MOST_DEVICES = 256
"""Of one machine, with those that it had before."""
FENCED = ("bubblewrap", "user")
HOW_TO_JOIN = (
    "An administrator makes one with `kernelbot admin runner create NAME --targets GPU,...`."
)

Runner = Known


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One of a machine's devices, as its self-test found it."""

    id: str  # stays the same over restarts: the device's UUID
    kind: str  # "cpu" | "cuda" | "hip"
    name: str
    memory_bytes: int = 0
    sm_count: int = 0
    capability: str = ""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What a machine's self-test proved."""

    host: str
    tree: str  # digest of the agent's own files
    judge_digest: str
    isolation: str  # the fence that stands there
    slots: Mapping[str, int]  # {target: runs at once}
    units: Sequence[Unit]
    python: str = ""
    torch: str = ""
    triton: str = ""
    driver: str = ""


@dataclass(frozen=True, kw_only=True)
class RunnerView:
    """A machine, for those who run the server."""

    id: int
    name: str
    targets: tuple[str, ...]
    trusted: bool
    state: str  # "new" | "ready" | "drained" | "troubled" | "silent" | "revoked"
    trouble: str
    running: int
    judged: int
    slots: Mapping[str, int]
    host: str
    isolation: str
    judge_digest: str
    torch: str
    driver: str
    devices: tuple[Mapping[str, Any], ...]
    created_at: datetime
    announced_at: datetime | None
    last_seen_at: datetime | None
    revoked_at: datetime | None
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class NewRunnerView:
    """A machine that was just let in; the secret is in this answer and nowhere else."""

    name: str
    targets: tuple[str, ...]
    trusted: bool
    secret: str = field(repr=False)
    command: str = field(repr=False)


# --- for administrators --------------------------------------------------------------------------


async def create(
    ctx: Context, admin: Actor, name: str, targets: Sequence[str], *, trusted: bool
) -> NewRunnerView:
    """Let a machine in, for these GPU kinds. Raises InvalidInput, and Conflict where a live one has the name."""
    admin.needs(Scope.ADMIN)
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"A runner's name is 1 to 64 letters, digits, '_', '.' and '-', not {name[:40]!r}.",
            code="bad_runner_name",
        )
    wanted = _targets(ctx, targets)
    secret = PREFIX + secrets.token_urlsafe(32)
    async with ctx.database.transaction() as connection:
        row = await store.add(
            connection,
            name=name,
            digest=digest(secret),
            hint=secret[:HINT_CHARACTERS],
            targets=list(wanted),
            trusted=trusted,
            created_by=admin.user_id,
        )
        if row is None:
            raise Conflict(
                f"There is a runner {name} already: revoke it first, or choose another name.",
                code="runner_exists",
            )
        await people.record(
            connection, admin.user_id, "runner.create", f"runner:{row.id}",
            name=name, targets=", ".join(wanted), trusted=trusted,
        )  # fmt: skip
    return NewRunnerView(
        name=name,
        targets=wanted,
        trusted=trusted,
        secret=secret,
        command=joining.lines(ctx.settings.url, secret, [ctx.targets[gpu] for gpu in wanted]),
    )


async def archive(ctx: Context) -> bytes:
    """What agents run as an archive of the folder ``program``, to begin with; made once a process."""
    if "agent program" not in ctx.cache:
        files = (await _shipped(ctx)).files
        ctx.cache["agent program"] = await asyncio.to_thread(_archive, files)
    return bytes(ctx.cache["agent program"])


def _archive(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"program/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def _targets(ctx: Context, names: Sequence[str]) -> tuple[str, ...]:
    known = spellings(ctx.targets)
    found = []
    for name in names:
        if name.lower() not in known:
            raise InvalidInput(
                f"There is no GPU kind {name[:40]!r}; runners/targets.yaml has: "
                f"{', '.join(ctx.targets)}.{did_you_mean(name, ctx.targets)}",
                code="unknown_gpu",
            )
        found.append(known[name.lower()])
    if not found:
        raise InvalidInput("Name at least one GPU kind.", code="unknown_gpu")
    return tuple(dict.fromkeys(found))


async def listed(ctx: Context, admin: Actor, *, revoked: bool = False) -> tuple[RunnerView, ...]:
    """Every machine that was let in; with ``revoked`` those too that were shut out again."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await store.every(connection, revoked=revoked)
    return tuple(_view(ctx, row) for row in rows)


async def revoke(ctx: Context, admin: Actor, name: str) -> None:
    """Its token opens nothing any more; what it holds is given to another once it is silent."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        row = await _named(connection, name)
        await store.revoke(connection, row.id)
        if row.session is not None:
            await fleet.leave(connection, row.session)
        await people.record(
            connection, admin.user_id, "runner.revoke", f"runner:{row.id}", name=row.name
        )


async def drain(ctx: Context, admin: Actor, name: str, *, drained: bool) -> None:
    """Let it end what it has and take nothing more, or take work again. Written down where it changes anything."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        row = await _named(connection, name)
        if await store.drain(connection, row.id, drained=drained):
            what = "runner.drain" if drained else "runner.resume"
            await people.record(connection, admin.user_id, what, f"runner:{row.id}", name=row.name)


async def trust(ctx: Context, admin: Actor, name: str, *, trusted: bool) -> None:
    """Vouch for a machine, or no more: a place on a podium that it measures is announced without another's
    word only where somebody does."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        row = await _named(connection, name)
        await store.trust(connection, row.id, trusted=trusted)
        what = "runner.trust" if trusted else "runner.distrust"
        await people.record(connection, admin.user_id, what, f"runner:{row.id}", name=row.name)


async def _named(connection: Any, name: str) -> Row[Any]:
    row = await store.by_name(connection, name)
    if row is None:
        raise NotFound(
            f"There is no runner {name[:64]!r}; the list of runners shows those there are.",
            code="unknown_runner",
        )
    return row


def _view(ctx: Context, row: Row[Any]) -> RunnerView:
    said = row.announcement
    return RunnerView(
        id=row.id,
        name=row.name,
        targets=tuple(row.targets),
        trusted=row.trusted,
        state=_state(ctx, row),
        trouble=row.trouble,
        running=row.running,
        judged=row.judged,
        slots=said.get("slots", {}),
        host=said.get("host", ""),
        isolation=said.get("isolation", ""),
        judge_digest=said.get("judge_digest", ""),
        torch=said.get("torch", ""),
        driver=said.get("driver", ""),
        devices=tuple(said.get("units", ())),
        created_at=row.created_at,
        announced_at=row.announced_at,
        last_seen_at=row.last_seen_at,
        revoked_at=row.revoked_at,
        hint=row.hint,
    )


def _state(ctx: Context, row: Row[Any]) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.announced_at is None:
        return "new"
    if row.session is None or row.silent_s > ctx.alive_s:
        return "silent"
    if row.drained:
        return "drained"
    return "troubled" if row.trouble else "ready"


# --- for the machines themselves -----------------------------------------------------------------


async def authenticate(ctx: Context, secret: str) -> Runner:
    """The machine that a token stands for. Raises NotSignedIn, saying what is wrong with it."""
    known = None
    if secret.isascii() and 0 < len(secret) <= MAX_TOKEN_CHARACTERS:
        known = await store.by_token(ctx.database, digest(secret))
    if known is None:
        raise NotSignedIn(
            f"This is not a runner's token of ours. {HOW_TO_JOIN}", code="unknown_token"
        )
    if known.revoked_at is not None:
        raise revoked()
    await _shipped(ctx)
    return known


def revoked() -> NotSignedIn:
    return NotSignedIn(f"This runner's token was revoked. {HOW_TO_JOIN}", code="revoked_token")


@dataclass(frozen=True)
class _Shipped:
    """What this process has beside it for agents to run, read once."""

    files: Mapping[str, bytes]
    digest: str
    packed: bytes
    judge: str  # the digest of the judge in it


def _read_shipped() -> _Shipped:
    files = shipping.files_of(ROOT)
    return _Shipped(files, shipping.digest(files), shipping.pack(files), judge_digest())


async def _shipped(ctx: Context) -> _Shipped:
    """Read beside everything else: a thousand files."""
    found: _Shipped | None = ctx.cache.get("agent tree")
    if found is None:
        found = ctx.cache["agent tree"] = await asyncio.to_thread(_read_shipped)
    return found


def _known_shipped(ctx: Context) -> _Shipped:
    """The same, where nobody may wait: whoever is let in has had it read."""
    if "agent tree" not in ctx.cache:
        ctx.cache["agent tree"] = _read_shipped()
    found: _Shipped = ctx.cache["agent tree"]
    return found


def tree(ctx: Context) -> tuple[str, bytes]:
    """What agents are to run, by its digest."""
    found = _known_shipped(ctx)
    return found.digest, found.packed


def own_judge(ctx: Context) -> str:
    """The digest of the judge that belongs to :func:`tree`."""
    return _known_shipped(ctx).judge


def terms(ctx: Context, runner: Runner) -> dict[str, Any]:
    """What a machine has to know before it announces itself. Durations in seconds, by no clock but its own."""
    return {
        "name": runner.name,
        "tree": tree(ctx)[0],
        "judge_digest": own_judge(ctx),
        "isolation": ctx.settings.demanded_isolation,
        "heartbeat_s": ctx.settings.heartbeat_s,
        "lease_s": ctx.settings.lease_s,
        "targets": [
            {"name": name, "device": target.device, "match": target.match, "gpus": target.gpus}
            for name in runner.targets
            if (target := ctx.targets.get(name)) is not None
        ],
    }


async def announce(ctx: Context, runner: Runner, said: Announcement) -> uuid.UUID:
    """Its latest process is this one; the process's name for all it says later.

    Raises Conflict for another version of the judge, a device that is not what a target says, or a fence that
    is too weak, and Forbidden for targets that its token is not for.
    """
    demand_version(ctx, said.tree)
    if said.judge_digest != own_judge(ctx):
        raise stale()
    if not accepted(ctx.settings.demanded_isolation, said.isolation):
        raise Conflict(
            f"The fence that stands there is {said.isolation[:40]!r}; this server demands "
            f"{ctx.settings.demanded_isolation!r}. docs/adding-a-gpu.md tells what it takes.",
            code="weak_fence",
        )
    if len({unit.id for unit in said.units}) < len(said.units):
        raise InvalidInput("Two devices have the same id.", code="bad_announcement")
    for name, slots in said.slots.items():
        _demand_devices(ctx, runner, name, slots, said.units)
    session = uuid.uuid4()
    document = {
        **{key: value for key, value in vars(said).items() if key not in ("units", "slots")},
        "slots": dict(said.slots),
        "units": [dict(vars(unit)) for unit in said.units],
    }
    async with ctx.database.transaction() as connection:
        # Machine first, worker then, as whoever claims for it.
        if not await store.announce(connection, runner.id, session, document):
            raise revoked()
        if runner.session is not None:
            await fleet.leave(connection, runner.session)
        offered = [
            Offered(id=unit.id, kind=unit.kind, name=unit.name, gpus=_alone(ctx, said.slots, unit))
            for unit in said.units
        ]
        await canaries.put(connection, runner.id, said.host, offered)
        if await devices.count(connection, runner.id) > MOST_DEVICES:
            raise Conflict(
                f"This machine has announced more than {MOST_DEVICES} devices by now; those that are not there any more "
                f"are forgotten after {canaries.GONE_DAYS} days. A new token begins anew.",
                code="too_many_devices",
            )
        # Only then a claim finds the worker, and the worker the machine.
        await fleet.register(
            connection, session, runner.name, said.slots, document, said.judge_digest
        )
    return session


def _alone(ctx: Context, slots: Mapping[str, int], unit: Unit) -> list[str]:
    """The targets for which a device judges by itself; where there are none, those for which it judges together
    with others: its canaries are for them."""
    fitting = [name for name in slots if fits(ctx.targets[name], unit.kind, unit.name)]
    return [name for name in fitting if ctx.targets[name].gpus == 1] or fitting


def demand_version(ctx: Context, its_tree: str | None) -> None:
    """Raise Conflict unless a machine runs what this server has."""
    if its_tree != tree(ctx)[0]:
        raise stale()


def stale() -> Conflict:
    return Conflict(
        "The agent has another version of the judge than this server: fetch it, and announce again.",
        code="stale_judge",
    )


def accepted(demanded: str, isolation: str) -> bool:
    """Whether a fence is of the kind that this server demands."""
    if demanded == "fenced":
        return isolation in FENCED
    return isolation == demanded if demanded else isolation in (*FENCED, "processes")


def _demand_devices(
    ctx: Context, runner: Runner, name: str, slots: int, units: Sequence[Unit]
) -> None:
    target = ctx.targets.get(name)
    if name not in runner.targets or target is None:
        raise Forbidden(f"This runner's token is not for {name[:40]!r}.", code="foreign_target")
    fitting = sum(fits(target, unit.kind, unit.name) for unit in units)
    if slots > MOST_SLOTS or (target.device != "cpu" and slots * target.gpus > fitting):
        raise Conflict(
            f"{slots} runs at once on {name} need {slots * target.gpus} devices of that kind; "
            f"of those announced {fitting} are.",
            code="wrong_device",
        )
    if target.device == "cpu" and not fitting:
        raise Conflict(f"No announced processor is a {name}.", code="wrong_device")


def fits(target: Target, kind: str, name: str) -> bool:
    """Whether a device is what a target says."""
    return (kind == "cpu") == (target.device == "cpu") and target.fits(name)
