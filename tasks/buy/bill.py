"""The bill of a plan: its cost to the atomic unit, before anything is signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from payer.values.errors import PayerError
from payer.values.identifiers import purchase_key
from payer.values.money import Amount, Asset, decimal_text
from payer.values.request import Order
from payer.values.terms import Quote
from sources.planner.held import AbsentCells
from tasks.buy.caps import CapLine


class Due(IntEnum):
    """The urgency of a piece, most urgent first: a snapshot is never sold again, a gap can wait."""

    NOW_OR_NEVER = 0
    NEWEST = 1
    WHENEVER = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One request of the bill. `price` is in atomic units; None is unknown, never zero (I9)."""

    order: Order
    price: int | None
    rows: int | None = None
    due: Due = Due.WHENEVER

    @property
    def age(self) -> tuple[int, int]:
        """Sort key: oldest first, and a listing's pages in their order."""
        return self.order.context.get("first", 0), self.order.context.get("page", 0)

    @property
    def key(self) -> str:
        return purchase_key(self.order.request, self.order.edition)

    def document(self, asset: Asset) -> dict[str, Any]:
        request = self.order.request
        return {
            "method": request.method,
            "url": request.url,
            "params": dict(request.params),
            "edition": self.order.edition,
            "price": None if self.price is None else Amount(self.price, asset).decimal,
        }


@dataclass(frozen=True, slots=True)
class LostData:
    """Cells of a snapshot that can't be bought any more, and the dataset whose history would repair them. `what` is
    their span of days as text."""

    dataset: str
    cells: int
    repaired_by: str | None
    what: str

    def document(self) -> dict[str, Any]:
        return {"cells": self.cells, "repaired_by": self.repaired_by, "what": self.what}


