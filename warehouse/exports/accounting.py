"""Export CSV for bookkeeping: a line per purchase and, as a file of its own, the months' totals with balances.

One rule for dates here and in the cost views: a purchase belongs to the day and month (UTC) in which it settled, and
until it has, to those in which it was ordered. What is proven spent and what may still be are never in one column; a
loss is the part of what was spent that brought nothing. The payer pays no fee: the seller's facilitator pays the gas.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Protocol, TextIO

from payer.values.ledger_reads import CostRow, LedgerReader
from payer.values.money import exact_decimal


class Range(Protocol):
    """A range of UTC days."""

    def holds(self, when: datetime) -> bool: ...
    def is_after(self, when: datetime) -> bool: ...


_LINE = (
    *("date", "time_utc", "document", "description", "seller", "flow", "run", "network", "asset"),
    *("amount", "pending", "loss", "fee", "status", "wallet", "payee", "nonce"),
    *("transaction", "block", "block_time_utc"),
)
_TOTAL = (
    *("month", "network", "asset", "wallet", "purchases", "opening_balance", "amount", "closing_balance"),
    *("pending", "loss", "fee"),
)
_SPENT = "spent"


def export_accounting(ledger: LedgerReader, out: TextIO, during: Range) -> None:
    """Write a line per purchase that cost or may cost money, by time: `amount` if proven spent, else `pending`.

    `loss` is the part of `amount` that brought nothing that can be used.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_LINE)
    for row in _counted(ledger):
        if not during.holds(_when(row)):
            continue
        amount = _text(row.amount_atomic, row.decimals)
        settled = (row.tx_hash, row.block_number, f"{row.block_time:%Y-%m-%dT%H:%M:%SZ}" if row.block_time else "")
        writer.writerow(
            [
                *(f"{_when(row):%Y-%m-%d}", f"{_when(row):%H:%M:%S}", row.purchase_id),
                *(f"{row.dataset} {row.edition}", row.seller, row.flow, row.run_id, row.network, row.asset),
                *((amount, "") if row.money == _SPENT else ("", amount)),
                *(_text(_loss(row), row.decimals), _text(0, row.decimals)),
                "undelivered" if row.undelivered else "failed" if row.failure else row.money,
                *(row.wallet, row.payee or "", row.nonce),
                *(settled if row.verified_on_chain else ("", "", "")),
            ]
        )


def export_totals(ledger: LedgerReader, out: TextIO, during: Range) -> None:
    """Write the sums by month, network, asset and wallet, with the balance before and after.

    The balance is that of the account of payments to sellers: all that was spent since the ledger's beginning. An
    account without a purchase in the range has one line without a month, so that its balance is there.
    """
    lines = [line for account in _accounts(ledger).values() for line in _months(account, during)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_TOTAL)
    writer.writerows(sorted(lines))


def _accounts(ledger: LedgerReader) -> dict[tuple[str, str, str], list[CostRow]]:
    accounts: dict[tuple[str, str, str], list[CostRow]] = {}
    for row in _counted(ledger):
        accounts.setdefault((row.network, row.asset, row.wallet), []).append(row)
    return accounts


def _months(rows: list[CostRow], during: Range) -> Iterator[list[str]]:
    """The lines of one wallet's account in one asset, from its purchases in the order of time."""
    balance = sum(_spent(row) for row in rows if during.is_after(_when(row)))
    held = [row for row in rows if during.holds(_when(row))]
    months = [(month, [*each]) for month, each in groupby(held, key=lambda row: f"{_when(row):%Y-%m}")]
    for month, each in months or [("", [])]:
        spent = sum(map(_spent, each))
        pending = sum(row.amount_atomic for row in each) - spent
        amounts = (balance, spent, balance + spent, pending, sum(map(_loss, each)), 0)
        account = (month, rows[0].network, rows[0].asset, rows[0].wallet, str(len(each)))
        yield [*account, *(_text(amount, rows[0].decimals) for amount in amounts)]
        balance += spent


def _counted(ledger: LedgerReader) -> list[CostRow]:
    """Purchases that cost or may cost money, in the order of time."""
    return sorted((row for row in ledger.cost_rows() if row.money != "void"), key=lambda r: (_when(r), r.purchase_id))


def _spent(row: CostRow) -> int:
    return row.amount_atomic if row.money == _SPENT else 0


def _loss(row: CostRow) -> int:
    return row.loss_atomic if row.money == _SPENT else 0


def _when(row: CostRow) -> datetime:
    return row.block_time or row.created_at


def _text(amount_atomic: int, decimals: int) -> str:
    return format(exact_decimal(amount_atomic, decimals) or 0, "f")
