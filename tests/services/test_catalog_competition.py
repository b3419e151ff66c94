"""Competition files and whole trees: what is accepted, and what mistakes are answered with."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from kernelbot.domain.competition import Competition, Freeze, Registration, Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring, Missing, Ties
from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.domain.target import Target
from kernelbot.services.catalog import load_catalog, load_competition, load_one, tree_in
from tests.services.mistakes import assert_told

GPUS = ["CPU", "H100", "MI300X"]
PROBLEMS = {"vectoradd": None, "matmul": None}

SPEC = """\
name: spring
title: Spring sprint
host: The GPU club
rules: |
  Be kind.
licence: Apache-2.0
visibility: invite
opens: 2026-03-01T00:00:00Z
closes: 2026-04-01T00:00:00+02:00
gpus: [cpu, h100]
ranked_per_hour: 5
other_per_hour: 60
channel: gpu-club
problems:
  - {problem: vectoradd}
  - {problem: matmul, leaderboard: matmul-fast, gpus: [mi300x], closes: 2026-03-15T12:00:00Z, weight: 2.5}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spring.yaml"
    path.write_text(SPEC)
    return path


def load(file: Path) -> Competition:
    return load_competition(file, PROBLEMS, GPUS, shown="spring.yaml")


def flaws(file: Path) -> tuple[Flaw, ...]:
    with pytest.raises(DefinitionErrors) as refused:
        load(file)
    return refused.value.flaws


def edited(file: Path, old: str, new: str) -> None:
    assert old in SPEC
    file.write_text(SPEC.replace(old, new, 1))


def test_a_file_becomes_a_competition(file: Path) -> None:
    competition = load(file)

    assert (competition.name, competition.host, competition.rules) == (
        "spring",
        "The GPU club",
        "Be kind.",
    )
    assert competition.visibility is Visibility.INVITE
    assert competition.opens == datetime(2026, 3, 1, tzinfo=UTC)
    assert competition.closes == datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=2)))
    assert (competition.ranked_per_hour, competition.other_per_hour) == (5, 60)
    assert competition.channel == "gpu-club"


def test_a_leaderboard_inherits_what_it_does_not_say(file: Path) -> None:
    plain, special = load(file).leaderboards

    assert (plain.name, plain.problem, plain.weight) == ("vectoradd", "vectoradd", 1.0)
    assert plain.closes == datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=2)))
    assert (special.name, special.problem, special.weight) == ("matmul-fast", "matmul", 2.5)
    assert special.opens == datetime(2026, 3, 1, tzinfo=UTC)
    assert special.closes == datetime(2026, 3, 15, 12, tzinfo=UTC)


def test_gpus_are_spelt_as_the_targets_are(file: Path) -> None:
    plain, special = load(file).leaderboards

    assert (plain.gpus, special.gpus) == (("CPU", "H100"), ("MI300X",))


def test_a_leaderboard_may_stay_open_after_its_competition(file: Path) -> None:
    edited(file, "closes: 2026-03-15T12:00:00Z", "closes: null")

    assert load(file).leaderboards[1].closes is None


def test_only_name_title_licence_gpus_and_problems_are_needed(file: Path) -> None:
    file.write_text(
        "name: tiny\ntitle: Tiny\nlicence: MIT\nproblems: [{problem: matmul, gpus: [CPU]}]\n"
    )

    competition = load(file)

    assert competition.visibility is Visibility.PUBLIC
    assert (competition.opens, competition.closes, competition.channel) == (None, None, None)
    board = competition.leaderboards[0]
    assert (board.opens, board.closes, board.freeze, board.code_opens) == (None, None, None, None)


@pytest.mark.parametrize(
    ("written", "channel"),
    [
        ("'#gpu-club'", "gpu-club"),
        ("1189498204333543425", "1189498204333543425"),
        ("'1189498204333543425'", "1189498204333543425"),
        ("gpu-größe-日本", "gpu-größe-日本"),
    ],
)
def test_a_channel_is_a_name_or_an_id(file: Path, written: str, channel: str) -> None:
    edited(file, "gpu-club", written)

    assert load(file).channel == channel


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T00:00:00Z",
        "2026-03-01 00:00:00Z",
        "2026-03-01 00:00:00 +00:00",
        "'2026-03-01T01:00:00+01:00'",
        "2026-02-28T18:30:00-05:30",
        "2026-03-01T00:00Z",
    ],
)
def test_a_time_may_be_written_in_any_iso_form_with_a_zone(file: Path, written: str) -> None:
    edited(file, "2026-03-01T00:00:00Z", written)

    assert load(file).opens == datetime(2026, 3, 1, tzinfo=UTC)


