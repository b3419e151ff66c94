"""Where definition files come from: a file, a folder, or a repository at a commit."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelbot.cli.failure import Declined
from kernelbot.domain.definition import climbs
from kernelbot.services.catalog import Catalog, load_catalog, load_one, tree_in

CLONE_PATIENCE_S = 120.0
MAX_BYTES = 64 << 20
"""Of a repository: packed, and of the files at the commit."""

REPOSITORY = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
CREDENTIAL = re.compile(r"https?://[^/?#]*@|\w+://[^/?#@]*:[^/?#]*@")
REFERENCE = re.compile(r"[A-Za-z0-9_][\w./+-]*")

# A repository is a stranger's until its definitions are accepted: nothing of it runs, nothing asks.
GIT = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never",
    "-c", "submodule.recurse=false",
    "-c", "fetch.unpackLimit=1",  # one file whatever it holds, so that its size has a limit
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """Files on this machine, and where they are from."""

    root: Path  # the tree
    file: Path | None  # the one competition that is meant; None: all
    name: str
    pinned: str = ""

    def load(self, gpus: Collection[str], library: Path) -> Catalog:
        """What the files define. Raises DefinitionErrors, or Declined where they define nothing."""
        if self.file is not None:
            return load_one(self.file, gpus, library)
        catalog = load_catalog(self.root, gpus, library)
        if not catalog.competitions:
            raise Declined(
                f"{self.name} defines no competition: there is no competitions/*.yaml in it.",
                code="no_competition",
            )
        return catalog


@contextlib.contextmanager
def opened(source: str) -> Iterator[Opened]:
    """``source`` is a file, a folder, or a repository's address with ``#REF`` or ``#REF:FOLDER``."""
    if REPOSITORY.fullmatch(source):
        with tempfile.TemporaryDirectory(prefix="kernelbot-") as folder:
            yield _cloned(source, Path(folder) / "files")
        return
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        path = tree_in(path)
        yield Opened(path, None, path.as_posix())
    else:
        yield Opened(path.parent, path, path.as_posix())


def _cloned(source: str, target: Path) -> Opened:
    if CREDENTIAL.match(source):
        # It would be shown to everybody as the place that the competition comes from.
        raise Declined(
            "The address holds a name or password to sign in with. Leave them out, and give git a "
            "credential helper or a key.",
            code="credential_in_address",
        )
    address, _, wanted = source.partition("#")
    reference, _, inner = wanted.partition(":")
    if (reference and not REFERENCE.fullmatch(reference)) or (inner and climbs(inner)):
        raise Declined(
            f"{wanted!r} names no branch, tag or full commit id, or no folder in the repository. "
            "Write ADDRESS#REF or ADDRESS#REF:FOLDER.",
            code="bad_reference",
        )
    _git("init", "--quiet", str(target))
    _git("-C", str(target), "fetch", "--quiet", "--depth=1", "--no-tags", "--", address,
         reference or "HEAD",
         hint=". REF is a branch, a tag or a full commit id." if reference else "")  # fmt: skip
    # Before anything is unpacked: few packed bytes can be many files.
    listed = _git("-C", str(target), "ls-tree", "-r", "--long", "FETCH_HEAD").splitlines()
    sizes = (line.split(maxsplit=4)[3] for line in listed)
    if sum(int(size) for size in sizes if size.isdigit()) > MAX_BYTES:  # a submodule has none
        raise _too_large()
    _git("-C", str(target), "checkout", "--quiet", "FETCH_HEAD")
    commit = _git("-C", str(target), "rev-parse", "HEAD").strip()
    root = target / inner if inner else target
    if not root.is_dir() or not root.resolve().is_relative_to(target.resolve()):
        raise Declined(f"{address} has no folder {inner!r} at {commit[:12]}.", code="no_folder")
    if not inner:
        root = tree_in(root)
    # Without the reference: another branch or tag of it is the same source at another commit.
    name = f"{address}#:{inner}" if inner else address
    return Opened(root, None, name, commit)


def _git(*arguments: str, hint: str = "") -> str:
    """What git writes; ``hint`` is added to the words of a refusal."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            done = subprocess.run(
                [*GIT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=CLONE_PATIENCE_S,
                env=_quiet_environment(),
                preexec_fn=_limit_files,
                restore_signals=False,  # SIGXFSZ stays ignored: git says what was too large
                check=False,
            )
        except FileNotFoundError:
            raise Declined("git is not installed on this machine.", code="no_git") from None
        except subprocess.TimeoutExpired:
            raise Declined(
                f"git did not finish within {CLONE_PATIENCE_S:.0f} s.", code="git_failed"
            ) from None
        if "File too large" in done.stderr:
            raise _too_large()
        if done.returncode:
            words = done.stderr.strip().splitlines()
            raise Declined(f"git: {words[-1] if words else 'failed'}{hint}", code="git_failed")
        output.seek(0)
        return output.read()


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))


def _too_large() -> Declined:
    return Declined(
        f"The repository holds more than {MAX_BYTES >> 20} MiB at that commit. Keep competitions "
        "and problems in one of their own.",
        code="repository_too_large",
    )


def _quiet_environment() -> dict[str, str]:
    """Nothing that points git at another repository, or lets it or ssh ask somebody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
