"""Accept losses: the operator approval without which a purchase that was paid for is never bought again (I2).

A loss is a purchase that was never delivered, or a failed delivery, whose body can't be used. First they are found and
shown with what was paid for them; then they are booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from payer.values.events import LossAccepted
from payer.values.money import Amount
from payer.values.purchase import Data, Money, Purchase
from tasks.request.model import BadRequest
from tasks.workspace.check_body import check_body
from tasks.workspace.run import operator_name
from tasks.workspace.workspace import Workspace
from warehouse.load.rebuild import rebuild


@dataclass(frozen=True, slots=True)
class Losses:
    """Purchases whose loss may be accepted, or is accepted now, and those left alone, each with why."""

    purchases: tuple[Purchase, ...]
    skipped: tuple[tuple[Purchase, str], ...] = ()

    @property
    def amounts(self) -> dict[str, str]:
        """The sums that were paid for them, as decimals by asset symbol."""
        assets = {purchase.asset.symbol: purchase.asset for purchase in self.purchases}
        totals: Counter[str] = Counter()
        for purchase in self.purchases:
            totals[purchase.asset.symbol] += purchase.cost
        return {symbol: Amount(total, assets[symbol]).decimal for symbol, total in totals.items()}


def losses_by_id(ws: Workspace, purchase_ids: Sequence[str]) -> Losses:
    """Find the losses with these ids. Raises BadRequest for a purchase that doesn't exist or isn't lost."""
    purchases = []
    for purchase_id in dict.fromkeys(purchase_ids):
        purchase = ws.ledger.get(purchase_id)
        if purchase is None:
            advice = "`tollbook status` lists the undelivered and the failed ones"
            raise BadRequest(f"there is no purchase {purchase_id!r}; no loss was accepted", advice=advice)
        _check(ws, purchase)
        purchases.append(purchase)
    return Losses(tuple(purchases))


def losses_of(ws: Workspace, seller: str | None) -> Losses:
    """Find every loss that nobody has accepted, undelivered and failed alike, of one seller or of all (None).

    One that may not be accepted yet, because its payment is not proved or a reorg could bring it back, is skipped.
    Raises BadRequest for a seller that neither policy nor a lost purchase names.
    """
    lost = {p.purchase_id: p for p in (*ws.ledger.undelivered(), *ws.ledger.failed_deliveries())}
    sellers = {*ws.policy.sellers, *(purchase.order.seller for purchase in lost.values())}
    if seller is not None and seller not in sellers:
        raise BadRequest(f"there is no seller {seller!r}", advice=f"there are: {', '.join(sorted(sellers))}")
    ready, skipped = [], []
    for purchase in sorted(lost.values(), key=lambda purchase: purchase.created_at):
        if seller not in (None, purchase.order.seller):
            continue
        try:
            _check(ws, purchase)
        except BadRequest as why:
            skipped.append((purchase, f"{why.what}; {why.fix}"))
        else:
            ready.append(purchase)
    return Losses(tuple(ready), tuple(skipped))


def accept(ws: Workspace, losses: Losses) -> Losses:
    """Book losses in one commit. One that another process changed since it was found is skipped.

    A body that can't be used is kept, and the cache rebuilt without the cells it covered.
    """
    event = LossAccepted(at=ws.clock.now(), by=operator_name())
    booked = ws.ledger.append_all([(purchase, [event]) for purchase in losses.purchases])
    done = {purchase.purchase_id for purchase in booked}
    if any(purchase.data is Data.DELIVERED for purchase in booked):
        rebuild(ws.home, ws.ledger)
    why = "another process changed it meanwhile; look at it with `tollbook status`"
    changed = [(p, f"{p.purchase_id}: {why}") for p in losses.purchases if p.purchase_id not in done]
    return Losses(tuple(booked), (*losses.skipped, *changed))


def _check(ws: Workspace, purchase: Purchase) -> None:
    if purchase.loss_accepted:
        raise BadRequest(
            f"the loss of {purchase.purchase_id} is accepted already",
            advice="run the flow again to buy it; if this was interrupted, `tollbook rebuild` first",
        )
    if purchase.data is Data.DELIVERED and _failed(ws, purchase):
        if purchase.money is Money.EXPOSED:
            raise BadRequest(
                f"the payment of {purchase.purchase_id} is not proved yet", advice="run `tollbook recover` first"
            )
    elif not (purchase.undelivered or purchase.burned):
        raise BadRequest(
            f"{purchase.purchase_id} is not lost: its money is {purchase.money}, its data {purchase.data}",
            advice="nothing needs to be accepted; `tollbook recover` carries open purchases on",
        )
    if purchase.settling:
        raise BadRequest(
            f"the payment of {purchase.purchase_id} is not final yet: a reorg could bring it back beside the next",
            advice="run `tollbook recover` in some minutes, then accept the loss",
        )


def _failed(ws: Workspace, purchase: Purchase) -> bool:
    """True for a body that can't be used, as booked when it arrived or, in an older ledger, judged now."""
    delivery = ws.ledger.delivery(purchase.purchase_id)
    return bool(purchase.failure or (delivery is not None and check_body(delivery)))