def test_one_instant_is_one_value_whatever_zone_it_was_written_in(file: Path) -> None:
    assert load(file).to_document()["closes"] == "2026-03-31T22:00:00+00:00"


MISTAKES = [
    ("name: spring", "name: Spring!", 1, "name", "not a usable name", "a-z"),
    ("name: spring\n", "", 1, "", "the key 'name' is missing", "Add"),
    ("title: Spring sprint", "title: [a]", 2, "title", "expected text, got a list", "quotes"),
    ("licence: Apache-2.0", "license: MIT", 6, "", "unknown key 'license'", "'licence'"),
    ("visibility: invite", "visibility: hidden", 7, "visibility", "unknown", "public, invite, private"),
    ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00", 8, "opens", "names no time zone", "00:00:00Z for UTC"),
    ("2026-03-01T00:00:00Z", "2026-03-01", 8, "opens", "names no time zone", "2026-03-01T00:00:00Z"),
    ("2026-03-01T00:00:00Z", "2026-03-01 6:59", 8, "opens", "expected a date and time", "Write it like"),
    ("2026-03-01T00:00:00Z", "2026-03-01 00:00 UTC", 8, "opens", "expected a date", "Write it like"),
    ("2026-03-01T00:00:00Z", "2026-02-30T00:00:00Z", 8, "opens", "expected a date", "Write it like"),
    ("2026-03-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 8, "opens", "before the year 1", "a year in between"),
    ("2026-03-01T00:00:00Z", "soon", 8, "opens", "expected a date and time", "Write it like"),
    ("2026-03-01T00:00:00Z", "1772323200", 8, "opens", "expected a date", "Write it like"),
    ("2026-03-01T00:00:00Z", "[a]", 8, "opens", "expected a date and time", "Write it like"),
    ("2026-04-01T00:00:00+02:00", "2026-02-01T00:00:00Z", 9, "closes", "not after it opens", "Swap"),
    ("2026-03-15T12:00:00Z", "2026-02-01T00:00:00Z", 16, "problems[1].closes", "not after", "Swap"),
    ("[cpu, h100]", "[cpu, h1000]", 10, "gpus[1]", "'h1000' is unknown", "Did you mean 'H100'?"),
    ("[cpu, h100]", "[cpu, CPU]", 10, "gpus[1]", "'CPU' is listed twice", "Remove"),
    ("[cpu, h100]", "[]", 10, "gpus", "is an empty list", "at least one"),
    ("[cpu, h100]", "CPU", 10, "gpus", "expected a list of GPUs", "'- '"),
    ("gpus: [cpu, h100]\n", "", 14, "problems[0]", "names no GPU", "Add 'gpus: [...]'"),
    ("ranked_per_hour: 5", "ranked_per_hour: 0", 11, "ranked_per_hour", "out of range", "Use 1"),
    ("ranked_per_hour: 5", "ranked_per_hour: true", 11, "ranked_per_hour", "truth value", "number"),
    ("ranked_per_hour: 5", "ranked_per_hour: 2.5", 11, "ranked_per_hour", "whole number", "number"),
    ("channel: gpu-club", "channel: #gpu-club", 13, "channel", "is empty", "in quotes"),
    ("channel: gpu-club", "channel: GPU Club", 13, "channel", "neither a channel's name", "lower"),
    ("channel: gpu-club", "channel: '@everyone'", 13, "channel", "neither a channel's", "lower"),
    ("channel: gpu-club", "channel: '<#12>'", 13, "channel", "neither a channel's", "lower"),
    ("{problem: vectoradd}", "{problem: vectorad}", 15, "problems[0].problem", "no problem 'vectorad'", "'vectoradd'?"),
    ("{problem: vectoradd}", "{problem: sorting}", 15, "problems[0].problem", "no problem", "problems/sorting"),
    ("{problem: vectoradd}", "{leaderboard: x}", 15, "problems[0]", "key 'problem' is missing", "Add"),
    ("{problem: vectoradd}", "vectoradd", 15, "problems[0]", "expected a map", "key: value"),
    ("{problem: vectoradd}", "{problem: matmul, leaderboard: matmul-fast}", 16, "problems[1]", "already in this", "of its own"),
    ("leaderboard: matmul-fast", "leaderboard: -x", 16, "problems[1].leaderboard", "not a usable", "a-z"),
    ("leaderboard: matmul-fast", "leaderbord: a", 16, "problems[1]", "unknown key", "'leaderboard'?"),
    ("weight: 2.5", "weight: 0", 16, "problems[1].weight", "out of range", "more than 0"),
    ("weight: 2.5", "weight: .inf", 16, "problems[1].weight", "not finite", "finite"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "reason", "remedy"),
    MISTAKES,
    ids=[f"{path or 'top'}: {new[:25]!r}" for _, new, _, path, _, _ in MISTAKES],
)
def test_a_mistake_is_told_with_file_line_key_reason_and_remedy(
    file: Path, old: str, new: str, line: int, path: str, reason: str, remedy: str
) -> None:
    edited(file, old, new)

    assert_told(flaws(file), file="spring.yaml", line=line, path=path, reason=reason, remedy=remedy)


WHOLE = """\
name: cup
title: Cup
licence: MIT
visibility: private
public_from: 2026-02-01T00:00:00Z
registration: {opens: 2026-02-01T00:00:00Z, closes: 2026-03-01T00:00:00Z, eligibility: Students}
team_size: 3
gpus: [CPU, H100]
code_opens: at_close
scoring: {rule: points, places: [1, 0.6, 0.2], count: 1, missing: baseline, ties: earlier}
phases:
  - name: qualifier
    opens: 2026-03-01T00:00:00Z
    closes: 2026-03-15T00:00:00Z
    freeze: {from: 2026-03-14T00:00:00Z}
    advance: 10
    problems:
      - {problem: vectoradd, points: 1000, baseline: {cpu: 0.5, H100: 1.0e-3}}
  - name: final
    opens: 2026-03-20T00:00:00Z
    closes: 2026-03-21T00:00:00Z
    gpus: [H100]
    code_opens: 2026-04-01T00:00:00Z
    problems:
      - {problem: matmul, points: 1500, baseline: 2}
      - {problem: matmul, leaderboard: warm-up, points: 0, baseline: 2, code_opens: never}
prizes:
  - {prize: A GPU, note: to be fetched}
  - {prize: A book, place: 2, leaderboard: matmul}
verification: [We run it again, We read the code]
"""


def test_phases_scoring_prizes_and_all_the_rest_are_read(file: Path) -> None:
    file.write_text(WHOLE)

    cup = load(file)

    def day(month: int, day: int) -> datetime:
        return datetime(2026, month, day, tzinfo=UTC)

    assert cup.public_from == day(2, 1)
    assert cup.registration == Registration(
        opens=day(2, 1), closes=day(3, 1), eligibility="Students"
    )
    assert cup.team_size == 3
    assert [(item.name, item.advance) for item in cup.phases] == [
        ("qualifier", 10),
        ("final", None),
    ]
    assert cup.scoring == CompetitionScoring(
        places=(1, 0.6, 0.2), count=1, missing=Missing.BASELINE, ties=Ties.EARLIER
    )
    qualifier, final, warm_up = cup.leaderboards
    assert (qualifier.phase, final.phase, warm_up.phase) == ("qualifier", "final", "final")
    assert (qualifier.gpus, final.gpus) == (("CPU", "H100"), ("H100",))
    assert qualifier.freeze == Freeze(begins=day(3, 14), ends=day(3, 15))
    assert (qualifier.code_opens, final.code_opens) == (day(3, 15), day(4, 1))
    assert (final.freeze, warm_up.code_opens) == (None, None)
    assert (qualifier.points, final.points, warm_up.points) == (1000, 1500, 0)
    assert (qualifier.baseline, final.baseline) == ({"CPU": 0.5, "H100": 1e-3}, {"H100": 2})
    assert [(item.prize, item.place, item.leaderboard) for item in cup.prizes] == [
        ("A GPU", 1, ""),
        ("A book", 2, "matmul"),
    ]
    assert cup.verification == ("We run it again", "We read the code")
    assert Competition.from_document(json.loads(json.dumps(cup.to_document()))) == cup


MISTAKES_OF_THE_REST = [
    ("visibility: private", "visibility: public", 5, "public_from", "public already", "private"),
    ("2026-02-01T00:00:00Z\nreg", "2026-02-01\nreg", 5, "public_from", "names no time zone", "Z for UTC"),
    ("closes: 2026-03-01T00:00:00Z, el", "closes: 2026-01-01T00:00:00Z, el", 6, "registration.closes", "not after", "Swap"),
    ("team_size: 3", "team_size: 0", 7, "team_size", "out of range", "Use 1"),
    ("code_opens: at_close", "code_opens: soon", 9, "code_opens", "'soon' is unknown", "at_close, never"),
    ("rule: points, ", "", 10, "scoring", "key 'rule' is missing", "points, weighted_sum"),
    ("rule: points", "rule: vote", 10, "scoring.rule", "unknown", "geometric_mean"),
    ("[1, 0.6, 0.2]", "[1, 0.2, 0.6]", 10, "scoring.places", "rise", "later place"),
    ("places: [1, 0.6, 0.2]", "share: best, places: 3", 10, "scoring.places", "share is of best", "share: place"),
    ("count: 1", "count: all", 10, "scoring.count", "whole number", "number"),
    ("name: qualifier", "name: final", 19, "phases[1].name", "a phase 'final' already", "Rename"),
    ("advance: 10", "advance: none", 16, "phases[0].advance", "whole number", "number"),
    ("gpus: [H100]\n", "advance: 3\n", 22, "phases[1].advance", "no phase after", "Remove"),
    ("opens: 2026-03-20", "opens: 2026-03-10", 19, "phases[1]", "before the phase before it closes", "after the other"),
    ("    opens: 2026-03-20T00:00:00Z\n", "", 19, "phases[1]", "open from the start", "Add 'opens:'"),
    ("    closes: 2026-03-15T00:00:00Z\n    freeze: {from: 2026-03-14T00:00:00Z}\n", "", 17, "phases[1]", "before it never closes", "'closes:' to"),
    ("{from: 2026-03-14T00:00:00Z}", "{until: 2026-03-14T00:00:00Z}", 15, "phases[0].freeze", "'from' is missing", "Add 'from: '"),
    ("{from: 2026-03-14T00:00:00Z}", "{from: 2026-03-14T00:00:00Z, until: 2026-03-13T00:00:00Z}", 15, "phases[0].freeze", "not after", "Swap"),
    ("{from: 2026-03-14T00:00:00Z}", "{from: 2026-03-14T00:00:00Z, until: 2026-03-16T00:00:00Z}", 18, "phases[0].problems[0]", "while standings are frozen", "from 2026-03-16"),
    ("    closes: 2026-03-15T00:00:00Z\n", "", 17, "phases[0].problems[0]", "frozen without an end", "until"),
    ("closes: 2026-03-21T00:00:00Z\n    gpus: [H100]\n    code_opens: 2026-04-01T00:00:00Z", "gpus: [H100]", 23, "phases[1].problems[0]", "never does", "closes"),
    ("points: 1000, ", "", 18, "phases[0].problems[0]", "names no points", "points: 1000"),
    ("points: 1000", "points: -1", 18, "phases[0].problems[0].points", "out of range", "at least 0"),
    ("points: 1000", "weight: 2, points: 1000", 18, "phases[0].problems[0].weight", "sums points", "Remove"),
    ("scoring: {rule: points,", "scoring: {rule: geometric_mean,", 18, "phases[0].problems[0].points", "sums none", "rule: points"),
    ("{cpu: 0.5, H100: 1.0e-3}", "{cpu: 0.5}", 18, "phases[0].problems[0]", "no baseline on H100", "in seconds"),
    ("{cpu: 0.5, H100: 1.0e-3}", "{cpu: 0.5, H100: 1, CPU: 2}", 18, "phases[0].problems[0].baseline", "'CPU' is given twice", "Keep one"),
    ("team_size: 3", "gpu_seconds_per_day: {H100: 9, h100: 8}", 7, "gpu_seconds_per_day", "'H100' is given twice", "Keep one"),
    ("{cpu: 0.5, H100: 1.0e-3}", "{gpu: 0.5}", 18, "phases[0].problems[0].baseline", "'gpu' is unknown", "CPU, H100"),
    ("prizes:\n", "problems: []\nprizes:\n", 27, "problems", "beside phases", "Move"),
    ("leaderboard: matmul}", "leaderboard: mat}", 29, "prizes[1].leaderboard", "unknown", "'matmul'?"),
    ("{prize: A GPU,", "{price: A GPU,", 28, "prizes[0]", "'prize' is missing", "Add"),
    ("[We run it again,", "[[a],", 30, "verification[0]", "expected text", "quotes"),
    ("leaderboard: warm-up, ", "", 26, "phases[1].problems[1]", "already in this competition", "of its own"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "reason", "remedy"),
    MISTAKES_OF_THE_REST,
    ids=[f"{path}: {new[:25]!r}" for _, new, _, path, _, _ in MISTAKES_OF_THE_REST],
)
def test_a_mistake_in_the_rest_is_told_as_well(
    file: Path, old: str, new: str, line: int, path: str, reason: str, remedy: str
) -> None:
    assert old in WHOLE
    file.write_text(WHOLE.replace(old, new, 1))

    assert_told(flaws(file), file="spring.yaml", line=line, path=path, reason=reason, remedy=remedy)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text(
        WHOLE.replace("title: Cup\n", "")
        .replace("visibility: private", "visibility: x")
        .replace("team_size: 3", "team_size: 0")
        .replace("rule: points", "rule: x")
        .replace("advance: 10", "advance: x")
        .replace("code_opens: never", "code_opens: x")
        .replace("place: 2", "place: 0")
    )

    assert len(flaws(file)) >= 7


def test_problems_beside_phases_are_read_too_for_what_is_wrong_with_them_anywhere(
    file: Path,
) -> None:
    file.write_text(
        WHOLE.replace(
            "prizes:\n",
            "problems:\n"
            "  - {problem: matmull, points: 1, baseline: 2}\n"
            "  - {problem: vectoradd, leaderboard: b, point: 1, baseline: 2}\n"
            "  - {problem: vectoradd, leaderboard: c, points: 1, baseline: 2}\n"
            "prizes:\n",
        )
    )

    told = [(flaw.path, flaw.reason) for flaw in flaws(file)]

    assert [path for path, _ in told] == [
        "problems", "problems[0].problem", "problems[1]", "problems[1]",
    ], told  # fmt: skip
    assert "unknown key 'point'" in told[2][1]


def test_a_prize_of_the_whole_needs_standings_of_the_whole(file: Path) -> None:
    file.write_text(SPEC + "prizes: [{prize: A cup}]\n")

    (flaw,) = flaws(file)

    assert (flaw.path, "which has none" in flaw.reason) == ("prizes[0]", True)


def test_an_inherited_freeze_is_none_where_a_leaderboard_closes_before_it(file: Path) -> None:
    file.write_text(SPEC.replace("gpus: [cpu", "freeze: {from: 2026-03-20T00:00:00Z}\ngpus: [cpu"))

    plain, early = load(file).leaderboards

    assert plain.freeze is not None
    assert early.freeze is None


def test_a_freeze_of_the_whole_that_begins_when_all_is_closed_is_told(file: Path) -> None:
    late = "freeze: {from: 2026-05-20T00:00:00Z}\ngpus: [cpu"
    file.write_text(SPEC.replace("gpus: [cpu", late))
    (flaw,) = flaws(file)
    assert (flaw.line, flaw.path) == (10, "freeze")
    assert "when every leaderboard is closed" in flaw.reason

    file.write_text(WHOLE.replace("{from: 2026-03-14T00:00:00Z}", "{from: 2026-03-15T00:00:00Z}"))
    (flaw,) = flaws(file)
    assert (flaw.line, flaw.path) == (15, "phases[0].freeze")


def test_problems_may_not_be_missing_or_empty(file: Path) -> None:
    start = SPEC.split("problems:", maxsplit=1)[0]
    told = []
    for tail in ("", "problems:\n", "problems: []\n", "problems: vectoradd\n"):
        file.write_text(start + tail)
        told.append(flaws(file)[0].reason)

    assert told == [
        "the key 'problems' is missing",
        "expected a list of problems, got nothing",
        "is an empty list",
        "expected a list of problems, got the text 'vectoradd'",
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to("/etc/hostname")

    for name, reason in (
        ("absent.yaml", "cannot be read: no such file or directory"),
        ("folder.yaml", "is not a regular file"),
        ("link.yaml", "is a link"),
    ):
        assert [flaw.reason for flaw in flaws(tmp_path / name)] == [reason]


# --- whole trees --------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of one problem and one competition."""
    root = tmp_path / "problems"
    problem = root / "copy"
    problem.mkdir(parents=True)
    (problem / "problem.yaml").write_text(
        "name: copy\ntitle: Copy\nlanguages: [python]\ntests: [{n: 1}]\nbenchmarks: [{n: 2}]\n"
    )
    (problem / "reference.py").write_text(
        "def generate_input(*, seed, device, n): ...\ndef reference(data): ...\n"
    )
    (problem / "statement.md").write_text("Copy.\n")
    (root / "README.md").write_text("How to.\n")
    (root / "competitions").mkdir()
    compete(root, "autumn", "[{problem: copy}]")
    return root


def test_a_gpu_may_be_named_as_elsewhere(file: Path) -> None:
    known = {"B200": Target(name="B200", device="cuda", match="", aliases=("NVIDIA",))}
    text = "name: a\ntitle: T\nlicence: MIT\ngpus: [nvidia]\nscoring: {rule: weighted_sum}\n"
    file.write_text(text + "problems: [{problem: matmul, baseline: {NVIDIA: 0.5}}]\n")
    (board,) = load_competition(file, PROBLEMS, known).leaderboards
    assert board.gpus == ("B200",)
    assert board.baseline == {"B200": 0.5}

    file.write_text(text.replace("[nvidia]", "[nvidia, B200]") + "problems: [{problem: matmul}]\n")
    with pytest.raises(DefinitionErrors, match="'B200' is listed twice"):
        load_competition(file, PROBLEMS, known)


def compete(root: Path, name: str, problems: str, *, file: str = "") -> None:
    (root / "competitions" / f"{file or name}.yaml").write_text(
        f"name: {name}\ntitle: T\nlicence: MIT\ngpus: [CPU]\nproblems: {problems}\n"
    )


def tree_flaws(root: Path) -> list[str]:
    with pytest.raises(DefinitionErrors) as refused:
        load_catalog(root, GPUS)
    return [str(flaw) for flaw in refused.value.flaws]


def test_a_tree_becomes_a_catalog(root: Path) -> None:
    catalog = load_catalog(root, GPUS)

    assert list(catalog.problems) == ["copy"]
    assert [board.problem for board in catalog.competitions["autumn"].leaderboards] == ["copy"]


def test_mistakes_of_every_file_are_told_at_once(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "copy" / "statement.md").unlink()
    compete(root, "winter", "[{problem: nothing}]")

    told = tree_flaws(root)

    assert [line.split(": ")[0] for line in told] == [
        "problems/competitions/winter.yaml:5",
        "problems/copy/statement.md",
        "problems/empty/problem.yaml",
    ]


def test_a_broken_problem_is_not_reported_as_unknown_as_well(root: Path) -> None:
    (root / "copy" / "problem.yaml").write_text("name: [\n")

    told = tree_flaws(root)

    assert len(told) == 1
    assert told[0].startswith("problems/copy/problem.yaml:2: is not YAML")


def test_what_is_scored_by_the_speed_of_light_must_say_it(root: Path) -> None:
    file = root / "competitions" / "round.yaml"
    file.write_text(
        "name: round\ntitle: Round\nlicence: MIT\ngpus: [CPU]\nproblems: [{problem: copy}]\n"
        "scoring: {rule: weighted_sum, share: speed_of_light}\n"
    )

    for load in (lambda: load_catalog(root, GPUS), lambda: load_one(file, GPUS, root)):
        with pytest.raises(DefinitionErrors, match="'copy' does not say the least work"):
            load()


def test_one_file_takes_its_problems_from_its_tree_and_then_from_the_library(
    root: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "mine" / "alone.yaml"
    alone.parent.mkdir()
    alone.write_text(
        "name: alone\ntitle: A\nlicence: MIT\ngpus: [CPU]\nproblems: [{problem: copy}]\n"
    )

    assert load_one(alone, GPUS, root).problems["copy"].title == "Copy"
    shutil.copytree(root / "copy", alone.parent / "copy")
    changed = alone.parent / "copy" / "problem.yaml"
    changed.write_text(changed.read_text().replace("title: Copy", "title: Mine"))
    assert load_one(alone, GPUS, root).problems["copy"].title == "Mine"
    shutil.rmtree(alone.parent / "copy")
    with pytest.raises(DefinitionErrors, match="there is no problem 'copy'"):
        load_one(alone, GPUS, tmp_path / "nowhere")


def test_a_tree_may_name_problems_of_the_library(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs" / "competitions"
    theirs.mkdir(parents=True)
    (theirs / "a.yaml").write_text(
        "name: a\ntitle: A\nlicence: MIT\ngpus: [CPU]\nproblems: [{problem: copy}]\n"
    )

    assert list(load_catalog(theirs.parent, GPUS, root).problems) == ["copy"]
    with pytest.raises(DefinitionErrors, match="there is no problem 'copy'"):
        load_catalog(theirs.parent, GPUS)


def test_the_folder_of_the_competitions_may_be_given_by_itself(root: Path) -> None:
    (root / "competitions" / "examples").mkdir()
    catalog = load_catalog(root / "competitions", GPUS)
    assert list(catalog.competitions) == ["autumn"]
    assert list(catalog.problems) == ["copy"]

    compete(root, "winter", "[{problem: nothing}]")
    with pytest.raises(DefinitionErrors) as refused:
        load_catalog(root / "competitions", GPUS)
    (flaw,) = refused.value.flaws
    assert (flaw.file, flaw.line) == ("competitions/winter.yaml", 5)


def test_problems_may_lie_in_a_folder_of_their_own_beside_the_competitions(
    root: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    (root / "competitions").rename(whole / "competitions")
    root.rename(whole / "problems")

    assert tree_in(whole) == whole
    assert list(load_catalog(whole, GPUS).problems) == ["copy"]
    (file,) = (whole / "competitions").glob("*.yaml")
    assert list(load_one(file, GPUS, tmp_path / "nowhere").problems) == ["copy"]
    (whole / "problems" / "copy" / "statement.md").unlink()
    assert tree_flaws(whole)[0].startswith("whole/problems/copy/statement.md: is missing")


@pytest.mark.parametrize("field", [True, False])
def test_a_repository_may_be_given_whose_tree_is_its_folder_problems(
    root: Path, tmp_path: Path, field: bool
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "settings.yaml").write_text("services: {}\n")
    if field:
        shutil.rmtree(root / "competitions")
        (root / "set.yaml").write_text("name: S\nproblems: [{directory: a, name: a, gpus: []}]\n")
    root.rename(whole / "problems")

    assert tree_in(whole) == whole / "problems"
    assert tree_in(whole / "problems") == whole / "problems"


def test_a_leaderboard_name_belongs_to_one_competition(root: Path) -> None:
    compete(root, "winter", "[{problem: copy}]")

    assert tree_flaws(root) == [
        "problems/competitions/winter.yaml: problems: the leaderboard 'copy' already belongs to 'autumn'. "
        "Give it another name with 'leaderboard: ...'."
    ]


def test_a_competition_is_defined_once(root: Path) -> None:
    compete(root, "autumn", "[{problem: copy, leaderboard: copy-2}]", file="other")

    assert tree_flaws(root) == [
        "problems/competitions/other.yaml: name: another file already defines the competition 'autumn'. "
        "Rename one of them."
    ]


def test_a_link_in_place_of_a_problem_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    assert tree_flaws(root) == ["problems/linked: is a link to a folder. Copy the folder here."]


def test_a_root_that_does_not_exist_is_told(tmp_path: Path) -> None:
    assert "cannot be read: no such file" in tree_flaws(tmp_path / "nowhere")[0]
