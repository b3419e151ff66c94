"""``/admin competition``: files planned, confirmed and published from Discord; hidden and listed."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from kernelbot.bot.client import Bot
from kernelbot.services import competitions, moderation, organizing
from tests.bot.scene import Scene, labels, words
from tests.conftest import PROBLEMS

CLASS = """\
name: class
title: A <@1> class
licence: MIT
gpus: [CPU]
code_opens: 2026-01-01T00:00:00Z
problems:
  - {problem: vectoradd, leaderboard: class-add}
"""


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


async def send(scene: Scene, command: str, content: str | bytes, name: str = "class.yaml") -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    return (await scene.slash(f"admin competition {command}", file=(name, data))).response


async def names(scene: Scene) -> list[str]:
    found = await competitions.competitions(scene.app)
    return [item.document["name"] for item in found]


async def test_a_competition_is_planned_confirmed_changed_hidden_and_shown_again(
    scene: Scene,
) -> None:
    admin = await scene.organizer()
    planned = await send(scene, "plan", CLASS)
    assert "**created** competition class: with the leaderboards class-add" in words(planned)
    assert labels(planned) == []

    asked = await send(scene, "apply", CLASS)
    assert await names(scene) == ["getting-started"], "nothing before the yes"
    await scene.env.restart_bot(Bot(scene.app))
    await scene.ada.click(asked, label="Confirm")

    assert "Applied: 1 created." in words(asked)
    assert await names(scene) == ["getting-started", "class"]
    log = await moderation.audit(scene.app, admin, target="catalog")
    assert log.items[0]["actor"] == "ada"
    assert next(iter(log.items[0]["detail"]["checked"].values()))
    assert "Everything is as in the files." in words(await send(scene, "plan", CLASS))

    changed = CLASS.replace("2026-01-01", "2026-02-01")
    again = await send(scene, "apply", changed, "other-name.yaml")
    await scene.ada.click(again, label="Confirm")
    assert "Applied: 1 changed." in words(again), words(again)

    hide = await scene.slash("admin competition hide", name="class")
    assert "The next start" not in words(hide.response)
    await scene.ada.click(hide.response, label="Confirm")
    assert await names(scene) == ["getting-started"]
    listed = words((await scene.slash("admin competition list")).response)
    assert "(class): hidden" in listed
    assert "(getting-started): open" in listed
    assert "<@1>" not in listed
    back = await send(scene, "apply", changed)
    assert "shown again" in words(back)
    await scene.ada.click(back, label="Confirm")
    assert await names(scene) == ["getting-started", "class"]


async def test_hiding_says_what_ends_and_that_a_start_shows_our_own_again(scene: Scene) -> None:
    await scene.organizer()
    await scene.submit()

    hide = await scene.slash("admin competition hide", name="getting-started")
    assert "ends at no cost (runs: 1)" in words(hide.response)
    assert "**The next start shows it again:**" in words(hide.response)
    await scene.ada.click(hide.response, label="Confirm")

    assert "**The next start shows it again:**" in words(hide.response)


async def test_what_changed_since_it_was_planned_is_not_applied(scene: Scene) -> None:
    admin = await scene.organizer()
    await scene.ada.click(await send(scene, "apply", CLASS), label="Confirm")
    asked = await send(scene, "apply", CLASS.replace("A <@1> class", "Another"))

    await organizing.hide(scene.app, admin, "class")
    told = await scene.ada.click(asked, label="Confirm")

    assert "what there is has changed since this was planned" in words(told.followups[-1])
    assert labels(asked) == []
    assert await names(scene) == ["getting-started"]


async def test_all_mistakes_of_a_file_are_told_at_once_with_the_remedies(scene: Scene) -> None:
    await scene.organizer()
    wrong = CLASS.replace("[CPU]", "[Moon]").replace("licence: MIT\n", "")
    few = words(await send(scene, "apply", wrong))
    boards = "".join(f"  - {{problem: nothing-{at}}}\n" for at in range(20))
    many = await send(scene, "apply", CLASS + boards)

    assert "**2 mistakes in the files; nothing is changed.**" in few
    assert "class.yaml" in few
    assert "Moon" in few
    assert "20 mistakes" in words(many)
    (file,) = many.attachments
    assert file.filename == "mistakes.txt"


async def test_a_problem_that_nobody_has_checked_is_not_published_from_here(scene: Scene) -> None:
    await scene.organizer()
    folder = PROBLEMS / "vectoradd"
    files = {
        f"repository-main/problems/vectoradd/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files["repository-main/problems/competitions/class.yaml"] = CLASS.encode()
    same = await send(scene, "plan", zipped(files), "tree.zip")
    reference = "repository-main/problems/vectoradd/reference.py"
    files[reference] += b"\nraise SystemExit('this must not run here')\n"

    told = words(await send(scene, "apply", zipped(files), "tree.zip"))

    assert "**created** competition class" in words(same)
    assert "Nobody has checked this problem as it is in these files: vectoradd." in told
    assert "kernelbot competition apply FOLDER" in told
    assert await names(scene) == ["getting-started"]


async def test_the_installations_own_competitions_and_private_addresses_are_left_alone(
    scene: Scene,
) -> None:
    await scene.organizer()
    own = CLASS.replace("name: class", "name: getting-started")
    shown = await scene.slash(
        "admin competition apply", file=("x.yaml", own.encode()), take_over=True
    )
    private = await scene.slash("admin competition plan", url="https://127.0.0.1/r.git")
    both = await scene.slash("admin competition plan")

    assert "its files come from the problems folder of this inst" in words(shown.response)
    assert labels(shown.response) == []
    assert "an address that is not public" in words(private.response)
    assert "Give either `file` or `url`" in words(both.response)


async def test_a_long_plan_comes_whole_in_a_file_with_the_warnings_first(scene: Scene) -> None:
    await scene.organizer()
    boards = "".join(f"  - {{problem: vectoradd, leaderboard: add-{at}}}\n" for at in range(20))
    await scene.ada.click(await send(scene, "apply", CLASS + boards), label="Confirm")

    planned = await send(scene, "plan", CLASS + "rules: |\n  Be kind.\n")

    assert "0 re-measured, 20 hidden" in words(planned)
    assert words(planned).count("**hidden**") == 15, "before what is harmless"
    assert planned.attachments[0].filename == "plan.txt"


async def test_a_seal_holds_although_people_submit_while_somebody_reads(scene: Scene) -> None:
    await scene.organizer()
    await scene.ada.click(await send(scene, "apply", CLASS), label="Confirm")
    await scene.submit(leaderboard="class-add")
    asked = await send(scene, "apply", CLASS.replace("A <@1> class", "Another"))

    await scene.submit(leaderboard="class-add", file=("kernel.py", b"import torch\n# two\n"))
    await scene.ada.click(asked, label="Confirm")

    assert "Applied: 1 changed." in words(asked)
