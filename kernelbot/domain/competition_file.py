"""Reading a parsed ``competitions/NAME.yaml`` into a :class:`Competition`, or into every flaw it has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kernelbot.domain.budget import EVERY_GPU
from kernelbot.domain.competition import (
    CHANNEL_ID,
    Competition,
    Freeze,
    LeaderboardSpec,
    Phase,
    Prize,
    Registration,
    Visibility,
)
from kernelbot.domain.competition_scoring import (
    CompetitionScoring,
    Missing,
    Rule,
    Share,
    Ties,
    falling,
)
from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.domain.problem import NAME, NAME_WORDS
from kernelbot.domain.target import spellings
from kernelbot.errors import did_you_mean

MAX_TITLE = 100
MAX_RULES = 20_000
MAX_TEXT = 2000
MAX_LEADERBOARDS = 100
MAX_PHASES = 20
MAX_ENTRIES = 50  # of lists that are kept and shown
MAX_PLACES = 1000
MAX_PER_HOUR = 100_000
MAX_GPU_SECONDS = 1e9
MAX_TEAM = 100
MAX_POINTS = 1e9

AT_CLOSE, NEVER = "at_close", "never"

_INHERITED_KEYS = ("gpus", "opens", "closes", "freeze", "code_opens")
_KEYS = (
    "name", "title", "host", "rules", "licence", "visibility", "public_from", *_INHERITED_KEYS,
    "ranked_per_hour", "other_per_hour", "gpu_seconds_per_day", "queue_weight", "channel",
    "registration", "team_size", "scoring",
    "prizes", "verification", "problems", "phases",
)  # fmt: skip
_PHASE_KEYS = ("name", "title", "advance", *_INHERITED_KEYS, "problems")
_LEADERBOARD_KEYS = (
    "problem", "leaderboard", *_INHERITED_KEYS, "points", "weight", "baseline",
)  # fmt: skip
_SCORING_KEYS = ("rule", "share", "places", "count", "missing", "ties")
_PRIZE_KEYS = ("prize", "place", "leaderboard", "note")
_CHANNEL = re.compile(rf"{CHANNEL_ID.pattern}|[^\s#A-Z@:`]{{1,100}}")


@dataclass(frozen=True)
class _Site:
    """What there is to refer to: names of problems, and GPUs as results spell them."""

    problems: Collection[str]
    gpus: Collection[str]


@dataclass(frozen=True)
class _Inherited:
    """What a competition or a phase says for all its leaderboards."""

    opens: datetime | None = None
    closes: datetime | None = None
    gpus: tuple[str, ...] = ()
    freeze: tuple[datetime, datetime | None] | None = None  # without an end: until it closes
    code_opens: datetime | str = NEVER
    phase: str = ""


ANYWHERE = _Inherited(closes=datetime.max.replace(tzinfo=UTC))
"""What entries are read with that have no phase yet: nothing that they inherit speaks against them."""


def read_competition(
    document: Node,
    *,
    place: str,
    problems: Collection[str],
    gpus: Collection[str],
    reader: Reader | None = None,
) -> Competition:
    """The competition a parsed file defines.

    ``place`` is the file as messages show it, ``problems`` the names that exist, ``gpus`` the
    targets that are known, in the spelling results use (a mapping to targets knows their aliases too); a ``reader`` may be given that notes what it
    is asked for. Raises DefinitionErrors with every flaw.
    """
    reader = reader or Reader(place)
    site = _Site(problems, gpus)
    top = reader.section(document, "", _KEYS)
    name = top.required("name", "Add 'name: my-competition'")
    inherited = _inherited(top, site, _Inherited())
    scoring = _scoring(top)
    phases, boards = _phases(top, site, inherited, scoring)
    if not phases:
        _demand_frozen(top, inherited, boards)
    visibility = _visibility(top)
    competition = Competition(
        name=(name and reader.slug(name, "name", NAME, NAME_WORDS)) or "",
        title=top.required_text("title", limit=MAX_TITLE, remedy="Add 'title: ...'"),
        licence=top.required_text(
            "licence", limit=MAX_TEXT, remedy="Say under which licence submissions are published"
        ),
        host=top.text("host", limit=MAX_TITLE),
        rules=top.text("rules", limit=MAX_RULES),
        visibility=visibility,
        public_from=_public_from(top, visibility),
        opens=inherited.opens,
        closes=inherited.closes,
        gpus=inherited.gpus,
        ranked_per_hour=_whole(top, "ranked_per_hour", 1, MAX_PER_HOUR),
        other_per_hour=_whole(top, "other_per_hour", 1, MAX_PER_HOUR),
        gpu_seconds_per_day=_gpu_seconds(top, site.gpus),
        queue_weight=_queue_weight(top),
        channel=_channel(top),
        registration=_registration(top),
        team_size=_whole(top, "team_size", 1, MAX_TEAM) or 1,
        phases=phases,
        scoring=scoring,
        prizes=_prizes(top, [board.name for board in boards], scoring),
        verification=_texts(top, "verification", "steps"),
        leaderboards=boards,
    )
    reader.finish()
    return competition


# --- times, GPUs, visibility ---------------------------------------------------------------------


def _inherited(section: Section, site: _Site, base: _Inherited) -> _Inherited:
    """``base`` with what the section says itself."""
    opens, closes = _window(section, base.opens, base.closes)
    return replace(
        base,
        opens=opens,
        closes=closes,
        gpus=_gpus(section, site.gpus, base.gpus),
        freeze=_freeze(section, base.freeze),
        code_opens=_code_opens(section, base.code_opens),
    )


def _window(
    section: Section, opens: datetime | None, closes: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """The section's own times, else those given. An explicit null means no bound."""
    if node := section.get("opens"):
        opens = None if node.value is None else section.reader.moment(node, section.at("opens"))
    if node := section.get("closes"):
        closes = None if node.value is None else section.reader.moment(node, section.at("closes"))
    if opens and closes and closes <= opens:
        line = node.line if node else section.line
        reason = f"closes at {closes.isoformat()}, not after it opens at {opens.isoformat()}"
        section.reader.flaw(line, section.at("closes"), reason, "Swap or correct the two")
    return opens, closes


