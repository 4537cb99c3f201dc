"""Terms for a plan's orders, endpoint by endpoint: what one of them lacks doesn't keep the others from being bought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from payer.values.errors import PayerError, QuoteUnacceptable, SellerUnreachable, Unreachable
from payer.values.request import Order
from payer.values.terms import Quote
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Priced:
    """By endpoint: terms that may be signed, or why there are none. `atoms` also has prices that policy refuses."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    problems: dict[str, PayerError] = field(default_factory=dict)

    @property
    def atoms(self) -> dict[str, int]:
        known = {endpoint: quote.terms.amount for endpoint, quote in self.quotes.items()}
        for endpoint, problem in self.problems.items():
            if isinstance(problem, QuoteUnacceptable) and problem.offered is not None:
                known[endpoint] = problem.offered
        return known


async def price(ws: Workspace, orders: Iterable[Order], halted: Mapping[str, PayerError]) -> Priced:
    """Ask once for each endpoint. Raises what kept the seller from being asked where no endpoint has an answer: a
    caller that repeats what was unreachable then asks again."""
    asked: dict[str, Order] = {}
    for order in orders:
        asked.setdefault(order.request.endpoint, order)
    found = Priced(problems={endpoint: halted[endpoint] for endpoint in asked if endpoint in halted})
    for endpoint, order in asked.items():
        if order.free or endpoint in halted:
            continue
        try:
            found.quotes.update(await ws.payer.quote([order]))
        except (QuoteUnacceptable, SellerUnreachable) as why:
            found.problems[endpoint] = why
    silent = [why for why in found.problems.values() if isinstance(why, Unreachable)]
    if silent and len(found.problems) == len(asked):
        raise silent[0]
    return found
