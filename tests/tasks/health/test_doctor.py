"""Checks of `doctor` that need no world."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tasks.health.doctor import _published
from tasks.health.finding import Check


def check(home: Path) -> Check:
    workspace: Any = SimpleNamespace(home=home)
    return asyncio.run(_published(workspace))


def test_the_log_of_whoever_wrote_to_the_published_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    assert check(tmp_path).ok
    (tmp_path / "published").mkdir()
    log = tmp_path / "published" / "warehouse.duckdb.wal"
    log.write_bytes(b"")
    found = check(tmp_path)
    assert (found.ok, found.exit_code) == (False, 2)
    assert str(log) in found.detail
    assert "delete warehouse.duckdb.wal" in found.fix
    log.unlink()
    assert check(tmp_path).ok


def test_a_published_file_that_was_changed_is_named(tmp_path: Path) -> None:
    (tmp_path / "published" / ".private").mkdir(parents=True)
    (tmp_path / "published" / "warehouse.duckdb").write_bytes(b"changed")
    found = check(tmp_path)
    assert (found.ok, found.exit_code) == (False, 2)
    assert "tollbook rebuild" in found.fix
