"""Pay a seller nothing new while an operator has frozen it, or once it kept too much without delivering.

A freeze, of one seller or of all, is read in the transaction that books a signature, so every process on the ledger
obeys it from its next signature on, until an operator lifts it (`tollbook unfreeze`). It stops new money only: what was
signed before is presented again and claimed.

The loss limit (`sellers.NAME.loss_limit` in the policy file) counts purchases that are undelivered, those whose body
can't be used, and those in doubt whose request was answered, or failed, without a delivery. Payments on their way for
the first time are no loss yet, so many calls at once may go beyond the limit. Not counted are those whose answer nobody
here waited for: a process that dies, or is stopped at once, while a healthy seller answers must not lock its user out
(they stay undelivered, and count against the caps).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payer.ledger.database import rows
from payer.ledger.database.engine import OnEngine
from payer.ledger.database.queries import (
    ADD_FREEZE,
    ALL_FREEZES,
    DELETE_FREEZE,
    EVENTS,
    FAILURES,
    FREEZES,
    IN_DOUBT,
    LOSSES,
    MAY_BE_REFUSED,
    serialize_caps,
)
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction, transaction
from payer.values.errors import Frozen, OverBudget
from payer.values.events import Answered, Delivered, Event, Sent, Signed, Unsent
from payer.values.money import Amount, Asset
from payer.values.purchase import Money, Purchase

EVERY_SELLER = "*"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze of one seller, or of all (`EVERY_SELLER`): since when, by whom and why."""

    seller: str
    since: datetime
    by: str
    reason: str

    @property
    def text(self) -> str:
        """One sentence for people."""
        who = "every seller" if self.seller == EVERY_SELLER else self.seller
        why = f": {self.reason}" if self.reason else ""
        return f"{who} is frozen since {self.since:%Y-%m-%d %H:%M} UTC by {self.by}{why}"

    def holds_for(self, sellers: Collection[str]) -> bool:
        """Tell whether it stops buying from any of these sellers."""
        return self.seller in sellers or (self.seller == EVERY_SELLER and bool(sellers))

    def refusal(self) -> Frozen:
        verb = "tollbook unfreeze" if self.seller == EVERY_SELLER else f"tollbook unfreeze {self.seller}"
        return Frozen(self.text, advice=f"run `{verb}` when buying may go on; payments on their way are still finished")


def check_frozen(txn: Transaction, seller: str) -> None:
    """Raise Frozen when the seller, or every seller, is frozen."""
    for row in txn.rows(FREEZES, seller=seller):
        raise Freeze(*row).refusal()


def signs_new_money(purchase: Purchase, events: Iterable[Event]) -> bool:
    """Tell whether the events sign an authorization that the purchase's ledger doesn't hold yet.

    The authorization that settled, taken up again to claim with, is not new.
    """
    signed = [event.authorization for event in events if isinstance(event, Signed)]
    if not signed or (purchase.money is Money.SPENT and purchase.authorization is not None):
        return False
    return any(authorization != purchase.authorization for authorization in signed)


def check_seller(txn: Transaction, purchase: Purchase, events: Sequence[Event], seller_loss_limit: int | None) -> None:
    """Raise Frozen for a signature over new money, and OverBudget at the seller's loss limit."""
    signing, seller = signs_new_money(purchase, events), purchase.order.seller
    if not signing and seller_loss_limit is None:
        return
    if not txn.scalar(MAY_BE_REFUSED, seller=seller, asset=asset_key(purchase.asset)):
        return
    if signing:
        check_frozen(txn, seller)
    if seller_loss_limit is not None:
        check_losses(txn, seller, purchase.asset, seller_loss_limit)


def check_losses(txn: Transaction, seller: str, asset: Asset, limit: int) -> None:
    """Raise OverBudget when a seller kept `limit` atomic units or more for nothing; at 0, when it kept anything."""
    where = {"seller": seller, "asset": asset_key(asset)}
    undelivered: dict[str, int] = dict(txn.rows(LOSSES, **where))
    failed = sum(row[0] for row in txn.rows(FAILURES, **where))
    in_doubt = (rows.purchase(doc) for (doc,) in txn.rows(IN_DOUBT, **where))
    doubts = {p.purchase_id: p.committed for p in in_doubt if p.at_risk}
    threshold = max(limit, 1)
    if failed + sum(undelivered.values()) + sum(doubts.values()) < threshold:
        return
    lost, doubt = (_by_the_seller(txn, amounts) for amounts in (undelivered, doubts))
    at_risk = failed + lost + doubt
    if at_risk < threshold:
        return
    took = "took" if at_risk == lost else "took, or may have taken,"
    what = "did not deliver" if not failed else "delivered nothing that can be used for it"
    raise OverBudget(
        f"{seller} {took} {Amount(at_risk, asset)} and {what} "
        f"(sellers.{seller}.loss_limit is {Amount(limit, asset).decimal})",
        advice="run `tollbook recover`; settle what `tollbook status` lists as lost with the seller, or accept-loss "
        "each; then run again",
    )


def was_left_unheard(events: Iterable[Event]) -> bool:
    """True if a payment was presented, and again later with nothing booked in between, not even a timeout: the process
    that presented it ended before its answer."""
    waiting = False
    for event in events:
        match event:
            case Sent():
                if waiting:
                    return True
                waiting = True
            case Answered() | Delivered() | Unsent():
                waiting = False
    return False


def _by_the_seller(txn: Transaction, amounts: Mapping[str, int]) -> int:
    """Sum the amounts, by purchase id, of those whose answer was waited for. Read only once a limit is in reach."""
    events = {each: (rows.event(kind, doc) for kind, doc in txn.rows(EVENTS, purchase_id=each)) for each in amounts}
    return sum(amount for each, amount in amounts.items() if not was_left_unheard(events[each]))


class Freezes(OnEngine):
    """The part of a ledger about what an operator has frozen."""

    def freeze(self, freeze: Freeze) -> Freeze:
        """Stop every new signature for a seller, or for all; returns the freeze that holds, which may be older."""
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            if (held := _held(txn, freeze.seller)) is not None:
                return held
            txn.run(ADD_FREEZE, seller=freeze.seller, since=freeze.since, frozen_by=freeze.by, reason=freeze.reason)
        return freeze

    def unfreeze(self, seller: str) -> Freeze | None:
        """Lift a freeze by its name; returns it, None when there was none."""
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            held = _held(txn, seller)
            txn.run(DELETE_FREEZE, seller=seller)
        return held

    def freezes(self) -> list[Freeze]:
        """Every freeze that holds now; that of every seller first."""
        with transaction(self._engine, write=False) as txn:
            return [Freeze(*row) for row in txn.rows(ALL_FREEZES)]


def _held(txn: Transaction, seller: str) -> Freeze | None:
    return next((Freeze(*row) for row in txn.rows(ALL_FREEZES) if row[0] == seller), None)
