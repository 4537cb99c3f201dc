"""The house can be seen at once: no circle, no arrow that runs up, no folder or file too large for one look."""

from __future__ import annotations

from collections import Counter
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.paths import ROOT, source_files
from tests.structure.modules import arrows, imports, is_ours, modules

FLOORS = {
    "payer": (
        "values",
        "stop",
        "wire",
        "environment",
        "policy",
        "http",
        "chain",
        "ledger",
        "wallet",
        "spool",
        "context",
        "elsewhere",
        "buy",
        "settle",
        "payer",
        "paid_transport",
    ),
    "sources": (
        "model",
        "shown",
        "slots",
        "sellers",
        "declaration",
        "registry",
        "parse",
        "planner",
        "coverage",
        "as_toml",
    ),
    "warehouse": (
        "errors",
        "cache",
        "dictionary",
        "coverage",
        "load",
        "snapshots",
        "publish",
        "bucket",
        "lake",
        "query",
        "exports",
        "audit",
    ),
    "tasks": (
        "workspace",
        "bucket",
        "lake",
        "request",
        "calls",
        "buy",
        "reference",
        "setup",
        "operator",
        "ops",
        "health",
        "report",
        "metrics",
        "prefect",
    ),
}
"""The rooms of each package from the ground up: a room imports only those before it."""

MOST_MODULES = 12
ONE_OF_A_KIND = {"tollbook/cli/verbs", "sources/sellers", "payer/ledger/database/migrations/versions"}
"""Folders where each file is one of a kind: a verb, a seller, a migration."""
MOST_LINES = 300

STARTS_LAZILY = ("tollbook/", "tasks/workspace/workspace.py", "tasks/workspace/cache_trouble.py")
"""Where imports of ours stand inside functions, for the start-up time of a verb (docs/architecture.md)."""


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not for their types either: who reads one would have to read the other first."""
    known = modules()
    graph = {name: {other for other in seen if other in known} for name, seen in arrows(typing=True).items()}
    packages = {name for name, path in known.items() if path.name == "__init__.py"}
    try:
        TopologicalSorter({name: seen - packages for name, seen in graph.items() if name not in packages}).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


@pytest.mark.parametrize("package", FLOORS)
def test_no_room_imports_one_that_stands_above_it(package: str) -> None:
    floors = FLOORS[package]
    upward = [
        f"{name} -> {other}"
        for name, seen in arrows().items()
        for other in seen
        if name.startswith(f"{package}.") and other.startswith(f"{package}.")
        if floors.index(name.split(".")[1]) < floors.index(other.split(".")[1])
    ]
    assert upward == []


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_has_its_floor(package: str) -> None:
    found = {name.split(".")[1] for name in modules() if name.startswith(f"{package}.")}
    assert found == set(FLOORS[package])


def test_a_folder_holds_no_more_modules_than_can_be_seen_at_once() -> None:
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in source_files() if path.name != "__init__.py")
    wide = {folder: count for folder, count in folders.items() if count > MOST_MODULES and folder not in ONE_OF_A_KIND}
    assert wide == {}


def test_no_file_is_longer_than_one_subject_needs() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in source_files()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_imports_of_ours_stand_at_the_top_of_a_file_save_where_a_verb_has_to_start_fast() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{one.line} {one.module}"
        for path in source_files()
        for one in imports(path)
        if one.in_function and is_ours(one.module) and not str(path.relative_to(ROOT)).startswith(STARTS_LAZILY)
    ]
    assert hidden == []
