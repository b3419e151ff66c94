"""Which steps of a run are passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kernelbot.judge.protocol import Event, Stage
from kernelbot.launchers import base


async def test_every_change_of_stage_and_every_last_step_is_passed_on_and_few_of_the_others() -> (
    None
):
    async def told() -> AsyncIterator[Event]:
        yield Event(kind="stage", stage=Stage.BUILD)
        for stage in (Stage.CHECK, Stage.MEASURE):
            for done in range(1, 101):
                yield Event(kind="case", stage=stage, done=done, total=100)

    passed = [(event.stage, event.done) async for event in base.thinned(told())]

    assert passed == [
        (Stage.BUILD, 0),
        (Stage.CHECK, 1),
        (Stage.CHECK, 100),
        (Stage.MEASURE, 1),
        (Stage.MEASURE, 100),
    ]
