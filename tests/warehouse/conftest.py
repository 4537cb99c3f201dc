"""One published market for every test that only reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse import market


@pytest.fixture(scope="session")
def market_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of tests.warehouse.market, published. Nobody writes to it."""
    return market.build(tmp_path_factory.mktemp("market"))
