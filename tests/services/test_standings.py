"""Reading boards: pages, one's own place, GPUs, and a cache that is never stale."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kernelbot.app import App, build
from kernelbot.errors import InvalidInput, NotFound
from kernelbot.services import standings
from tests.factories import judge_one, make_actor, make_verdict, ranked, submitted


async def test_two_processes_never_show_an_older_board_than_was_recorded(app: App) -> None:
    async with build(app.settings) as other:
        seen = []
        for i in range(3):
            await ranked(app, await make_actor(app, f"p{i}"), (i + 1) * 1e6)
            pages = [
                await standings.standings(ctx, None, "vectoradd", "CPU") for ctx in (app, other)
            ]
            assert pages[0] == pages[1]
            seen.append((pages[0].revision, pages[0].total))

    assert seen == [(1, 1), (2, 2), (3, 3)]


async def test_an_unchanged_board_is_not_read_again(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)

    first = await standings.board(app, None, "vectoradd", "CPU")

    assert await standings.board(app, None, "VECTORADD", "cpu") is first


async def test_pages_join_without_gap_or_overlap_and_ones_own_place_is_on_each(app: App) -> None:
    people = [await make_actor(app, f"p{i}") for i in range(5)]
    for i, person in enumerate(people):
        await ranked(app, person, (i + 1) * 1e6)

    names: list[str] = []
    cursor: str | None = None
    for size in (2, 2, 1):
        page = await standings.standings(app, people[4], "vectoradd", "CPU", cursor=cursor, limit=2)
        assert len(page.items) == size
        assert page.mine is not None
        assert page.mine.rank == 5
        names += [item.entry.user_name for item in page.items]
        cursor = page.cursor

    assert names == [f"p{i}" for i in range(5)]
    assert cursor is None
    assert (await standings.standings(app, None, "vectoradd", "CPU")).mine is None


async def test_a_board_is_per_gpu_and_says_which_there_are(app: App) -> None:
    with pytest.raises(InvalidInput, match="Say which one you mean: CPU, T4") as missing:
        await standings.standings(app, None, "vectoradd", None)
    with pytest.raises(NotFound, match="has no GPU 'B300'") as unknown:
        await standings.standings(app, None, "vectoradd", "B300")

    assert missing.value.detail["choices"] == unknown.value.detail["choices"]


@pytest.mark.parametrize("name", ["nothing", "a\0b", "x" * 5000])
async def test_an_unknown_board_is_not_found(app: App, name: str) -> None:
    for read in (standings.standings, standings.history):
        with pytest.raises(NotFound) as refusal:
            await read(app, None, name, "CPU")
        assert refusal.value.code == "unknown_leaderboard"
    with pytest.raises(NotFound):
        await standings.leaderboard(app, None, name)


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "٣", "9" * 30])
async def test_a_cursor_that_is_not_ours_is_refused(app: App, cursor: str) -> None:
    for read in (standings.standings, standings.history):
        with pytest.raises(InvalidInput) as refusal:
            await read(app, None, "vectoradd", "CPU", cursor=cursor)
        assert refusal.value.code == "bad_cursor"


@pytest.mark.parametrize("limit", [0, -1, 101])
async def test_a_page_has_a_size_of_1_to_100(app: App, limit: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 100"):
        await standings.standings(app, None, "vectoradd", "CPU", limit=limit)


async def test_a_misspelt_board_is_told_the_public_one_it_may_be(app: App) -> None:
    with pytest.raises(NotFound, match="Did you mean 'vectoradd'"):
        await standings.leaderboard(app, None, "vectorad")
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE competitions SET visibility = 'private'"))

    for name in ("vectorad", "vectoradd"):
        with pytest.raises(NotFound) as refusal:
            await standings.leaderboard(app, None, name)
        assert "Did you mean" not in str(refusal.value)


async def test_a_person_on_several_gpus_of_a_board_counts_once_and_on_that_board_alone(
    app: App,
) -> None:
    for name in ("ada", "bob"):
        view = await submitted(app, await make_actor(app, name), gpus=("CPU", "T4"))
        for gpu in ("CPU", "T4"):
            await judge_one(app, make_verdict(run_id=view.id), gpu=gpu)

    counts = {board.name: board.people for board in await standings.leaderboards(app, None)}

    assert counts == {"vectoradd": 2, "matmul": 0, "histogram": 0}
    assert (await standings.leaderboard(app, None, "vectoradd")).people == 2
    assert (await standings.leaderboard(app, None, "matmul")).people == 0


async def test_the_list_counts_people_once_in_a_while_and_a_single_board_each_time(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed() -> int:
        return (await standings.leaderboards(app, None))[0].people

    monkeypatch.setattr(standings, "PEOPLE_KEPT_S", 3600.0)  # a busy machine may take a while
    assert await listed() == 0
    await ranked(app, await make_actor(app), 1e6)

    assert await listed() == 0
    assert (await standings.leaderboard(app, None, "vectoradd")).people == 1
    monkeypatch.setattr(standings, "PEOPLE_KEPT_S", 0.0)
    assert await listed() == 1


async def test_the_history_of_a_name_is_of_all_who_have_it(app: App) -> None:
    one, two = await make_actor(app, "ada"), await make_actor(app, "ada")
    await ranked(app, one, 3e6)
    await ranked(app, await make_actor(app, "bob"), 2e6)

    async def submissions_of(name: str) -> list[int]:
        page = await standings.history(app, None, "vectoradd", "CPU", user_name=name)
        return [item.submission_id for item in page.items]

    assert len(await submissions_of("bob")) == 1
    assert len(await submissions_of("ada")) == 1
    latest = await ranked(app, two, 1e6)
    assert (await submissions_of("ada"))[0] == latest.id
    assert len(await submissions_of("ada")) == 2
    for nobody in ("Ada", "nobody", "a\0b", "\ud800", ""):
        assert await submissions_of(nobody) == []


async def test_the_lists_show_windows_gpus_and_people(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)

    board = await standings.leaderboard(app, None, "VectorAdd")

    assert (board.name, board.people, board.is_open) == ("vectoradd", 1, True)
    assert board.gpus[0] == "CPU"
    assert board.languages == ("python", "cuda", "hip", "cpp")