def _gpus(section: Section, known: Collection[str], inherited: tuple[str, ...]) -> tuple[str, ...]:
    node = section.get("gpus")
    if node is None:
        return inherited
    path, names = section.at("gpus"), spellings(known)
    read: list[str] = []
    for at, item in enumerate(section.reader.items(node, path, limit=100, what="GPUs")):
        if isinstance(item.value, str) and item.value.strip().lower() in names:
            item = replace(item, value=names[item.value.strip().lower()])
        gpu = section.reader.name(item, f"{path}[{at}]", known)
        if gpu in read:
            section.reader.flaw(
                item.line, f"{path}[{at}]", f"{gpu!r} is listed twice", "Remove one"
            )
        elif gpu:
            read.append(gpu)
    return tuple(read)


def _freeze(
    section: Section, inherited: tuple[datetime, datetime | None] | None
) -> tuple[datetime, datetime | None] | None:
    """An explicit null means none."""
    node = section.get("freeze")
    if node is None:
        return inherited
    if node.value is None:
        return None
    reader, path = section.reader, section.at("freeze")
    inner = reader.section(node, path, ("from", "until"))
    if inner.required("from", "Add 'from: ' and when others' results stop being shown") is None:
        return None
    begins, ends = inner.moment("from"), inner.moment("until")
    if begins and ends and ends <= begins:
        reason = f"ends at {ends.isoformat()}, not after it begins at {begins.isoformat()}"
        reader.flaw(node.line, path, reason, "Swap or correct the two")
    return (begins, ends) if begins else None


def _code_opens(section: Section, inherited: datetime | str) -> datetime | str:
    node = section.get("code_opens")
    if node is None:
        return inherited
    is_word = isinstance(node.value, str) and node.value[:1].isalpha()
    read: datetime | str | None
    if is_word:
        read = section.reader.choice(node, section.at("code_opens"), (AT_CLOSE, NEVER))
    else:
        read = section.reader.moment(node, section.at("code_opens"))
    return read or NEVER


def _visibility(top: Section) -> Visibility:
    word = _choice(top, "visibility", [item.value for item in Visibility])
    return Visibility(word) if word else Visibility.PUBLIC


def _public_from(top: Section, visibility: Visibility) -> datetime | None:
    node = top.get("public_from")
    if node is not None and visibility is Visibility.PUBLIC:
        reason = "is given for what is public already"
        top.reader.flaw(node.line, "public_from", reason, "Add 'visibility: private', or remove it")
    return top.moment("public_from")


