"""Homes with one, two and three months published, made once; and a cache for readers' copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.warehouse.publications import bring_up, month
from tests.warehouse.purchases import open_ledger


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> list[Path]:
    """Copies of one home after each of its publications: nobody changes them."""
    folder = tmp_path_factory.mktemp("publications")
    home = folder / "home"
    shutil.copytree(empty_home, home)
    copies = []
    with open_ledger(home) as ledger:
        for number in range(3):
            month(ledger, number)
            bring_up(home, ledger)
            copies.append(folder / f"after-{number}")
            shutil.copytree(home / "published", copies[-1] / "published")
    return copies


@pytest.fixture
def home(tmp_path: Path, homes: list[Path]) -> Path:
    """A home of its own with the first publication; `move_on` brings the next ones."""
    return move_on(tmp_path / "home", homes[0])


def move_on(home: Path, publication: Path) -> Path:
    """Give a home another publication. It keeps its notes on addresses."""
    notes = home / "published" / ".private" / "bucket"
    kept = home / "notes"
    if notes.exists():
        shutil.move(notes, kept)
    shutil.rmtree(home / "published", ignore_errors=True)
    shutil.copytree(publication / "published", home / "published")
    if kept.exists():
        shutil.move(kept, notes)
    return home


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
