"""Export CSV for bookkeeping: a line per purchase and, as a file of its own, the months' totals.

One rule for dates here and in the cost views: a purchase belongs to the day and month (UTC) in which it settled, and
until it has, to those in which it was ordered. What is proven spent and what may still be are never in one column.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import datetime
from typing import TextIO

from payer.values.ledger_reads import CostRow, LedgerReader
from payer.values.money import exact_decimal

_LINE = (
    *("date", "time_utc", "document", "description", "seller", "flow", "run", "network", "asset"),
    *("amount", "pending", "status", "transaction", "block"),
)
_TOTAL = ("month", "network", "asset", "purchases", "amount", "pending")
_SPENT = "spent"


def export_accounting(ledger: LedgerReader, out: TextIO) -> None:
    """Write a line per purchase that cost or may cost money, by date: `amount` if proven spent, else `pending`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_LINE)
    for row in sorted(_counted(ledger), key=lambda r: (_when(r), r.purchase_id)):
        amount = _text(row.amount_atomic, row.decimals)
        writer.writerow(
            [
                *(f"{_when(row):%Y-%m-%d}", f"{_when(row):%H:%M:%S}", row.purchase_id),
                *(f"{row.dataset} {row.edition}", row.seller, row.flow, row.run_id, row.network, row.asset),
                *((amount, "") if row.money == _SPENT else ("", amount)),
                "undelivered" if row.undelivered else "failed" if row.failure else row.money,
                *((row.tx_hash, row.block_number) if row.verified_on_chain else ("", "")),
            ]
        )


def export_totals(ledger: LedgerReader, out: TextIO) -> None:
    """Write the sums by month, network and asset."""
    totals: dict[tuple[str, str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in _counted(ledger):
        sums = totals[f"{_when(row):%Y-%m}", row.network, row.asset, row.decimals]
        sums[0] += 1
        sums[1 if row.money == _SPENT else 2] += row.amount_atomic
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_TOTAL)
    for (month, network, asset, decimals), (count, spent, pending) in sorted(totals.items()):
        writer.writerow([month, network, asset, count, _text(spent, decimals), _text(pending, decimals)])


def _counted(ledger: LedgerReader) -> list[CostRow]:
    return [row for row in ledger.cost_rows() if row.money != "void"]


def _when(row: CostRow) -> datetime:
    return row.block_time or row.created_at


def _text(amount_atomic: int, decimals: int) -> str:
    return format(exact_decimal(amount_atomic, decimals) or 0, "f")