def _registration(top: Section) -> Registration | None:
    node = top.get("registration")
    if node is None:
        return None
    section = top.reader.section(node, "registration", ("opens", "closes", "eligibility"))
    opens, closes = _window(section, None, None)
    eligibility = section.text("eligibility", limit=MAX_TEXT)
    return Registration(opens=opens, closes=closes, eligibility=eligibility)


def _gpu_seconds(top: Section, known: Collection[str]) -> dict[str, float]:
    """By GPU; one number is for each of them."""
    path = "gpu_seconds_per_day"
    node = top.get(path)
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        seconds = top.reader.number(node, path, low=0.0, high=MAX_GPU_SECONDS, above_low=True)
        return {EVERY_GPU: seconds} if seconds else {}
    names, read = spellings(known), {}
    for gpu, item in node.value.items():
        name = names.get(gpu.lower(), gpu)
        if name != EVERY_GPU and name not in known:
            reason, remedy = f"{shorten(gpu)!r} is unknown", did_you_mean(shorten(gpu), known)
            top.reader.flaw(item.line, path, reason, remedy.strip() or "Use the name of a target")
            continue
        if name in read:
            top.reader.flaw(item.line, path, f"{name!r} is given twice", "Keep one of them")
        at = f"{path}.{shorten(gpu)}"
        seconds = top.reader.number(item, at, low=0.0, high=MAX_GPU_SECONDS, above_low=True)
        if seconds:
            read[name] = seconds
    return read


def _queue_weight(top: Section) -> float:
    node = top.get("queue_weight")
    if node is None:
        return 1.0
    weight = top.reader.number(node, "queue_weight", low=0.01, high=100.0)
    return 1.0 if weight is None else weight


# --- phases and leaderboards ---------------------------------------------------------------------


def _phases(
    top: Section, site: _Site, inherited: _Inherited, scoring: CompetitionScoring | None
) -> tuple[tuple[Phase, ...], tuple[LeaderboardSpec, ...]]:
    node = top.get("phases")
    if node is None:
        return (), _leaderboards(top, site, inherited, scoring, ())
    if other := top.get("problems"):
        reason = "is given beside phases, which have problems of their own"
        top.reader.flaw(other.line, "problems", reason, "Move them into a phase")
        if isinstance(other.value, list) and other.value:
            # For what is wrong with them wherever they stand; a phase may say GPUs and times.
            _leaderboards(top, site, ANYWHERE, scoring, (), placed=False)
    phases: list[Phase] = []
    boards: tuple[LeaderboardSpec, ...] = ()
    before: tuple[Section, datetime | None] | None = None
    items = top.reader.items(node, "phases", limit=MAX_PHASES, what="phases")
    for at, item in enumerate(items):
        section = top.reader.section(item, f"phases[{at}]", _PHASE_KEYS)
        phase = _phase(section, [other.name for other in phases], last=at == len(items) - 1)
        own = replace(_inherited(section, site, inherited), phase=phase.name)
        if before is not None:
            _demand_order(section, own, *before)
        before = section, own.closes
        posed = _leaderboards(section, site, own, scoring, boards)
        _demand_frozen(section, own, posed)
        boards += posed
        phases.append(phase)
    return tuple(phases), boards


def _demand_order(
    section: Section, own: _Inherited, before: Section, ended: datetime | None
) -> None:
    """Whoever goes on to a phase is known when it opens: the one before it is over then."""
    if _unread(before, "closes", ended) or _unread(section, "opens", own.opens):
        return
    if ended is None:
        reason = "the phase before it never closes"
        remedy = "Add 'closes:' to that one: phases come one after the other"
    elif own.opens is None:
        reason = "is open from the start, and the phase before it comes first"
        remedy = "Add 'opens:', a time when that one is closed"
    elif own.opens < ended:
        reason = f"opens before the phase before it closes at {ended.isoformat()}"
        remedy = "Let one begin after the other"
    else:
        return
    section.reader.flaw(section.line, section.path, reason, remedy)


def _unread(section: Section, key: str, moment: datetime | None) -> bool:
    """Whether a time is given that cannot be read: that is said already, and once."""
    node = section.get(key)
    return section.broken or (moment is None and node is not None and node.value is not None)


def _phase(section: Section, before: Collection[str], *, last: bool) -> Phase:
    reader = section.reader
    node = section.required("name", "Add 'name: qualifier'")
    name = (node and reader.slug(node, section.at("name"), NAME, NAME_WORDS)) or ""
    if node and name and name in before:
        reason = f"there is a phase {name!r} already"
        reader.flaw(node.line, section.at("name"), reason, "Rename one of them")
    advance = _whole(section, "advance", 1, 1_000_000)
    if last and (said := section.get("advance")) is not None:
        reader.flaw(said.line, section.at("advance"), "there is no phase after this", "Remove it")
    return Phase(name=name, title=section.text("title", limit=MAX_TITLE), advance=advance)


