"""``/admin intake``: submissions are paused and resumed, and everybody reads why."""

from __future__ import annotations

from kernelbot.services import intake
from tests import factories
from tests.bot.scene import Scene, words
from tests.services.test_turns import rows

WHY = "The room is **too** warm @everyone"


async def test_nobody_submits_to_what_is_paused_and_everybody_reads_why(scene: Scene) -> None:
    await scene.organizer()
    asked = await scene.slash("admin intake pause", gpu="cpu", reason=WHY, hold=True)
    assert "CPU: no submission is taken, and nothing of what waits begins." in words(asked.response)
    assert await intake.paused(scene.app) == (), "nothing before the yes"

    await scene.ada.click(asked.response, label="Confirm")
    refused = await scene.submit()
    queue = await scene.slash("queue")
    listed = await scene.slash("admin intake list")

    assert "takes submissions again and begins it" in words(asked.response)
    for shown in (refused, queue, listed):
        text = words(shown.response)
        assert r"The room is \*\*too\*\* warm" in text
        assert "@everyone" not in text
    assert "Takes no submissions, and what waits is held." in words(queue.response)

    await scene.slash("admin intake resume", gpu="CPU")
    await scene.submit()
    await factories.judge_one(scene.app)
    assert "Nothing is paused." in words((await scene.slash("admin intake list")).response)


async def test_a_kind_that_there_is_not_is_said_before_anything_is_asked(scene: Scene) -> None:
    await scene.organizer()

    told = await scene.slash("admin intake pause", gpu="CPUU", reason="x")

    assert "Did you mean 'CPU'?" in words(told.response)
    assert await scene.typed("admin intake pause", "gpu", "h2") == [
        "H200",
        "H200x2",
        "H200x4",
        "H200x8",
    ]


async def test_a_paused_kind_is_offered_also_when_it_left_the_file_of_targets(scene: Scene) -> None:
    await intake.pause(scene.app, await scene.organizer(), "CPU", "x", hold=False)
    await rows(scene.app, "UPDATE pauses SET gpu = 'GTX9'")

    assert await scene.typed("admin intake resume", "gpu", "") == ["GTX9"]
    await scene.slash("admin intake resume", gpu="gtx9")
    assert await intake.paused(scene.app) == ()


async def test_who_is_no_administrator_pauses_nothing(scene: Scene) -> None:
    await scene.sees_admin()

    for command, options in (("pause", {"reason": "x"}), ("resume", {}), ("list", {})):
        told = await scene.slash(f"admin intake {command}", **options)
        assert "This is for administrators." in words(told.response)
    for command in ("pause", "resume"):
        assert await scene.typed(f"admin intake {command}", "gpu", "") == []
