"""Problems that somebody could have written, audited in one process."""

from __future__ import annotations

from pathlib import Path

from kernelbot.checking import findings
from kernelbot.checking.findings import Audit, Level
from kernelbot.cli import problem_check
from kernelbot.services.catalog import load_problem


def audited(root: Path, problems: dict[str, tuple[str, str, str]]) -> dict[str, Audit]:
    """Audits by name of problems, each given as its reference, its tolerance and more of its YAML."""
    loaded = []
    for name, (reference, tolerance, more) in problems.items():
        folder = root / name
        folder.mkdir()
        (folder / "reference.py").write_text(reference)
        (folder / "statement.md").write_text("Do it.")
        (folder / "problem.yaml").write_text(
            f"name: {name}\ntitle: A\nlanguages: [python]\ntests: [{{size: 17}}]\n"
            f"benchmarks: [{{size: 40}}]\ntolerance: {tolerance}\n{more}"
        )
        loaded.append(load_problem(folder))
    return {audit.problem: audit for audit in problem_check.audited(loaded, "cpu")}


def told(audit: Audit, level: Level) -> str:
    return "\n".join(item.text for item in findings.of_audit(audit) if item.level is level)
