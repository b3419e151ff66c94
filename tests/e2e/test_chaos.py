"""Nothing accepted is lost, nothing happens twice, whatever is killed: with real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import DECK, Storm


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_submissions_outlive_the_death_of_everything_around_them(
    tmp_path: Path,
) -> None:
    # The storm says what is left when it gives up, which is long before pytest does.
    storm = Storm(
        tmp_path, submissions=40, seed=20, kill_every_s=1.5, rounds=1, storm_s=600, limit_s=1200
    )

    report = await storm.run()

    report.show()
    assert report.wrong == []
    assert report.accepted == 40
    assert set(report.kills) == set(DECK)
    assert report.announcements > 0
