"""Accept losses: the operator approval without which a purchase that was paid for is never bought again (I2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payer.values.events import LossAccepted
from payer.values.purchase import Data, Money, Purchase
from tasks.operator.name import operator_name
from tasks.request.model import BadRequest
from tasks.workspace.check_body import check_body
from tasks.workspace.workspace import Workspace
from warehouse.load.rebuild import rebuild


@dataclass(frozen=True, slots=True)
class AcceptedLosses:
    """The purchases whose loss is accepted now, and those left alone, each with why."""

    purchases: tuple[Purchase, ...]
    skipped: tuple[tuple[Purchase, str], ...] = ()


def accept_losses(ws: Workspace, purchase_ids: Sequence[str]) -> AcceptedLosses:
    """Book the loss of purchases that were never delivered, or whose bodies can't be used: of all, or of none.

    Such a body is kept, and the cache rebuilt without the cells it covered. Raises BadRequest for a purchase that
    doesn't exist or isn't lost.
    """
    purchases = []
    for purchase_id in dict.fromkeys(purchase_ids):
        purchase = ws.ledger.get(purchase_id)
        if purchase is None:
            advice = "`tollbook status` lists the undelivered ones"
            raise BadRequest(f"there is no purchase {purchase_id!r}; no loss was accepted", advice=advice)
        _check(ws, purchase)
        purchases.append(purchase)
    return AcceptedLosses(_book(ws, purchases))


def accept_undelivered(ws: Workspace, seller: str | None) -> AcceptedLosses:
    """Book the loss of every undelivered purchase, of one seller or of all (None).

    One that may not be accepted yet, because a reorg could bring its payment back, is skipped. Raises BadRequest for a
    seller that neither policy nor an undelivered purchase names.
    """
    undelivered = ws.ledger.undelivered()
    sellers = {*ws.policy.sellers, *(purchase.order.seller for purchase in undelivered)}
    if seller is not None and seller not in sellers:
        raise BadRequest(f"there is no seller {seller!r}", advice=f"there are: {', '.join(sorted(sellers))}")
    ready, skipped = [], []
    for purchase in undelivered:
        if seller not in (None, purchase.order.seller):
            continue
        try:
            _check(ws, purchase)
        except BadRequest as why:
            skipped.append((purchase, f"{why.what}; {why.fix}"))
        else:
            ready.append(purchase)
    return AcceptedLosses(_book(ws, ready), tuple(skipped))


def _book(ws: Workspace, purchases: Sequence[Purchase]) -> tuple[Purchase, ...]:
    """Append each acceptance; raises Conflict for a purchase that another process changed meanwhile."""
    now, by = ws.clock.now(), operator_name()
    lost = tuple(ws.ledger.append(purchase, LossAccepted(at=now, by=by)) for purchase in purchases)
    if any(purchase.data is Data.DELIVERED for purchase in lost):
        rebuild(ws.home, ws.ledger)
    return lost


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
