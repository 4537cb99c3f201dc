"""The election of a publisher, for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from payer.ledger import Ledger
from payer.ledger.workers import Elected


@contextmanager
def election(ledger: Ledger) -> Iterator[Elected | None]:
    """Take the publisher's lock, None where another worker holds it; release it at the end of the block."""
    elected = ledger.workers.publisher.try_elect()
    try:
        yield elected
    finally:
        if elected is not None:
            elected.release()
