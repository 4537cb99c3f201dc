"""Prices of datasets: asked with the smallest request, accepted as the base of price drift, summed for paging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payer.values.money import Amount
from payer.values.request import Order
from payer.values.terms import Quote
from sources import registry
from sources.model import Dataset
from sources.planner.held import HeldCells
from sources.planner.plan import plan
from sources.slots import is_listing, slot
from tasks.buy.plan import last_price, order
from tasks.request.model import BadRequest
from tasks.request.names import keys_for, sold_by_key
from tasks.workspace.workspace import Workspace, in_ledger_thread

SAMPLE_KEY = "1"
"""The key to ask an endpoint with that is not sold by token: terms are the same for every key."""


def sample_order(ws: Workspace, dataset: Dataset) -> Order:
    now = ws.clock.now()
    current = slot(dataset, now)
    keys = (SAMPLE_KEY,) if sold_by_key(dataset) else keys_for(ws, dataset)[0]
    sample = plan(dataset, keys[:1], current, current, HeldCells(), at=now, now=now)
    return order(ws, dataset, sample.pieces[0])


@dataclass(frozen=True, slots=True)
class PriceMove:
    """A dataset's base in atomic units, None before its first bill, and the terms that its seller offers now."""

    dataset: str
    base: int | None
    offered: Quote

    @property
    def old(self) -> str:
        return "none yet" if self.base is None else self._text(self.base)

    @property
    def new(self) -> str:
        return self._text(self.offered.terms.amount)

    def _text(self, amount_atomic: int) -> str:
        return str(Amount(amount_atomic, self.offered.terms.asset))

    def document(self) -> dict[str, Any]:
        """One move as `--json` prints it; `old` is null where there was no base."""
        asset = self.offered.terms.asset
        return {
            "dataset": self.dataset,
            "endpoint": self.offered.endpoint,
            "old": None if self.base is None else Amount(self.base, asset).decimal,
            "new": Amount(self.offered.terms.amount, asset).decimal,
            "asset": asset.symbol,
        }


async def price_moves(ws: Workspace, name: str) -> list[PriceMove]:
    """Ask for the current price of a dataset, or of all that were ever quoted of a seller; return those that moved.

    Asks unpaid, and keeps nothing. Raises BadRequest for an unknown name, QuoteUnacceptable for terms that policy
    refuses for another reason than drift, SellerUnreachable.
    """
    moves = []
    for dataset in _datasets(ws, name):
        order = sample_order(ws, dataset)
        kept = await ws.in_thread(lambda made: ws.ledger.quote(made.request.endpoint, ws.asset(made.seller)), order)
        if kept is None and dataset.name != name:
            continue
        terms = await ws.payer.offered_price(order)
        offered = Quote(order.request.endpoint, order.seller, terms, ws.clock.now())
        if kept is None or kept.fixed_base != terms.amount:
            moves.append(PriceMove(dataset.name, None if kept is None else kept.fixed_base, offered))
    return moves


@in_ledger_thread
def accept_prices(ws: Workspace, moves: Sequence[PriceMove]) -> None:
    """Make each offered price the base of its endpoint."""
    for move in moves:
        ws.ledger.accept_price(move.offered)


def _datasets(ws: Workspace, name: str) -> list[Dataset]:
    """Return the dataset of that name, or the seller's, each endpoint once; free ones have no price."""
    if name in ws.policy.sellers:
        found = [dataset for dataset in registry.seller(name).datasets if not dataset.free]
    else:
        found = [dataset for dataset in registry.datasets() if dataset.name == name and not dataset.free]
    if not found:
        raise BadRequest(
            f"{name!r} is no seller of the policy file and no dataset that is sold for money",
            advice="`tollbook probe` lists the datasets of a seller",
        )
    return list({dataset.path: dataset for dataset in found}.values())


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