def _leaderboards(
    section: Section,
    site: _Site,
    inherited: _Inherited,
    scoring: CompetitionScoring | None,
    before: tuple[LeaderboardSpec, ...],
    *,
    placed: bool = True,
) -> tuple[LeaderboardSpec, ...]:
    """``before`` are those of earlier phases; unless ``placed``, nobody is to say yet on which GPUs."""
    remedy = "Add 'problems:' with one line '- {problem: vectoradd}' each"
    node = section.required("problems", remedy)
    if node is None:
        return ()
    boards: list[LeaderboardSpec] = []
    path = section.at("problems")
    items = section.reader.items(node, path, limit=MAX_LEADERBOARDS, what="problems")
    for at, item in enumerate(items):
        inner = section.reader.section(item, f"{path}[{at}]", _LEADERBOARD_KEYS)
        board = _leaderboard(inner, site, inherited, scoring)
        _check_name(inner, board, [other.name for other in (*before, *boards)])
        # The names that were given: a misspelt one is said already, and once.
        named = not placed or inner.broken or board.gpus or inner.get("gpus")
        if not (named or _gives(section, "gpus")):
            said = "Add 'gpus: [...]' here or for the whole competition"
            section.reader.flaw(inner.line, inner.path, "names no GPU", said)
        boards.append(board)
    return tuple(boards)


def _gives(section: Section, key: str) -> bool:
    return section.get(key) is not None


def _leaderboard(
    section: Section, site: _Site, inherited: _Inherited, scoring: CompetitionScoring | None
) -> LeaderboardSpec:
    own = _inherited(section, site, inherited)
    problem = _problem(section, site.problems)
    freeze = _frozen(section, own)
    return LeaderboardSpec(
        name=_leaderboard_name(section, problem),
        problem=problem,
        gpus=own.gpus,
        opens=own.opens,
        closes=own.closes,
        freeze=freeze,
        code_opens=_opening(section, own, freeze),
        phase=own.phase,
        points=_points(section, scoring),
        weight=_weight(section, scoring),
        baseline=_baseline(section, own.gpus, spellings(site.gpus), scoring),
    )


def _frozen(section: Section, own: _Inherited) -> Freeze | None:
    """The freeze of one leaderboard; what it inherited is none where it closes before."""
    if own.freeze is None:
        return None
    begins, ends = own.freeze[0], own.freeze[1] or own.closes
    if ends is None:
        reason = "is frozen without an end"
        remedy = "Add 'until:' to the freeze, or 'closes:' to the leaderboard"
        section.reader.flaw(section.line, section.path, reason, remedy)
        return None
    if ends <= begins:
        if (node := section.get("freeze")) is not None:
            reason = f"begins at {begins.isoformat()}, when the leaderboard is closed"
            section.reader.flaw(node.line, section.at("freeze"), reason, "Let it begin before")
        return None
    return Freeze(begins=begins, ends=ends)


def _demand_frozen(section: Section, own: _Inherited, boards: Sequence[LeaderboardSpec]) -> None:
    """A freeze of the whole that begins when every leaderboard is closed was meant for another time."""
    node = section.get("freeze")
    if node is None or own.freeze is None or not boards:
        return
    begins = own.freeze[0]
    if all(board.closes is not None and board.closes <= begins for board in boards):
        reason = f"begins at {begins.isoformat()}, when every leaderboard is closed"
        section.reader.flaw(node.line, section.at("freeze"), reason, "Let it begin before")


def _opening(section: Section, own: _Inherited, freeze: Freeze | None) -> datetime | None:
    node = section.get("code_opens")
    line = node.line if node else section.line
    at = own.code_opens
    if at == AT_CLOSE and own.closes is None:
        reason = "code opens when this closes, and it never does"
        section.reader.flaw(line, section.path, reason, "Add 'closes:', or a time to 'code_opens:'")
        return None
    opens = own.closes if at == AT_CLOSE else at if isinstance(at, datetime) else None
    if opens and freeze and opens < freeze.ends:
        reason = f"code opens at {opens.isoformat()}, while standings are frozen"
        remedy = f"Open it from {freeze.ends.isoformat()} on, or end the freeze before"
        section.reader.flaw(line, section.path, reason, remedy)
    return opens


