"""What the pages point at is there, and no page knows the machine it was written on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<words>.+)$", re.M)
QUOTED = re.compile(r"`(?P<words>[^`\n]+)`")
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.M | re.S)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)

FILE_ENDINGS = (".py", ".md", ".yaml")
# Folders that this tree has; what else stands before a slash belongs to somebody else's tree.
OURS = ("kernelbot", "problems", "docs", "tests", "benchmarks", "runners", "migrations", "scripts")
# A page may name a file of the package without the package's own name before it.
BASES = (ROOT, ROOT / "kernelbot")
# The problem that writing-a-problem.md has its reader make.
EXAMPLES = ("problems/scale/",)

MACHINE = re.compile(r"(?<![\w.])/(?:work|home|Users|tmp/team)/|(?<![\w.])/root/\S")


def pages() -> list[str]:
    """Every Markdown page that belongs to the tree, also one that is about to be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in set(listed.stdout.split("\n")) if (ROOT / name).is_file())


def anchors(page: Path) -> set[str]:
    """The fragments under which a page's headings are reached, as code hosts make them."""
    text = FENCE.sub("", page.read_text())
    return {
        re.sub(r"[^\w\- ]", "", found["words"].lower()).strip().replace(" ", "-")
        for found in HEADING.finditer(text)
    }


def broken_links(page: Path) -> Iterator[str]:
    for found in LINK.finditer(FENCE.sub("", page.read_text())):
        path, _, fragment = found["target"].partition("#")
        if ADDRESS.match(path):
            continue
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            yield found["target"]


def named_paths(text: str) -> Iterator[str]:
    """The quoted words that look like a path of this tree, places in a file cut off."""
    for found in QUOTED.finditer(FENCE.sub("", text)):
        for word in found["words"].split():
            path = re.sub(r":\d.*$", "", word).removeprefix("./")
            folder = path.partition("/")[0]
            if "/" not in path or path.startswith(("/", "~", "..", *EXAMPLES)) or "://" in path:
                continue
            if folder in OURS or path.endswith(FILE_ENDINGS):
                yield path


def exists(path: str, page: Path) -> bool:
    """Whether the path, or one that fits its pattern, is in the tree or beside the page."""
    pattern = re.sub(r"\{\w+\}|\b[A-Z_]{3,}\b(?!\.)", "*", path).rstrip("/")
    return any(next(base.glob(pattern), None) is not None for base in (*BASES, page.parent))


@pytest.mark.parametrize("name", pages())
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    assert list(broken_links(ROOT / name)) == []


@pytest.mark.parametrize("name", pages())
def test_every_path_that_a_page_names_is_in_the_tree(name: str) -> None:
    page = ROOT / name
    assert [path for path in named_paths(page.read_text()) if not exists(path, page)] == []


@pytest.mark.parametrize("name", pages())
def test_no_page_names_a_folder_of_the_machine_it_was_written_on(name: str) -> None:
    assert [found[0] for found in MACHINE.finditer((ROOT / name).read_text())] == []


def test_a_link_to_a_missing_page_or_heading_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# Some heading, with marks\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#some-heading-with-marks) [c](https://example.org/x) [d](#own)\n"
        "[e](gone.md) [f](there.md#gone)\n\n```\n[g](in-a-fence.md)\n```\n\n## Own\n"
    )
    assert list(broken_links(page)) == ["gone.md", "there.md#gone"]


def test_a_quoted_path_that_is_not_in_the_tree_is_found() -> None:
    page = ROOT / "docs" / "page.md"
    text = (
        "`kernelbot/gone.py`, `docs/api.md`, `judge/inside/contestant.py`, `tests/gone/`, `problems/*/statement.md`, "
        "`/v1/gone`, `user/repo`, `.venv/bin/pytest tests/gone.py::test_a`, `kernelbot/app.py:3`, `x.py`"
    )
    missing = [path for path in named_paths(text) if not exists(path, page)]
    assert missing == ["kernelbot/gone.py", "tests/gone/", "tests/gone.py::test_a"]
