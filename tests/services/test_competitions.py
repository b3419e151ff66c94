"""The catalog in the database: repeatable, versioned, never losing what people earned."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.competition import Visibility
from kernelbot.domain.problem import sealed
from kernelbot.errors import NotFound
from kernelbot.services import competitions, dispatch, publish, standings, submissions
from kernelbot.services.catalog import Catalog, load_catalog, load_problem
from kernelbot.services.publish import Source
from tests.factories import claim_one, make_actor, make_verdict, ranked, submitted


async def rows(app: App, query: str) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query))
        return list(result.all()) if result.returns_rows else []


@pytest.fixture
def catalog(app: App, shelf: Path) -> Catalog:
    return load_catalog(shelf, list(app.targets))


def boards_changed(catalog: Catalog, *boards: Any) -> Catalog:
    (competition,) = catalog.competitions.values()
    changed = dataclasses.replace(competition, leaderboards=boards)
    return dataclasses.replace(catalog, competitions={competition.name: changed})


def problem_changed(catalog: Catalog, name: str, **change: Any) -> Catalog:
    changed = sealed(dataclasses.replace(catalog.problems[name], **change))
    return dataclasses.replace(catalog, problems={**catalog.problems, name: changed})


async def names(app: App) -> list[str]:
    return [board.name for board in await standings.leaderboards(app)]


async def state(app: App) -> list[list[Any]]:
    queries = (
        "SELECT id, name, digest FROM problems ORDER BY id",
        "SELECT id, name, problem_id, retired FROM leaderboards ORDER BY id",
        "SELECT * FROM leaderboard_gpus ORDER BY 1, 2",
        "SELECT id, name FROM competitions ORDER BY id",
    )
    return [await rows(app, query) for query in queries]


async def test_doing_it_again_changes_nothing(app: App, catalog: Catalog) -> None:
    before = await state(app)

    done = await publish.apply(app, catalog, Source())

    assert done.changes == ()

    assert await state(app) == before


async def test_only_a_sync_that_changed_something_is_written_down(
    app: App, catalog: Catalog
) -> None:
    query = "SELECT detail FROM audit_log WHERE action = 'catalog.sync' ORDER BY id"
    (competition,) = catalog.competitions.values()
    hidden = dataclasses.replace(competition, visibility=Visibility.PRIVATE)
    changes = (
        catalog,
        problem_changed(catalog, "vectoradd", title="Sums"),
        boards_changed(catalog, *competition.leaderboards[1:]),
        dataclasses.replace(catalog, competitions={competition.name: hidden}),
        dataclasses.replace(catalog, competitions={}),
    )

    counts = []
    for changed in changes:
        for _ in range(2):
            await publish.apply(app, changed, Source())
        counts.append(len(await rows(app, query)))

    assert counts == [1, 2, 3, 4, 5]


async def test_several_processes_may_do_it_at_once(app: App, catalog: Catalog) -> None:
    for table in ("leaderboard_gpus", "leaderboards", "problem_files", "problems", "competitions"):
        await rows(app, f"DELETE FROM {table}")

    await asyncio.gather(*(publish.apply(app, catalog, Source()) for _ in range(4)))

    assert await names(app) == ["vectoradd", "matmul", "histogram"]
    assert len(await rows(app, "SELECT id FROM problems")) == 3


async def test_a_changed_problem_is_a_new_version_and_what_runs_keeps_the_old(
    app: App, catalog: Catalog
) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    old = await claim_one(app)
    tests = ({"size": 5},)
    changed = problem_changed(catalog, "vectoradd", cpu_tests=tests, title="Sums")

    await publish.apply(app, changed, Source())
    await submitted(app, ada)

    new = await claim_one(app)
    assert old.job.tests == catalog.problems["vectoradd"].cpu_tests
    assert new.job.tests == tests
    assert old.job.problem_digest != new.job.problem_digest
    assert (await standings.leaderboard(app, None, "vectoradd")).title == "Sums"


async def placed(app: App) -> list[str]:
    """Who is placed on the version of the problem that is posed."""
    page = await standings.standings(app, None, "vectoradd", "CPU")
    return [item.entry.user_name for item in page.items if item.earlier is None]


async def test_times_on_another_version_of_the_problem_share_no_leaderboard(
    app: App, catalog: Catalog
) -> None:
    ada, ben = await make_actor(app), await make_actor(app, "ben")
    first = await ranked(app, ada, 1e6)
    await submitted(app, ben)
    running = await claim_one(app)  # while the problem changes
    changed = problem_changed(catalog, "vectoradd", cpu_tests=({"size": 5},))

    await publish.apply(app, changed, Source())
    assert await dispatch.finish(app, running, make_verdict(ns=5e5))

    assert await placed(app) == []
    assert "new version" in (await submissions.submission(app, ada, first.id)).runs[0].ranking
    _, sent = (await submissions.mine(app, ben)).items
    assert "new version" in sent.runs[0].ranking
    assert sent.runs[0].seconds == pytest.approx(5e-4)

    await ranked(app, ben, 2e6)
    assert await placed(app) == ["ben"]

    await publish.apply(app, catalog, Source())
    assert await placed(app) == ["ada"]
    assert "Ranked 1st" in (await submissions.submission(app, ada, first.id)).runs[0].ranking


async def test_a_problem_changed_back_is_the_version_it_was(app: App, catalog: Catalog) -> None:
    before = await state(app)
    await publish.apply(app, problem_changed(catalog, "vectoradd", title="Sums"), Source())

    await publish.apply(app, catalog, Source())

    assert (await state(app))[1:] == before[1:]


async def test_a_leaderboard_no_longer_named_is_retired_and_comes_back_with_its_standings(
    app: App, catalog: Catalog
) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    (competition,) = catalog.competitions.values()
    rest = [board for board in competition.leaderboards if board.name != "vectoradd"]

    await publish.apply(app, boards_changed(catalog, *rest), Source())
    assert await names(app) == ["matmul", "histogram"]
    with pytest.raises(NotFound):
        await submitted(app, ada)
    with pytest.raises(NotFound):
        await standings.standings(app, ada, "vectoradd", "CPU")

    await publish.apply(app, catalog, Source())
    assert (await standings.standings(app, ada, "vectoradd", "CPU")).total == 1


async def test_the_leaderboards_of_a_removed_competition_are_retired(
    app: App, catalog: Catalog
) -> None:
    await publish.apply(app, dataclasses.replace(catalog, competitions={}), Source())

    assert await names(app) == []


async def test_a_gpu_no_longer_offered_keeps_its_standings(app: App, catalog: Catalog) -> None:
    ada = await make_actor(app)
    await ranked(app, ada, 1e6)
    (competition,) = catalog.competitions.values()
    first, *rest = competition.leaderboards
    without = dataclasses.replace(first, gpus=("T4",))

    await publish.apply(app, boards_changed(catalog, without, *rest), Source())

    assert (await standings.leaderboard(app, None, "vectoradd")).gpus == ("T4",)
    assert (await standings.standings(app, ada, "vectoradd", "CPU")).total == 1


async def test_a_new_spelling_of_a_name_is_the_same_leaderboard(app: App, catalog: Catalog) -> None:
    (competition,) = catalog.competitions.values()
    first, *rest = competition.leaderboards
    loud = dataclasses.replace(first, name="VectorAdd")

    await publish.apply(app, boards_changed(catalog, loud, *rest), Source())

    assert await names(app) == ["VectorAdd", "matmul", "histogram"]


async def test_what_is_hidden_is_in_no_list(app: App) -> None:
    await rows(app, "UPDATE competitions SET visibility = 'invite'")

    assert await names(app) == []
    assert await competitions.problems(app) == ()
    assert await competitions.competitions(app) == ()
    with pytest.raises(NotFound):
        await competitions.problem(app, None, "vectoradd")
    with pytest.raises(NotFound):
        await competitions.problem_archive(app, None, "vectoradd")


async def test_a_problem_is_found_by_its_name_or_a_leaderboards_whatever_the_case(app: App) -> None:
    found = await competitions.problem(app, None, "VectorAdd")

    assert (found.name, found.leaderboards) == ("vectoradd", ("vectoradd",))
    assert set(found.starters) == {"torch", "triton", "inline-cuda", "cuda", "cpp"}
    with pytest.raises(NotFound, match="Did you mean 'vectoradd'"):
        await competitions.problem(app, None, "vectorad")


async def test_the_download_has_no_example_submissions_and_is_the_same_each_time(app: App) -> None:
    content = await competitions.problem_archive(app, None, "vectoradd")

    assert content == await competitions.problem_archive(app, None, "vectoradd")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = archive.namelist()
    assert "vectoradd/reference.py" in files
    assert "vectoradd/starter/with_triton.py" in files
    assert not [name for name in files if "examples" in name]


async def test_hidden_cases_are_told_to_nobody(app: App, shelf: Path, tmp_path: Path) -> None:
    problems = tmp_path / "problems"
    shutil.copytree(shelf, problems)
    definition = problems / "vectoradd" / "problem.yaml"
    definition.write_text(
        "# Nobody expects 48611, said a comment.\n"
        + definition.read_text().replace("cpu:\n", "cpu:\n  hidden: [{size: 48611}]\n")
        + "\nhidden:\n  - {size: {from: 48611, to: 48613}, count: 2} # 48611 is prime\n"
    )
    catalog = load_catalog(problems, list(app.targets))
    posed = catalog.problems["vectoradd"]
    assert [case.arguments for case in posed.cpu_hidden] == [{"size": 48611}]

    await publish.apply(app, catalog, Source())

    told = await competitions.problem(app, None, "vectoradd")
    assert "48611" not in repr(told)
    assert "48611" not in repr(await competitions.problems(app))
    content = await competitions.problem_archive(app, None, "vectoradd")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "home")
    handed = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in handed if b"48611" in path.read_bytes()]
    at_home = load_problem(tmp_path / "home" / "vectoradd")
    assert at_home.hidden == at_home.cpu_hidden == ()
    assert at_home.digest == told.digest != posed.digest


async def test_the_definition_of_a_problem_that_hides_nothing_is_handed_out_as_it_is(
    app: App, catalog: Catalog
) -> None:
    content = await competitions.problem_archive(app, None, "vectoradd")

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        handed = archive.read("vectoradd/problem.yaml")
    assert handed == catalog.problems["vectoradd"].files["problem.yaml"]
