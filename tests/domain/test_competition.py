"""What a competition's value promises: a form that can be stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from kernelbot.domain.competition import Competition, LeaderboardSpec, Visibility

OPENS = datetime(2026, 3, 1, tzinfo=UTC)
CLOSES = datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("visibility", list(Visibility))
def test_a_competition_survives_storage(visibility: Visibility) -> None:
    before = Competition(
        name="spring",
        title="Spring",
        licence="MIT",
        rules="Be kind.",
        visibility=visibility,
        opens=OPENS,
        gpus=("CPU",),
        ranked_per_hour=3,
        channel="club",
        leaderboards=(
            LeaderboardSpec(name="a", problem="b", gpus=("CPU",), closes=CLOSES, weight=2.0),
            LeaderboardSpec(name="c", problem="b", gpus=("H100", "B200")),
        ),
    )

    after = Competition.from_document(json.loads(json.dumps(before.to_document())))

    assert after == before
