"""The bill: what a plan costs, to the atomic unit, before anything is signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from payer.values.errors import PayerError
from payer.values.identifiers import purchase_key
from payer.values.money import Asset, decimal_text
from payer.values.request import Order
from payer.values.terms import Quote
from tasks.buy.caps import CapLine


class Due(IntEnum):
    """When a piece has to be bought, most pressing first: a snapshot is never sold again, a gap waits."""

    NOW_OR_NEVER = 0
    NEWEST = 1
    WHENEVER = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One request of the bill. `price` is in atoms; None is unknown, never zero (I9)."""

    order: Order
    price: int | None
    rows: int | None = None
    due: Due = Due.WHENEVER

    @property
    def age(self) -> tuple[int, int]:
        """Oldest first, and a listing's pages in their order."""
        return self.order.context.get("first", 0), self.order.context.get("page", 0)

    @property
    def key(self) -> str:
        """The purchase this item would be."""
        return purchase_key(self.order.request, self.order.edition)

    def document(self, asset: Asset) -> dict[str, Any]:
        request = self.order.request
        return {
            "method": request.method,
            "url": request.url,
            "params": dict(request.params),
            "edition": self.order.edition,
            "price": None if self.price is None else decimal_text(self.price, asset.decimals),
        }


@dataclass(frozen=True, slots=True)
class Gone:
    """Slots of a snapshot that can't be bought any more, and the dataset that would repair them."""

    dataset: str
    cells: int
    repaired_by: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Saved:
    """Calls not made because the cache has their answer, with their price now (None: unknown)."""

    calls: int = 0
    atoms: int | None = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One dataset of the bill. `later` pages follow `items` once those are read; `open_ended`: perhaps yet more.

    `undelivered` are purchases paid for and never delivered: wanted, and not bought again without a person's word (I2).
    With a `problem` there are no terms that may be signed: nothing of it is bought, and its siblings are.
    """

    dataset: str
    missing_cells: int
    items: tuple[Item, ...]
    later: tuple[Item, ...] = ()
    saved: Saved = Saved()
    gone: tuple[Gone, ...] = ()
    undelivered: tuple[str, ...] = ()
    open_ended: bool = False
    problem: PayerError | None = None

    @property
    def all_items(self) -> tuple[Item, ...]:
        return self.items + self.later

    @property
    def calls(self) -> int:
        return len(self.all_items)

    @property
    def atoms(self) -> int:
        return sum(item.price or 0 for item in self.all_items)

    @property
    def known_atoms(self) -> int | None:
        """None where the seller's price is not known."""
        return None if any(item.price is None for item in self.all_items) else self.atoms

    def only(self, wanted: Callable[[Item], bool]) -> Line:
        """The same line with some of its requests."""
        return replace(self, items=tuple(filter(wanted, self.items)), later=tuple(filter(wanted, self.later)))


@dataclass(frozen=True, slots=True)
class Bill:
    """What one flow's plan costs. `asset` is the seller's one asset.

    Calls and atoms are those of lines that can be bought. `caps` say what each cap would hold then; `postponed` are
    requests that they don't let through now; `refusal` says which one stands in the way of what can't wait.
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
        """The lines with terms that may be signed."""
        return tuple(line for line in self.lines if line.problem is None)

    @property
    def items(self) -> tuple[Item, ...]:
        """What can be bought now, oldest first."""
        return tuple(sorted((item for line in self.payable for item in line.items), key=lambda item: item.age))

    @property
    def all_items(self) -> tuple[Item, ...]:
        """With the pages that follow once those before them are read."""
        return tuple(item for line in self.payable for item in line.all_items)

    @property
    def calls(self) -> int:
        return sum(line.calls for line in self.payable)

    @property
    def atoms(self) -> int:
        return sum(line.atoms for line in self.payable)

    @property
    def problems(self) -> tuple[PayerError, ...]:
        """Why parts of it, or all, can't be bought now: each once."""
        found = [line.problem for line in self.lines if line.problem is not None and line.all_items]
        return tuple(dict.fromkeys([*found, *([self.refusal] if self.refusal else [])]))

    def only(self, wanted: Callable[[Item], bool]) -> Bill:
        """The same bill with some of its requests."""
        return replace(self, lines=tuple(line.only(wanted) for line in self.lines))

    @property
    def saved(self) -> Saved:
        known = [line.saved.atoms for line in self.lines if line.saved.calls]
        atoms = None if None in known else sum(atoms for atoms in known if atoms is not None)
        return Saved(sum(line.saved.calls for line in self.lines), atoms)

    @property
    def gone(self) -> tuple[Gone, ...]:
        return tuple(gone for line in self.lines for gone in line.gone)

    @property
    def undelivered(self) -> tuple[str, ...]:
        return tuple(purchase_id for line in self.lines for purchase_id in line.undelivered)

    @property
    def fingerprint(self) -> str:
        """What an approval is bound to: the exact requests, editions and prices."""
        exact = [
            (i.order.request.endpoint, i.order.request.params, i.order.request.body.hex(), i.order.edition, i.price)
            for i in self.all_items
        ]
        return hashlib.sha256(json.dumps(exact).encode()).hexdigest()[:16]

    def money(self, atoms: int | None) -> str:
        """Decimal text in the asset, or the word unknown."""
        return "unknown" if atoms is None else decimal_text(atoms, self.asset.decimals)

    def documents(self) -> list[dict[str, Any]]:
        """One entry per dataset, as `plan --json` prints them."""
        return [
            {
                "flow": self.flow,
                "dataset": line.dataset,
                "missing_cells": line.missing_cells,
                "calls": line.calls,
                "amount": self.money(line.known_atoms),
                "asset": self.asset.symbol,
                "open_ended": line.open_ended,
                "saved": {"calls": line.saved.calls, "amount": self.money(line.saved.atoms)},
                "gone": [{"cells": g.cells, "repaired_by": g.repaired_by, "what": g.what} for g in line.gone],
                "undelivered": list(line.undelivered),
                "refused": line.problem.what if line.problem and line.all_items else None,
                "requests": [item.document(self.asset) for item in line.all_items],
            }
            for line in self.lines
        ]

    def limits(self) -> dict[str, Any]:
        """The caps beside this bill, as `plan --json` prints them."""
        return {
            "flow": self.flow,
            "asset": self.asset.symbol,
            "refused": self.refusal.what if self.refusal else None,
            "postponed": {
                "calls": len(self.postponed),
                "amount": self.money(sum(item.price or 0 for item in self.postponed)),
            },
            "caps": [line.document() for line in self.caps],
        }


def plan_document(bills: Sequence[Bill]) -> dict[str, Any]:
    """The document of `plan --json`. `amount` is null when the flows pay in several assets; `amounts` never is."""
    amounts: dict[str, tuple[int, int]] = {}
    for bill in bills:
        atoms, _ = amounts.get(bill.asset.symbol, (0, 0))
        amounts[bill.asset.symbol] = (atoms + bill.atoms, bill.asset.decimals)
    texts = {symbol: decimal_text(atoms, decimals) for symbol, (atoms, decimals) in amounts.items()}
    return {
        "flows": [document for bill in bills for document in bill.documents()],
        "calls": sum(bill.calls for bill in bills),
        "amount": next(iter(texts.values())) if len(texts) == 1 else None,
        "amounts": texts,
        "limits": [bill.limits() for bill in bills],
        "notes": [note for bill in bills for note in bill.notes],
    }
