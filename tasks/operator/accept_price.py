"""Accept a price: make what a seller asks now the base that price drift is measured from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from payer.values.money import Amount
from payer.values.request import Order
from payer.values.terms import Quote
from sources import registry
from tasks.operator.sample import sample_order
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.model import Dataset


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
        kept = await ws.in_thread(_kept, ws, order)
        if kept is None and dataset.name != name:
            continue
        terms = await ws.payer.offered_price(order)
        offered = Quote(order.request.endpoint, order.seller, terms, ws.clock.now())
        if kept is None or kept.fixed_base != terms.amount:
            moves.append(PriceMove(dataset.name, None if kept is None else kept.fixed_base, offered))
    return moves


def _kept(ws: Workspace, order: Order) -> Quote | None:
    return ws.ledger.quote(order.request.endpoint, ws.asset(order.seller))


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