def _problem(section: Section, problems: Collection[str]) -> str:
    node = section.required("problem", "Add 'problem: ' and the name of a folder in problems/")
    name = (node and section.reader.text(node, section.at("problem"), limit=200)) or ""
    if node and name and name not in problems:
        hint = did_you_mean(shorten(name), problems).strip()
        remedy = hint or f"Add the folder problems/{shorten(name)} or fix the name"
        reason = f"there is no problem {shorten(name)!r}"
        section.reader.flaw(node.line, section.at("problem"), reason, remedy)
    return name


def _leaderboard_name(section: Section, problem: str) -> str:
    node = section.get("leaderboard")
    if node is None:
        return problem
    return section.reader.slug(node, section.at("leaderboard"), NAME, NAME_WORDS) or ""


def _check_name(section: Section, board: LeaderboardSpec, before: Collection[str]) -> None:
    if board.name and board.name in before:
        reason = f"a leaderboard {board.name!r} is already in this competition"
        remedy = "Give one of them a name of its own with 'leaderboard: ...'"
        section.reader.flaw(section.line, section.path, reason, remedy)


# --- scoring -------------------------------------------------------------------------------------


def _scoring(top: Section) -> CompetitionScoring | None:
    node = top.get("scoring")
    if node is None:
        return None
    section = top.reader.section(node, "scoring", _SCORING_KEYS)
    words = {
        key: _choice(section, key, [item.value for item in kind])
        for key, kind in (("rule", Rule), ("share", Share), ("missing", Missing), ("ties", Ties))
    }
    section.required("rule", f"Add 'rule: ' and one of {', '.join(Rule)}")
    default = CompetitionScoring()
    share = Share(words["share"] or default.share)
    return CompetitionScoring(
        rule=Rule(words["rule"] or default.rule),
        share=share,
        places=_places(section, share, default.places),
        count=_whole(section, "count", 1, MAX_LEADERBOARDS),
        missing=Missing(words["missing"] or default.missing),
        ties=Ties(words["ties"] or default.ties),
    )


def _places(section: Section, share: Share, default: tuple[float, ...]) -> tuple[float, ...]:
    """``10``: falling evenly over ten places; ``[1, 0.6, 0.2]``: these."""
    node = section.get("places")
    if node is None:
        return default
    reader, path = section.reader, section.at("places")
    if share is not Share.PLACE:
        reason = f"is given, and the share is of {share.value}"
        reader.flaw(node.line, path, reason, "Remove it, or write 'share: place'")
    if not isinstance(node.value, list):
        return falling(reader.whole(node, path, low=1, high=MAX_PLACES) or 1)
    items = reader.items(node, path, limit=MAX_PLACES, what="shares")
    read = [
        reader.number(item, f"{path}[{at}]", low=0.0, high=1.0) for at, item in enumerate(items)
    ]
    shares = [item for item in read if item is not None]
    if shares != sorted(shares, reverse=True):
        reader.flaw(node.line, path, "rise somewhere", "A later place has no more than an earlier")
    return tuple(shares)


def _points(section: Section, scoring: CompetitionScoring | None) -> float:
    node = section.get("points")
    summed = scoring is not None and scoring.rule is Rule.POINTS
    if node is None:
        if summed and not section.broken:
            reason = "names no points, and the competition sums them"
            section.reader.flaw(section.line, section.path, reason, "Add 'points: 1000', or 0")
        return 0.0
    if not summed:
        reason = "are given, and the competition sums none"
        section.reader.flaw(
            node.line, section.at("points"), reason, "Add 'scoring: {rule: points}'"
        )
    return section.reader.number(node, section.at("points"), low=0.0, high=MAX_POINTS) or 0.0


def _weight(section: Section, scoring: CompetitionScoring | None) -> float:
    node = section.get("weight")
    if node is None:
        return 1.0
    path = section.at("weight")
    if scoring is not None and scoring.rule is Rule.POINTS:
        reason = "is given, and the competition sums points"
        section.reader.flaw(
            node.line, path, reason, "Remove it; points say what a problem is worth"
        )
    weight = section.reader.number(node, path, low=0.0, high=1e6, above_low=True)
    return 1.0 if weight is None else weight


