"""Imports point one way: towards ``judge.protocol``. Who may import whom is the table here."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SERVED = {
    "kernelbot",
    "kernelbot.app",
    "kernelbot.services",
    "kernelbot.domain",
    "kernelbot.judge.protocol",
    "kernelbot.report",
    "kernelbot.errors",
    "kernelbot.config",
    "kernelbot.logs",
}
"""What a channel that runs beside the services may import."""

# Of ours. A longer name wins over a shorter one; a package may always import itself.
ALLOWED: dict[str, set[str]] = {
    "kernelbot.errors": set(),
    "kernelbot.config": set(),
    "kernelbot.logs": {"kernelbot.config"},
    "kernelbot.judge": {"kernelbot"},
    "kernelbot.judge.inside": set(),  # a copy of it runs alone, behind the fence
    "kernelbot.domain": {"kernelbot.judge.protocol", "kernelbot.errors"},
    "kernelbot.storage": {
        "kernelbot.domain",
        "kernelbot.judge.protocol",
        "kernelbot.errors",
        "kernelbot.config",
    },
    "kernelbot.launchers": {
        "kernelbot.domain.target",
        "kernelbot.judge.protocol",
        "kernelbot.judge.staging",
        "kernelbot.judge.template",
        "kernelbot.judge.artefacts",
        "kernelbot.judge.folders",
        "kernelbot.judge.parcels",
        "kernelbot.errors",
    },
    "kernelbot.report": {"kernelbot.domain", "kernelbot.judge.protocol"},
    # What an author learns about a problem; like the judge, the only other who runs its code.
    "kernelbot.checking": {"kernelbot.judge", "kernelbot.domain", "kernelbot.errors"},
    # Tasks of other collections become folders of ours: text to text.
    "kernelbot.importing": {"kernelbot.domain", "kernelbot.errors"},
    "kernelbot.services": {
        "kernelbot.domain",
        "kernelbot.storage",
        "kernelbot.launchers.base",
        "kernelbot.judge.protocol",
        "kernelbot.judge.artefacts",
        "kernelbot.judge.parcels",
        "kernelbot.judge.shipping",
        "kernelbot.checking.ledger",
        "kernelbot.report",
        "kernelbot.errors",
        "kernelbot.config",
    },
    "kernelbot.api": SERVED,
    "kernelbot.bot": SERVED,
    "kernelbot.cli": {
        "kernelbot",
        "kernelbot.checking.findings",
        "kernelbot.checking.ledger",
        "kernelbot.checking.skeleton",
        "kernelbot.importing",
        "kernelbot.domain",
        "kernelbot.judge.protocol",
        "kernelbot.judge.staging",
        "kernelbot.judge.template",
        "kernelbot.services.catalog",
        "kernelbot.services.checks",
        "kernelbot.services.devices",
        "kernelbot.services.schema",
        "kernelbot.report",
        "kernelbot.errors",
        "kernelbot.config",
    },
    # Composition: the processes themselves.
    "kernelbot.cli.up": {"kernelbot"},
    "kernelbot.cli.demo": {"kernelbot"},
    "kernelbot.cli.db": {"kernelbot"},
    "kernelbot.cli.competition_files": {"kernelbot"},
    "kernelbot.app": {"kernelbot"},
    "kernelbot.worker": {"kernelbot"},
    "kernelbot.__main__": {"kernelbot.cli"},
    "kernelbot": set(),
    "runners": {"kernelbot.judge"},
    # What a worker judges with on its own machine, and nothing that knows a database.
    "runners.agent": {
        "kernelbot.judge",
        "kernelbot.launchers.base",
        "kernelbot.launchers.devices",
        "kernelbot.launchers.local",
        "kernelbot.domain.target",
    },
}

INSIDE = "kernelbot.judge.inside"
STANDARD = set(sys.stdlib_module_names)
THIRD_PARTY: dict[str, set[str]] = {
    "kernelbot.errors": set(),
    "kernelbot.judge": {"torch", "triton"},
    "kernelbot.checking": {"torch"},
    "kernelbot.domain": set(),
    "kernelbot.importing": set(),
    "kernelbot.report": set(),
    "runners": set(),
    "runners.canary": {"torch"},  # what is judged, and what it is checked with
    "runners.modal_app": {"modal", "yaml"},  # yaml where it is deployed only
    # The extra "agent", and torch in its self-test's own process.
    "runners.agent": {"httpx2", "structlog", "torch"},
    "kernelbot.domain.target": set(),
    "kernelbot.launchers.base": set(),
    "kernelbot.launchers.devices": set(),
    "kernelbot.launchers.local": {"structlog"},
    "kernelbot.launchers.template": set(),
}


def modules() -> Iterator[tuple[str, Path]]:
    for top in ("kernelbot", "runners"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            yield ".".join(parts), path


def imports(path: Path, module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if module.startswith(f"{INSIDE}."):
                # The copy has no parent, so its parts know each other by relative names only.
                if node.level:
                    base = f"{INSIDE}.{base}".rstrip(".")
                elif base.startswith("inside."):
                    base = INSIDE + base.removeprefix("inside")
            else:
                assert node.level == 0, f"{module} imports relatively; write the whole name"
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if is_module(full) else base


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def within(name: str, package: str) -> bool:
    # "kernelbot" itself holds only the version; importing it is not importing everything in it.
    if package == "kernelbot":
        return name == "kernelbot"
    return name == package or name.startswith(package + ".")


def rule_for(module: str, table: dict[str, set[str]]) -> str | None:
    fitting = [
        package
        for package in table
        if module == package or (module.startswith(package + ".") and package != "kernelbot")
    ]
    return max(fitting, key=len, default=None)


COMPOSITION = {
    "kernelbot.app",
    "kernelbot.worker",
    "kernelbot.cli.up",
    "kernelbot.cli.demo",
    "kernelbot.cli.db",
    "kernelbot.cli.competition_files",
}


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_a_module_imports_only_what_its_layer_may(module: str, path: Path) -> None:
    rule = rule_for(module, ALLOWED)
    assert rule is not None, f"{module} is in no layer of the table"

    ours = [
        name for name in imports(path, module) if name.split(".")[0] in ("kernelbot", "runners")
    ]
    wrong = [
        name
        for name in ours
        if rule not in COMPOSITION
        and not within(name, rule)
        and not any(within(name, allowed) for allowed in ALLOWED[rule])
    ]

    assert not wrong, f"{module} ({rule}) may not import {wrong}"


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_the_light_layers_need_no_package(module: str, path: Path) -> None:
    rule = rule_for(module, THIRD_PARTY)
    if rule is None:
        return

    roots = {name.split(".")[0] for name in imports(path, module)}
    foreign = roots - STANDARD - {"kernelbot", "runners"} - THIRD_PARTY[rule]

    assert not foreign, f"{module} imports {foreign}"


def test_only_the_judge_of_the_light_layers_touches_torch_and_only_inside_functions() -> None:
    for module, path in modules():
        if not within(module, "kernelbot.judge"):
            continue
        tree = ast.parse(path.read_text())
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        named = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        named |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
        assert not {name for name in named if name.split(".")[0] in ("torch", "triton")}, module


def test_modal_s_package_is_imported_by_its_app_and_inside_functions_of_its_launcher_only() -> None:
    for module, path in modules():
        if module == "runners.modal_app":
            continue
        anywhere = {name.split(".")[0] for name in imports(path, module)}
        assert "modal" not in anywhere or module == "kernelbot.launchers.modal", module
        tree = ast.parse(path.read_text())
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        named = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        named |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
        assert not {name for name in named if name.split(".")[0] == "modal"}, module


def test_sql_is_written_only_in_storage() -> None:
    for module, path in modules():
        if within(module, "kernelbot.storage"):
            continue
        assert "sqlalchemy.text" not in set(imports(path, module)), f"{module} writes SQL"
        text = path.read_text()
        assert "from sqlalchemy import text" not in text, f"{module} writes SQL"


def test_there_is_no_cycle_between_modules() -> None:
    known = dict(modules())
    graph = {
        name: {other for other in imports(path, name) if other in known and other != name}
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for other in sorted(graph[name]):
            visit(other, (*trail, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())
