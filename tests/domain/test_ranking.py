"""Ranking: ties by joint error, the earlier first, and what of a change is worth announcing."""

from __future__ import annotations

import dataclasses
import itertools
import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.ranking import Entry, podium_change, pooled, rank, tied

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(user: int, seconds: float, *, error: float = 0.0015, at: int = 0, code: int = 0) -> Entry:
    return Entry(
        user_id=user,
        user_name=f"user {user}",
        submission_id=code or user,
        run_id=user,
        seconds=seconds,
        error=error,
        runs=1,
        submitted_at=START + timedelta(seconds=at),
    )


@st.composite
def boards(draw: st.DrawFn) -> list[Entry]:
    # Close times and both sure and unsure ones, so that ties of every shape come up.
    rows = draw(
        st.lists(
            st.tuples(
                st.floats(1e-6, 1.05e-6) | st.floats(1e-9, 1e3),
                st.sampled_from([0.0015, 0.004, 0.05]) | st.floats(1e-6, 0.5),
                st.integers(0, 5),
            ),
            max_size=25,
        )
    )
    return [entry(i, s, error=e, at=t) for i, (s, e, t) in enumerate(rows, start=1)]


@given(boards())
def test_every_entry_is_placed_once_and_positions_count_from_one(board: list[Entry]) -> None:
    placed = rank(board)

    assert sorted(item.entry.user_id for item in placed) == [item.user_id for item in board]
    assert [item.position for item in placed] == list(range(1, len(board) + 1))


@given(boards())
def test_ranks_rise_and_a_rank_is_one_more_than_the_number_of_people_before_it(
    board: list[Entry],
) -> None:
    for rank_number, group in itertools.groupby(rank(board), key=lambda item: item.rank):
        members = list(group)
        assert rank_number == members[0].position
        assert all(item.tied == (len(members) > 1) for item in members)


@given(boards())
def test_a_group_is_tied_with_its_fastest_and_the_earlier_comes_first(board: list[Entry]) -> None:
    for _, group in itertools.groupby(rank(board), key=lambda item: item.rank):
        members = [item.entry for item in group]
        leader = min(members, key=lambda item: (item.seconds, item.submitted_at, item.run_id))
        assert all(item is leader or tied(leader, item) for item in members)
        assert members == sorted(members, key=lambda item: (item.submitted_at, item.run_id))


@given(boards())
def test_nobody_in_a_later_group_is_faster_than_somebody_in_an_earlier_one(
    board: list[Entry],
) -> None:
    groups = [
        [item.entry.seconds for item in group]
        for _, group in itertools.groupby(rank(board), key=lambda item: item.rank)
    ]
    assert all(max(before) <= min(after) for before, after in itertools.pairwise(groups))


@given(boards())
def test_the_leader_of_a_group_is_beyond_doubt_faster_than_the_leader_of_the_next(
    board: list[Entry],
) -> None:
    leaders = [
        min((item.entry for item in group), key=lambda item: (item.seconds, item.submitted_at))
        for _, group in itertools.groupby(rank(board), key=lambda item: item.rank)
    ]
    assert not any(tied(first, second) for first, second in itertools.pairwise(leaders))


@given(boards(), st.randoms(use_true_random=False))
def test_the_order_in_which_entries_come_does_not_matter(
    board: list[Entry], random: object
) -> None:
    shuffled = list(board)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert rank(shuffled) == rank(board)


def test_nobody_is_ranked_on_an_empty_board() -> None:
    assert rank([]) == []


def test_a_chain_of_near_neighbours_is_not_one_rank() -> None:
    chain = [entry(i, 1e-6 * (1 + 0.003 * i), at=i) for i in range(6)]

    assert [item.rank for item in rank(chain)] == [1, 1, 3, 3, 5, 5]


def test_within_a_tie_the_earlier_is_first_although_it_is_slower() -> None:
    placed = rank([entry(1, 1.000e-6, at=9), entry(2, 1.001e-6, at=1)])

    assert [(item.entry.user_id, item.rank, item.position) for item in placed] == [
        (2, 1, 1),
        (1, 1, 2),
    ]


def test_a_noisy_time_does_not_jump_over_a_surer_and_better_one() -> None:
    board = [entry(1, 1.00e-6), entry(2, 1.01e-6), entry(3, 1.02e-6, error=0.05)]

    assert [(item.entry.user_id, item.rank) for item in rank(board)] == [(1, 1), (2, 2), (3, 2)]


# --- podium -------------------------------------------------------------------------------------


def test_a_new_first_place_names_who_was_displaced() -> None:
    before = rank([entry(1, 2e-6)])
    after = rank([entry(1, 2e-6), entry(2, 1e-6, at=5)])

    change = podium_change(before, after, 2)

    assert change is not None
    assert change.standing.rank == 1
    assert change.previous_rank is None
    assert change.displaced is not None
    assert change.displaced.user_id == 1


def test_a_clearly_faster_time_on_the_same_place_is_told_with_the_time_before() -> None:
    change = podium_change(rank([entry(1, 2e-6)]), rank([entry(1, 1e-6, code=9)]), 1)

    assert change is not None
    assert (change.previous_rank, change.previous_seconds) == (1, 2e-6)
    assert change.displaced is None


def test_repeats_that_only_move_a_time_within_its_error_are_not_told() -> None:
    assert podium_change(rank([entry(1, 1e-6)]), rank([entry(1, 0.999e-6)]), 1) is None


def test_a_slower_pooled_time_is_not_told() -> None:
    assert podium_change(rank([entry(1, 1e-6)]), rank([entry(1, 2e-6)]), 1) is None


def test_fourth_place_and_being_pushed_up_by_anothers_fall_are_not_told() -> None:
    three = [entry(i, i * 1e-6) for i in (1, 2, 3)]
    after = rank([*three, entry(4, 4e-6)])

    assert podium_change(rank(three), after, 4) is None
    assert podium_change(rank(three), rank(three[1:]), 1) is None


def test_a_fourth_who_ties_with_the_first_but_came_later_is_not_on_the_podium() -> None:
    board = [entry(i, 1e-6, at=i) for i in (1, 2, 3, 4)]

    assert podium_change(rank(board[:3]), rank(board), 4) is None


@given(boards(), st.integers(1, 25))
def test_whatever_changes_an_announcement_is_about_the_podium_and_the_one_who_changed(
    board: list[Entry], user: int
) -> None:
    before = rank([item for item in board if item.user_id != user])
    change = podium_change(before, rank(board), user)

    if change is not None:
        assert change.standing.entry.user_id == user
        assert change.standing.position <= 3
        assert change.displaced is None or change.displaced.user_id != user


def test_the_single_runs_of_everybodys_best_code_are_pooled() -> None:
    runs = [
        (b"a", entry(1, 4e-6, code=1)),
        (b"b", entry(1, 3e-6, code=2)),
        (b"b", entry(1, 3e-6, code=9, at=5)),
        (b"b", entry(2, 9e-6, code=3)),
    ]

    found = {item.user_id: item for item in pooled(runs)}

    assert (found[1].submission_id, found[1].runs) == (2, 2)
    assert math.isclose(found[1].seconds, 3e-6)
    assert (found[2].submission_id, found[2].runs) == (3, 1)


def test_a_code_that_stands_alone_is_taken_as_it_is() -> None:
    alone = dataclasses.replace(entry(1, 3e-6), runs=4, error=1e-4)

    assert pooled([(b"a", alone)]) == [alone]