@dataclass(frozen=True, slots=True)
class Saved:
    """Calls not made because the cache has their answer, with their last quoted price (None: unknown)."""

    calls: int = 0
    amount_atomic: int | None = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One dataset of the bill. `later` pages follow `items` once those are read; `open_ended`: there may be more, and
    `may_grow`: also where their number is known, as rows move. `most_calls` are the pages at most, where declared.

    `undelivered` are purchases paid for and never delivered: wanted, and bought again only with operator approval (I2).
    `unconfirmed` are wanted cells that were asked for and not delivered, `pending` those whose rows were not due yet,
    `confirmed_empty` counts those without a row.
    With a `problem` there are no terms that may be signed: nothing of this line is bought; other lines are.
    """

    dataset: str
    missing_cells: int
    items: tuple[Item, ...]
    later: tuple[Item, ...] = ()
    saved: Saved = Saved()
    lost: tuple[LostData, ...] = ()
    undelivered: tuple[str, ...] = ()
    open_ended: bool = False
    may_grow: bool = False
    most_calls: int | None = None
    problem: PayerError | None = None
    unconfirmed: tuple[AbsentCells, ...] = ()
    pending: tuple[AbsentCells, ...] = ()
    confirmed_empty: int = 0

    @property
    def all_items(self) -> tuple[Item, ...]:
        return self.items + self.later

    @property
    def unconfirmed_cells(self) -> int:
        return sum(cells.slots for cells in self.unconfirmed)

    @property
    def calls(self) -> int:
        return len(self.all_items)

    @property
    def amount_atomic(self) -> int:
        return sum(item.price or 0 for item in self.all_items)

    @property
    def known_atomic(self) -> int | None:
        """None where a price is not known."""
        return None if any(item.price is None for item in self.all_items) else self.amount_atomic

    def only(self, wanted: Callable[[Item], bool]) -> Line:
        return replace(self, items=tuple(filter(wanted, self.items)), later=tuple(filter(wanted, self.later)))


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of one flow's plan. `asset` is the seller's one asset.

    Calls and amounts count the lines that can be bought. `caps` show each cap beside the bill; `postponed` are requests
    that the caps leave for a later run; `refusal` names the cap that stands in the way of what can't wait.
    """

    flow: str
    asset: Asset
    lines: tuple[Line, ...]
    quotes: Mapping[str, Quote] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    caps: tuple[CapLine, ...] = ()
    postponed: tuple[Item, ...] = ()
    refusal: PayerError | None = None

    @property
    def payable(self) -> tuple[Line, ...]:
        """Lines whose terms may be signed."""
        return tuple(line for line in self.lines if line.problem is None)

    @property
    def items(self) -> tuple[Item, ...]:
        """Requests that can be bought now, oldest first."""
        return tuple(sorted((item for line in self.payable for item in line.items), key=lambda item: item.age))

    @property
    def all_items(self) -> tuple[Item, ...]:
        """All requests, with the pages that follow once those before them are read."""
        return tuple(item for line in self.payable for item in line.all_items)

    @property
    def seller(self) -> str:
        """The one seller that it pays, "" for an empty bill."""
        return next((item.order.seller for line in self.lines for item in line.all_items), "")

    @property
    def calls(self) -> int:
        return sum(line.calls for line in self.payable)

    @property
    def amount_atomic(self) -> int:
        return sum(line.amount_atomic for line in self.payable)

    @property
    def problems(self) -> tuple[PayerError, ...]:
        """The reasons why parts of the bill, or all of it, can't be bought now, each once."""
        problems = [line.problem for line in self.lines if line.problem is not None and line.all_items]
        return tuple(dict.fromkeys([*problems, *([self.refusal] if self.refusal else [])]))

    def only(self, wanted: Callable[[Item], bool]) -> Bill:
        return replace(self, lines=tuple(line.only(wanted) for line in self.lines))

    @property
    def saved(self) -> Saved:
        amounts = [line.saved.amount_atomic for line in self.lines if line.saved.calls]
        total = None if None in amounts else sum(amount for amount in amounts if amount is not None)
        return Saved(sum(line.saved.calls for line in self.lines), total)

    @property
    def lost(self) -> tuple[LostData, ...]:
        return tuple(lost for line in self.lines for lost in line.lost)

    @property
    def undelivered(self) -> tuple[str, ...]:
        return tuple(purchase_id for line in self.lines for purchase_id in line.undelivered)

    @property
    def fingerprint(self) -> str:
        """A hash of the exact requests, editions and prices, which an approval is bound to."""
        exact = [
            (i.order.request.endpoint, i.order.request.params, i.order.request.body.hex(), i.order.edition, i.price)
            for i in self.all_items
        ]
        return hashlib.sha256(json.dumps(exact).encode()).hexdigest()[:16]

    @property
    def postponed_atomic(self) -> int:
        return sum(item.price or 0 for item in self.postponed)

    def at_most(self, line: Line) -> int | None:
        """Atomic units that a line may cost at most: for a listing, further pages as far as the caps allow, or as many
        as are declared. None where a price is unknown."""
        known, prices = line.known_atomic, [item.price or 0 for item in line.all_items]
        if known is None or not line.may_grow or not prices:
            return known
        others = self.amount_atomic - known
        room = [cap.limit - cap.committed - others for cap in self.caps if cap.adds_up]
        most = [*([min(room)] if room else []), *([max(prices) * line.most_calls] if line.most_calls else [])]
        return max(known, min(most)) if most else None

    def money(self, amount_atomic: int | None) -> str:
        """Return decimal text in the asset, or the word unknown."""
        return "unknown" if amount_atomic is None else Amount(amount_atomic, self.asset).decimal

    def documents(self) -> list[dict[str, Any]]:
        """One entry per dataset, as `plan --json` prints them."""
        return [self._line_document(line) for line in self.lines]

    def _line_document(self, line: Line) -> dict[str, Any]:
        return {
            "flow": self.flow,
            "dataset": line.dataset,
            "missing_cells": line.missing_cells,
            "calls": line.calls,
            "amount": self.money(line.known_atomic),
            "asset": self.asset.symbol,
            "open_ended": line.open_ended,
            "at_most": self.money(self.at_most(line)),
            "saved": {"calls": line.saved.calls, "amount": self.money(line.saved.amount_atomic)},
            "gone": [lost.document() for lost in line.lost],
            "undelivered": list(line.undelivered),
            "unconfirmed": line.unconfirmed_cells,
            "confirmed_empty": line.confirmed_empty,
            "refused": line.problem.what if line.problem and line.all_items else None,
            "requests": [item.document(self.asset) for item in line.all_items],
        }

    def limits(self) -> dict[str, Any]:
        """The caps beside this bill, as `plan --json` prints them."""
        return {
            "flow": self.flow,
            "asset": self.asset.symbol,
            "refused": self.refusal.what if self.refusal else None,
            "postponed": {"calls": len(self.postponed), "amount": self.money(self.postponed_atomic)},
            "caps": [line.document() for line in self.caps],
        }


ApproveBill = Callable[[Bill], Awaitable[int | None]]
"""Returns the budget that a bill is approved with, None for the run's own. Raises Refused."""


async def approve_by_policy(_bill: Bill) -> int | None:
    """Approve every bill: policy's caps and the run's own budget decide."""
    return None


def plan_document(bills: Sequence[Bill]) -> dict[str, Any]:
    """The document of `plan --json`. `amount` is null when the flows pay in several assets; `amounts` never is."""
    amounts: dict[str, tuple[int, int]] = {}
    for bill in bills:
        before, _ = amounts.get(bill.asset.symbol, (0, 0))
        amounts[bill.asset.symbol] = (before + bill.amount_atomic, bill.asset.decimals)
    texts = {symbol: decimal_text(amount, decimals) for symbol, (amount, decimals) in amounts.items()}
    return {
        "flows": [document for bill in bills for document in bill.documents()],
        "calls": sum(bill.calls for bill in bills),
        "amount": next(iter(texts.values())) if len(texts) == 1 else None,
        "amounts": texts,
        "limits": [bill.limits() for bill in bills],
        "notes": [note for bill in bills for note in bill.notes],
    }
