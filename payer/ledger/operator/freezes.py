"""Freeze a seller, or all of them: nothing new is signed until an operator lifts it (`tollbook unfreeze`).

A freeze is read in the transaction that books a signature, so every process on the ledger obeys it from its next
signature on. It stops new money only: what was signed before is presented again and claimed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from payer.ledger.database.engine import OnEngine
from payer.ledger.database.queries import ADD_FREEZE, ALL_FREEZES, DELETE_FREEZE, FREEZES, serialize_caps
from payer.ledger.database.statements import Transaction, transaction
from payer.values.errors import Frozen
from payer.values.events import Event, Signed
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


def check(txn: Transaction, seller: str) -> None:
    """Raise Frozen when the seller, or every seller, is frozen."""
    for row in txn.rows(FREEZES, seller=seller):
        raise Freeze(*row).refusal()


def signs_new_money(purchase: Purchase, events: Iterable[Event]) -> bool:
    """Tell whether the events sign an authorization that the purchase's ledger doesn't hold yet.

    The authorization that settled, taken up again to claim with, is not new.
    """
    signed = [event.authorization for event in events if isinstance(event, Signed)]
    if purchase.money is Money.SPENT and purchase.authorization is not None:
        return False
    return any(authorization != purchase.authorization for authorization in signed)


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
