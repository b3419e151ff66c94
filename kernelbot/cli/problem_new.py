"""``kernelbot problem new``: a folder to begin with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kernelbot.checking import skeleton
from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean


def make(name: str, root: Path) -> Path:
    """The folder of a new problem. Raises Declined when something is there."""
    return put(skeleton.files(name), name, root)


def put(files: Mapping[str, str], name: str, root: Path) -> Path:
    """A new folder with these files, there as a whole or not at all. Raises Declined."""
    target = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    except OSError as error:
        raise Declined(
            f"{clean(root)} cannot be written to: {error.strerror}.", code="unwritable"
        ) from None
    try:
        for path, text in files.items():
            file = draft / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        draft.chmod(0o755)
        if target.exists() or target.is_symlink():
            raise Declined(f"{clean(target)} is there already.", code="exists")
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
