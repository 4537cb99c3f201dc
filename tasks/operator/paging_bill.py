"""The bill of gaps that are bought by paging: a listing without dates is read from its newest row on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payer.values.money import Amount
from sources import registry
from sources.slots import is_listing, slot
from tasks.buy.plan import last_price
from tasks.operator.sample import sample_order
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PagingBill:
    """Calls that read a listing down to its oldest gap, with their price; `amount` is the word unknown without one."""

    dataset: str
    first: datetime
    slots: int
    calls: int
    amount: str

    @property
    def command(self) -> str:
        return f"tollbook backfill {self.dataset} --from {self.first:%Y-%m-%d}"

    def document(self) -> dict[str, Any]:
        names = {"dataset": self.dataset, "from": self.first.isoformat(), "slots": self.slots, "calls": self.calls}
        return {**names, "amount": self.amount, "command": self.command}


def paging_bills(ws: Workspace, gaps: Sequence[Mapping[str, Any]]) -> list[PagingBill]:
    """Bill each listing's gaps once. `gaps` has per dataset the first missing time, and counts of keys and slots."""
    listings = {dataset.name: dataset for dataset in registry.datasets() if is_listing(dataset)}
    bills = []
    for gap in gaps:
        dataset = listings.get(gap["dataset"])
        if dataset is None or dataset.paging is None:
            continue
        first = gap["first"] if isinstance(gap["first"], datetime) else datetime.fromisoformat(gap["first"])
        rows = gap["keys"] * (slot(dataset, ws.clock.now()) - slot(dataset, first) + 1) * (dataset.rows_per_cell or 1)
        calls = -(-rows // dataset.paging.rows)
        bills.append(PagingBill(dataset.name, first, gap["slots"], calls, _amount(ws, dataset.name, calls)))
    return bills


def _amount(ws: Workspace, name: str, calls: int) -> str:
    dataset = registry.dataset(name)
    try:
        price = last_price(ws, sample_order(ws, dataset))
    except BadRequest:
        price = None
    return "unknown" if price is None else f"{Amount(price * calls, ws.asset(dataset.seller))}"
