"""Bound a price by what was accepted before: the dearest of the last 30 days, and a base that an operator accepted.

Against the base alone a price could jump back to it after months far below; against the last price alone it climbs a
quarter at a time for ever, and one promotional price locks the ordinary one out. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from payer.policy.rules import MILLION, Drift
from payer.values.money import Amount
from payer.values.terms import AcceptedPrice, Quote

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The highest price that drift allows, in atomic units; the prices it comes from, as text; the policy key."""

    highest: int
    text: str
    key: str

    @property
    def advice(self) -> str:
        return (
            f"if the rise is right, `tollbook accept-price` makes it the base; {self.key} is how far a price may rise"
        )


def highest_allowed(history: Sequence[AcceptedPrice], base: int, drift: int, now: datetime) -> int:
    """Return the highest price that may be accepted now.

    At most `drift` (in millionths) above the base; and above it at most as far over the dearest price accepted in the
    last 30 days. What is not above the base is never refused: an operator accepted that price.
    """
    recent = [price.amount for price in history if now - price.at <= WINDOW]
    over_base = _over(base, drift)
    return min(over_base, max(base, _over(max(recent), drift))) if recent else over_base


def limit_of(quote: Quote, drift: Drift, now: datetime) -> PriceLimit:
    base, asset = quote.fixed_base, quote.terms.asset
    highest = highest_allowed(quote.accepted, base, drift.millionths, now)
    text = f"the base price, {Amount(base, asset)}"
    if highest < _over(base, drift.millionths):
        dearest = max(price.amount for price in quote.accepted if now - price.at <= WINDOW)
        text = f"{text}, and over the dearest of the last 30 days, {Amount(dearest, asset)}"
    return PriceLimit(highest, text, drift.key)


def with_price(history: Sequence[AcceptedPrice], amount: int, at: datetime) -> tuple[AcceptedPrice, ...]:
    """Return the history after one more price, without those that can't be the dearest of 30 days any more."""
    dearer = (price for price in history if price.amount > amount and at - price.at <= WINDOW)
    return (*dearer, AcceptedPrice(at, amount))


def _over(price: int, drift: int) -> int:
    return price * (MILLION + drift) // MILLION
