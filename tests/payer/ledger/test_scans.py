"""Transfers scanned from the chain."""

from __future__ import annotations

from dataclasses import replace

from payer.ledger import Ledger
from payer.values.chain_view import TransferOut
from tests.payer import purchases as p

SEEN = TransferOut("0x" + "aa" * 32, 3, 100, "0x" + "bb" * 32, p.PAYEE, p.PRICE, "0x" + "cc" * 32)


def close(ledger: Ledger, first: int, last: int, *seen: TransferOut) -> None:
    ledger.close_scan(p.USDC, p.PAYER, first, last, seen, p.NOW)


def test_a_transfer_that_a_deep_reorg_moved_is_kept_once_where_it_is_now(ledger: Ledger) -> None:
    """Below the blocks that are read again each time, with the same log index or another."""
    close(ledger, 0, 200, SEEN)
    for moved in (replace(SEEN, block_number=300), replace(SEEN, block_number=310, log_index=4)):
        close(ledger, 250, 400, moved)
        assert ledger.transfers_seen(p.USDC, p.PAYER) == [moved]


def test_blocks_read_again_reopen_nothing(ledger: Ledger) -> None:
    close(ledger, 0, 200)
    close(ledger, 50, 60, replace(SEEN, block_number=55))
    assert ledger.scanned_through(p.USDC, p.PAYER) == 200
    assert [one.block_number for one in ledger.transfers_seen(p.USDC, p.PAYER)] == [55]
