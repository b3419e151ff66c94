"""Standings across problems: what shares, scores and places come of the standings of each."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelbot.domain import ranking
from kernelbot.domain.competition_scoring import (
    CompetitionScoring,
    Event,
    Missing,
    Rule,
    Share,
    Tally,
    Ties,
    Total,
    falling,
    place,
    totals,
    with_own,
)
from kernelbot.domain.ranking import Earlier, Entry

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("ada", "bob", "cy", "dee")


def event(name: str = "a", gpu: str = "H100", *, error: float = 0.0, **values: object) -> Event:
    """An event in which people, by name, took some seconds; later names handed in later."""
    details = {key: values.pop(key) for key in ("worth", "light", "baseline") if key in values}
    entries = [
        Entry(
            user_id=NAMES.index(who),
            user_name=who,
            submission_id=1,
            run_id=1,
            seconds=float(seconds),  # type: ignore[arg-type]
            error=error,
            runs=1,
            submitted_at=NOON + timedelta(minutes=NAMES.index(who)),
        )
        for who, seconds in values.items()
    ]
    return Event(leaderboard=name, gpu=gpu, standings=ranking.rank(entries), **details)  # type: ignore[arg-type]


def table(events: list[Event], **scoring: object) -> list[tuple[int, str, float]]:
    made = totals(events, CompetitionScoring(**scoring))  # type: ignore[arg-type]
    return [(item.rank, item.user_name, round(item.score, 9)) for item in made]


def test_points_are_shared_out_by_place_and_summed() -> None:
    events = [event("a", worth=1000, ada=1, bob=2, cy=3), event("b", worth=1500, bob=1, ada=2)]

    assert table(events, places=(1, 0.6, 0.2)) == [
        (1, "bob", 2100),
        (2, "ada", 1900),
        (3, "cy", 200),
    ]


def test_places_fall_evenly_to_nothing_after_the_last() -> None:
    assert falling(4) == (1, 0.75, 0.5, 0.25)
    assert table([event(worth=100, ada=1, bob=2, cy=3)], places=falling(2)) == [
        (1, "ada", 100),
        (2, "bob", 50),
        (3, "cy", 0),
    ]


def test_who_shares_a_place_on_a_problem_has_the_share_of_that_place() -> None:
    events = [event(worth=100, error=0.1, ada=1, bob=1.01, cy=9)]

    assert table(events, places=(1, 0.6, 0.2)) == [(1, "ada", 100), (1, "bob", 100), (3, "cy", 20)]


def test_closeness_to_the_speed_of_light_is_at_most_all_of_it() -> None:
    events = [event(worth=1000, light=1.0, ada=0.9, bob=2, cy=4)]

    assert table(events, share=Share.SPEED_OF_LIGHT) == [
        (1, "ada", 1000),
        (2, "bob", 500),
        (3, "cy", 250),
    ]


def test_a_weighted_sum_counts_each_share_by_its_weight() -> None:
    events = [event("a", worth=1, ada=1, bob=2), event("b", worth=3, ada=4, bob=1)]

    assert table(events, rule=Rule.WEIGHTED_SUM, share=Share.BEST) == [
        (1, "bob", 3.5),
        (2, "ada", 1.75),
    ]


def test_a_geometric_mean_weighs_exponents_and_one_missing_problem_makes_it_zero() -> None:
    events = [
        event("a", worth=1, baseline=8, ada=4, bob=8),
        event("b", worth=3, baseline=8, ada=1, cy=1),
    ]

    assert table(events, rule=Rule.GEOMETRIC_MEAN, share=Share.BASELINE) == [
        (1, "ada", round((2 * 8**3) ** 0.25, 9)),
        (2, "bob", 0),
        (2, "cy", 0),
    ]


def test_the_baseline_stands_in_for_whoever_has_nothing_better() -> None:
    events = [event("a", baseline=4, ada=2, bob=16), event("b", baseline=1, ada=1)]
    scoring = {"rule": Rule.GEOMETRIC_MEAN, "share": Share.BASELINE, "missing": Missing.BASELINE}

    assert table(events, **scoring) == [(1, "ada", round(math.sqrt(2), 9)), (2, "bob", 1)]


def test_a_baseline_has_the_place_that_its_time_would_have() -> None:
    events = [event("a", worth=100, baseline=2.5, ada=1, bob=2, cy=3), event("b", worth=0, dee=1)]

    assert table(events, places=(1, 0.6, 0.2), missing=Missing.BASELINE) == [
        (1, "ada", 100),
        (2, "bob", 60),
        (3, "cy", 20),
        (3, "dee", 20),
    ]


def test_only_the_best_problems_of_each_count_where_so_many_do() -> None:
    events = [
        event("a", worth=100, ada=1, bob=2),
        event("b", worth=10, bob=1, ada=2),
        event("c", worth=50, bob=1),
    ]

    assert table(events, places=(1, 0.5), count=2) == [(1, "ada", 105), (2, "bob", 100)]


def test_a_problem_on_several_gpus_counts_once_by_the_mean_of_its_shares() -> None:
    events = [
        event("a", "H100", worth=100, ada=1, bob=2),
        event("a", "B200", worth=100, bob=1, ada=2),
        event("a", "L4", worth=100, ada=1),
        event("b", "L4", worth=10, bob=1),
    ]

    assert table(events, share=Share.BEST) == [(1, "ada", 83.333333333), (2, "bob", 60)]


def test_an_event_without_a_known_bound_counts_for_nobody() -> None:
    events = [event("a", worth=1, light=None, ada=1), event("b", worth=1, light=1, bob=2)]

    assert table(events, rule=Rule.GEOMETRIC_MEAN, share=Share.SPEED_OF_LIGHT) == [(1, "bob", 0.5)]


def test_equal_scores_share_a_place_and_the_next_is_skipped() -> None:
    events = [event("a", worth=1, ada=1, bob=2), event("b", worth=1, bob=1, ada=2, cy=3)]

    found = totals(events, CompetitionScoring(places=(1, 0.5, 0.2)))

    assert [(item.rank, item.position, item.tied) for item in found] == [
        (1, 1, True),
        (1, 2, True),
        (3, 3, False),
    ]


def test_or_who_got_there_first_is_before_the_others() -> None:
    events = [event("a", worth=1, ada=1, bob=2), event("b", worth=1, bob=1, ada=2)]

    found = totals(events, CompetitionScoring(places=(1, 0.5), ties=Ties.EARLIER))

    assert [(item.rank, item.user_name, item.tied) for item in found] == [
        (1, "ada", False),
        (2, "bob", False),
    ]


def test_what_adds_nothing_to_a_score_makes_nobody_later() -> None:
    found = [
        event("a", worth=1, dee=1, ada=2),
        event("b", worth=1, ada=1),
        event("c", worth=0, ada=1),
        event("d", worth=1, bob=1),
    ]
    later = Entry(**{**vars(found[0].standings[1].entry), "submitted_at": NOON + timedelta(days=1)})
    for at in (0, 2):
        others = [item.entry for item in found[at].standings if item.entry.user_name != "ada"]
        found[at] = replace(found[at], standings=ranking.rank([*others, later]))

    for scoring in ({"places": (1,)}, {"places": (1, 0.5), "count": 1}):
        placed = totals(found, CompetitionScoring(ties=Ties.EARLIER, **scoring))  # type: ignore[arg-type]
        assert [item.user_name for item in placed] == ["ada", "bob", "dee"]


def test_the_best_few_of_a_mean_are_those_that_make_it_greatest() -> None:
    events = [
        event("a", worth=1, baseline=1, ada=1),
        event("b", worth=0.1, baseline=1, ada=2),
        event("c", worth=10, baseline=1, ada=1.5),
        event("d", worth=0, baseline=1, ada=1),
    ]

    (ada,) = totals(
        events, CompetitionScoring(rule=Rule.GEOMETRIC_MEAN, share=Share.BASELINE, count=2)
    )

    assert ada.score == pytest.approx(0.5 ** (0.1 / 1.1))


def test_ones_own_newer_result_moves_oneself_and_no_score_of_others() -> None:
    before = [event("a", worth=100, ada=1, bob=2)]
    scoring = CompetitionScoring(places=(1, 0.5))
    own = [event("a", worth=100, ada=1, bob=2, cy=0.5)]

    found = with_own(totals(before, scoring), own, NAMES.index("cy"), scoring)

    assert [(item.rank, item.user_name, item.score) for item in found] == [
        (1, "ada", 100),
        (1, "cy", 100),
        (3, "bob", 50),
    ]


def test_scores_that_the_noise_of_times_does_not_tell_apart_share_a_place() -> None:
    events = [event(worth=1, light=1, error=0.02, ada=2.02, bob=2, cy=3)]

    assert [rank for rank, _, _ in table(events, share=Share.SPEED_OF_LIGHT)] == [1, 1, 3]


def test_where_the_earlier_goes_first_noise_is_not_looked_at() -> None:
    events = [event(worth=1, light=1, error=0.02, ada=2.02, bob=2)]

    found = table(events, share=Share.SPEED_OF_LIGHT, ties=Ties.EARLIER)

    assert [(rank, name) for rank, name, _ in found] == [(1, "bob"), (2, "ada")]


# --- what holds of any standings -----------------------------------------------------------------

SECONDS = st.floats(1e-6, 1e3)
TIMES = st.dictionaries(st.sampled_from(NAMES), SECONDS, min_size=1)
SCORINGS = st.builds(
    CompetitionScoring,
    rule=st.sampled_from(Rule),
    share=st.sampled_from(Share),
    places=st.integers(1, 5).map(falling),
    count=st.none() | st.integers(1, 3),
    missing=st.sampled_from(Missing),
    ties=st.sampled_from(Ties),
)


@st.composite
def competitions(draw: st.DrawFn) -> list[Event]:
    return [
        event(
            name,
            draw(st.sampled_from(("H100", "B200"))),
            error=draw(st.sampled_from((0.0, 0.01))),
            worth=draw(st.sampled_from((0.0, 1.0, 2.5))),
            light=draw(st.none() | SECONDS),
            baseline=draw(SECONDS),
            **draw(TIMES),
        )
        for name in draw(st.sampled_from(("a", "ab", "abc")))
    ]


def places(found: list[Total]) -> dict[str, int]:
    return {item.user_name: item.rank for item in found}


@given(competitions(), SCORINGS, st.randoms(use_true_random=False))
def test_the_order_in_which_entries_and_problems_come_changes_no_place(
    events: list[Event], scoring: CompetitionScoring, shuffled: object
) -> None:
    mixed = [replace(item, standings=list(item.standings)) for item in events]
    for item in mixed:
        shuffled.shuffle(item.standings)  # type: ignore[attr-defined]
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]

    assert places(totals(mixed, scoring)) == places(totals(events, scoring))


@given(competitions(), SCORINGS)
def test_everybody_who_stands_somewhere_that_counts_has_one_place(
    events: list[Event], scoring: CompetitionScoring
) -> None:
    found = totals(events, scoring)

    people = {
        entry.entry.user_name for item in events if item.counts(scoring) for entry in item.standings
    }
    assert sorted(item.user_name for item in found) == sorted(people)
    assert [item.position for item in found] == list(range(1, len(found) + 1))
    assert all(item.rank <= item.position for item in found)
    assert [item.rank for item in found] == sorted(item.rank for item in found)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(competitions(), min_size=2, max_size=4), SCORINGS, st.data())
def test_totals_made_again_are_those_made_from_nothing(
    found: list[list[Event]], scoring: CompetitionScoring, data: st.DataObject
) -> None:
    tally = Tally(scoring)
    for events in found:
        tally.totals(events)
        # And some of the same leaderboards with other results.
        newer = [
            replace(item, standings=event(error=0.01, **data.draw(TIMES)).standings)
            if data.draw(st.booleans())
            else item
            for item in events
        ]

        assert tally.totals(newer) == totals(newer, scoring)


def test_who_is_on_no_leaderboard_any_more_has_no_total() -> None:
    tally = Tally(CompetitionScoring())
    tally.totals([event("a", ada=1, bob=2), event("b", ada=1)])

    found = tally.totals([event("a", ada=1), event("b", ada=1)])

    assert [item.user_name for item in found] == ["ada"]


def test_a_kept_place_of_an_earlier_version_has_the_share_it_had() -> None:
    now = event("a", worth=10, light=1.0, ada=2, bob=4)
    kept = replace(now.standings[1], earlier=Earlier(best=4.0, light=3.0))
    held = replace(now, standings=[now.standings[0], kept])

    assert table([held], share=Share.SPEED_OF_LIGHT) == [(1, "bob", 7.5), (2, "ada", 5)]
    assert table([held], share=Share.BEST) == [(1, "ada", 10), (1, "bob", 10)]


SCORED = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from((0.0, 0.5, 3.0))), min_size=1, max_size=8
)


def scored(values: list[tuple[float, float]]) -> list[Total]:
    return [
        Total(
            user_id=at,
            user_name=str(at),
            score=score,
            error=error,
            reached_at=NOON + timedelta(seconds=at),
            parts=(),
        )
        for at, (score, error) in enumerate(values)
    ]


@settings(max_examples=300)
@given(SCORED, st.data(), st.floats(0, 50), st.sampled_from(Ties))
def test_more_points_never_lower_a_place(
    values: list[tuple[float, float]], data: st.DataObject, more: float, ties: Ties
) -> None:
    who = data.draw(st.integers(0, len(values) - 1))
    before = scored(values)
    after = [
        replace(item, score=item.score + more) if item.user_id == who else item for item in before
    ]

    assert places(place(after, ties))[str(who)] <= places(place(before, ties))[str(who)]


@settings(max_examples=500)
@given(competitions(), SCORINGS, st.data())
def test_handing_something_in_never_costs_score(
    events: list[Event], scoring: CompetitionScoring, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(events) - 1))
    who = data.draw(st.sampled_from([item.entry.user_name for item in events[at].standings]))
    kept = [item.entry for item in events[at].standings if item.entry.user_name != who]
    without = list(events)
    without[at] = replace(events[at], standings=ranking.rank(kept))

    def score(found: list[Total]) -> float:
        return next((item.score for item in found if item.user_name == who), 0.0)

    assert score(totals(events, scoring)) >= score(totals(without, scoring)) * (1 - 1e-9)


@pytest.mark.parametrize("scoring", [CompetitionScoring(), CompetitionScoring(count=2)])
def test_nobody_is_ranked_where_nobody_stands(scoring: CompetitionScoring) -> None:
    assert totals([event()], scoring) == []
    assert totals([], scoring) == []