def _baseline(
    section: Section,
    gpus: tuple[str, ...],
    names: Mapping[str, str],
    scoring: CompetitionScoring | None,
) -> Mapping[str, float]:
    """Seconds on each GPU; one number is for all of them."""
    reader, path = section.reader, section.at("baseline")
    node = section.get("baseline")
    read: dict[str, float] = {}
    if node is not None and not isinstance(node.value, dict):
        seconds = reader.number(node, path, low=0.0, high=1e6, above_low=True)
        return dict.fromkeys(gpus, seconds) if seconds else {}
    for gpu, item in node.value.items() if node and isinstance(node.value, dict) else ():
        meant = names.get(gpu.lower(), gpu).lower()
        name = next((known for known in gpus if known.lower() == meant), None)
        if name is None:
            reason, remedy = f"{shorten(gpu)!r} is unknown", f"Use one of: {', '.join(gpus)}"
            reader.flaw(item.line, path, reason, remedy)
        elif name in read:
            reader.flaw(item.line, path, f"{name!r} is given twice", "Keep one of them")
        seconds = reader.number(item, f"{path}.{shorten(gpu)}", low=0.0, high=1e6, above_low=True)
        if name and seconds:
            read[name] = seconds
    needed = scoring is not None and (
        scoring.share is Share.BASELINE or scoring.missing is Missing.BASELINE
    )
    missing = [gpu for gpu in gpus if gpu not in read]
    if needed and missing and not section.broken:
        reason = f"has no baseline on {', '.join(missing)}, and the scoring asks for one"
        remedy = f"Add 'baseline: {{{missing[0]}: 0.0012}}' in seconds"
        reader.flaw(section.line, section.path, reason, remedy)
    return read


# --- what is kept and shown ----------------------------------------------------------------------


def _prizes(
    top: Section, boards: Collection[str], scoring: CompetitionScoring | None
) -> tuple[Prize, ...]:
    node = top.get("prizes")
    if node is None:
        return ()
    items = top.reader.items(node, "prizes", limit=MAX_ENTRIES, what="prizes")
    return tuple(
        _prize(top, item, f"prizes[{at}]", boards, scoring) for at, item in enumerate(items)
    )


def _prize(
    top: Section, node: Node, path: str, boards: Collection[str], scoring: CompetitionScoring | None
) -> Prize:
    section = top.reader.section(node, path, _PRIZE_KEYS)
    named = section.get("leaderboard")
    board = named and section.reader.name(named, section.at("leaderboard"), boards)
    if named is None and scoring is None and not section.broken:
        reason = "is for the standings of the competition, which has none"
        top.reader.flaw(node.line, path, reason, "Add 'scoring:', or name a 'leaderboard:'")
    return Prize(
        prize=section.required_text("prize", limit=MAX_TITLE, remedy="Add 'prize: ...'"),
        place=_whole(section, "place", 1, MAX_PLACES) or 1,
        leaderboard=board or "",
        note=section.text("note", limit=MAX_TEXT),
    )


def _texts(top: Section, key: str, what: str) -> tuple[str, ...]:
    node = top.get(key)
    if node is None:
        return ()
    items = top.reader.items(node, key, limit=MAX_ENTRIES, what=what)
    read = [top.reader.text(item, f"{key}[{at}]", limit=MAX_TEXT) for at, item in enumerate(items)]
    return tuple(text for text in read if text)


def _choice(section: Section, key: str, options: Collection[str]) -> str | None:
    node = section.get(key)
    return section.reader.choice(node, section.at(key), options) if node else None


def _whole(section: Section, key: str, low: int, high: int) -> int | None:
    node = section.get(key)
    return section.reader.whole(node, section.at(key), low=low, high=high) if node else None


def _channel(top: Section) -> str | None:
    node = top.get("channel")
    if node is None:
        return None
    if node.value is None:
        remedy = "Put a name that begins with # in quotes, or write it without the #"
        top.reader.flaw(node.line, "channel", "is empty", remedy)
        return None
    is_id = isinstance(node.value, int) and not isinstance(node.value, bool)
    if is_id:
        node = Node(value=node.text, line=node.line, text=node.text)
    text = top.reader.text(node, "channel", limit=101)
    channel = text.removeprefix("#") if text else None
    if channel and not _CHANNEL.fullmatch(channel):
        reason = f"{shorten(channel)!r} is neither a channel's name nor its id"
        remedy = "Write the name in lower case without blanks, or the number from 'Copy Channel ID'"
        top.reader.flaw(node.line, "channel", reason, remedy)
    return channel
