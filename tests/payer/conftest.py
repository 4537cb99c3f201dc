"""An open ledger, on each store in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payer.ledger import Ledger
from tests.payer import scripted


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _close_scripted_ledgers() -> Iterator[None]:
    yield
    scripted.close_ledgers()
