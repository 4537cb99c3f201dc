"""Folders of the repository that tests read: one place to change when the tree does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
VECTORS = ROOT / "tests" / "vectors"
OLDEST = ROOT / ".venv-oldest" / "bin" / "python"
"""The Python of `make test LOCK=oldest`: the oldest DuckDB, with the extensions of a lake, and the oldest Prefect."""
PACKAGES = ("flows", "tasks", "payer", "sources", "warehouse", "sandbox", "tollbook", "tollbook_bucket")
"""Everything that ships, by its top folder."""


def source_files() -> Iterator[Path]:
    """Every Python file that ships, in a stable order."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
