"""Code without a file: a form to paste it into, and code blocks in messages."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbot.bot import paste
from kernelbot.bot.client import Bot
from tests import factories
from tests.bot.scene import Scene

CODE = factories.CODE.decode()


async def sent(scene: Scene, asked: Any, **values: Any) -> Any:
    """Ada fills in the form; what stands in it already stays."""
    filled = {"code": CODE, "file": "kernel.py", "leaderboard": ["vectoradd"], "gpu": ["CPU"]}
    return await scene.ada.submit_modal(asked, {**filled, "mode": ["test"], **values})


async def test_without_a_file_submit_asks_for_the_code_and_takes_it(scene: Scene) -> None:
    asked = await scene.slash("submit", leaderboard="vectoradd", gpu="CPU", mode="benchmark")

    result = await sent(scene, asked, mode=["benchmark"])

    assert result.ephemeral
    assert "**#1** accepted: kernel.py for vectoradd, benchmark." in result.response.content
    assert "#1" in scene.in_threads()[0].embeds[0].title


async def test_a_form_that_is_sent_twice_counts_once_and_two_forms_twice(scene: Scene) -> None:
    first = await sent(scene, await scene.slash("submit"))
    second = await sent(scene, await scene.slash("submit"))

    assert "**#1** accepted" in first.response.content
    assert "**#2** accepted" in second.response.content


async def test_the_form_holds_what_the_command_said(scene: Scene) -> None:
    asked = await scene.slash("submit", leaderboard="vectoradd", gpu="CPU", mode="ranked")

    fields = [row["component"] for row in asked.modal["components"]]
    chosen = [
        [option["value"] for option in item.get("options", []) if option.get("default")]
        for item in fields
    ]
    assert [item["custom_id"] for item in fields] == ["code", "leaderboard", "gpu", "mode", "file"]
    assert chosen == [[], ["vectoradd"], ["CPU"], ["ranked"], []]


async def test_a_refused_form_gives_back_what_was_pasted(scene: Scene) -> None:
    asked = await scene.slash("submit", leaderboard="vectoradd", gpu="CPU")

    result = await sent(scene, asked, file="kernel.exe")

    assert ".py" in result.response.content
    assert "nothing is lost" in result.response.content
    assert [item.filename for item in result.response.attachments] == ["pasted.txt"]


async def test_a_case_needs_a_file(scene: Scene) -> None:
    result = await scene.slash("submit", leaderboard="vectoradd", mode="profile", case=1)

    assert "#!kernelbot case 2" in result.response.content


async def test_a_message_with_a_code_block_opens_the_form_with_the_code_in_it_and_sends_it_later_too(
    scene: Scene,
) -> None:
    grace = scene.guild.add_member(scene.env.create_user("grace"))
    message = await grace.send(scene.channel, f"see\n```py\n{CODE}```")

    asked = await scene.ada.context_menu(scene.channel, "Submit this code block", message)

    (code, *_) = [row["component"] for row in asked.modal["components"]]
    assert code["value"] == CODE.strip("\n")
    await scene.env.restart_bot(Bot(scene.app))  # whoever fills it in need not hurry
    result = await sent(scene, asked, code=code["value"], mode=["benchmark"])
    assert "**#1** accepted: kernel.py for vectoradd, benchmark." in result.response.content


@pytest.mark.parametrize(
    ("content", "said"),
    [("no code here", "no code block"), ("`inline` only", "no code block"), ("``` ```", "no code")],
)
async def test_a_message_without_code_is_told_so(scene: Scene, content: str, said: str) -> None:
    message = await scene.ada.send(scene.channel, content)

    asked = await scene.ada.context_menu(scene.channel, "Submit this code block", message)

    assert said in asked.response.content


BLOCKS = {
    "```py\na\n```": ("a", "kernel.py"),
    "```\na = 1\nb\n```": ("a = 1\nb", "kernel.py"),
    "```a = 1```": ("a = 1", "kernel.py"),
    "```cuda\nx\n```": ("x", "kernel.cu"),
    "```\n#include <cuda.h>\nint x;\n```": ("#include <cuda.h>\nint x;", "kernel.cu"),
    "```c++\n#include <x>\n```": ("#include <x>", "kernel.cpp"),
    "```sh\nls\n```\n```python\nlonger code\n```": ("longer code", "kernel.py"),
}


@pytest.mark.parametrize(("content", "found"), BLOCKS.items())
def test_the_longest_block_of_a_message_is_meant(content: str, found: tuple[str, str]) -> None:
    assert paste.longest_block(content) == found
