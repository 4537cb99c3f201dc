"""Homes that tests start from or read, each made once: creating the tables takes longest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payer.ledger import Ledger
from sources import registry
from sources.model import Dataset
from tests.warehouse import sample_market
from tests.warehouse.empty_home import shared_empty_home
from tests.warehouse.purchases import open_ledger
from warehouse.publish.views.table_parts import lake_mark


@pytest.fixture(scope="session")
def empty_home() -> Path:
    """Made once for all workers; tests take copies."""
    return shared_empty_home()


@pytest.fixture
def ledger(tmp_path: Path, empty_home: Path) -> Iterator[Ledger]:
    """The ledger of a copy of it, at tmp_path."""
    shutil.copytree(empty_home, tmp_path, dirs_exist_ok=True)
    with open_ledger(tmp_path) as opened:
        yield opened


@pytest.fixture
def with_lake(tmp_path: Path) -> None:
    """A lake is written from the home at tmp_path: its publications carry digests."""
    mark = lake_mark(tmp_path / "published")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


@pytest.fixture
def redeclared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Dataset], Dataset]], None]]:
    """Change declarations of the grades for the rest of a test."""

    def change(how: Callable[[Dataset], Dataset]) -> None:
        changed = tuple(how(own) if own.table == "grades" else own for own in registry.datasets())
        monkeypatch.setattr(registry, "datasets", lambda: changed)
        registry.forget_cached()

    yield change
    monkeypatch.undo()
    registry.forget_cached()


@pytest.fixture(scope="session")
def market_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of tests.warehouse.sample_market, published. Nobody writes to it."""
    return sample_market.build(tmp_path_factory.mktemp("market"))
