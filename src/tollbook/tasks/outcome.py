"""What one run did, counted as it happens and frozen at its end: the document of `run` and `backfill`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tollbook.payer.errors import PaidUndelivered, PayerError, Refused, Unresolved
from tollbook.payer.money import Asset, decimal_text
from tollbook.payer.types import Data, Money, Purchase, Run
from tollbook.tasks.bill import Bill, Gone, Saved

if TYPE_CHECKING:
    from tollbook.payer.recover import Recovered


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load brought into the tables."""

    rows_new: int = 0
    rows_changed: int = 0
    quarantined: int = 0
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """The file analysts open, after this run. `changed` False: it was already up to date. `held` older versions are
    still read, and keep `held_bytes` of disk."""

    path: str
    changed: bool
    snapshot_files: int = 0
    held: int = 0
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Bought:
    """One call as it ended: `problem` is what kept it from being delivered."""

    purchase: Purchase
    problem: PayerError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's end. Amounts are atoms of the asset; `left` is what the bill still lists and was not bought.

    `found_on_chain` are pieces that the chain shows as paid before this ledger knew of them: another machine's, or a
    lost ledger's. They are no cost of this run.
    """

    run: Run
    asset: Asset
    calls_paid: int
    calls_free: int
    calls_avoided: int
    atoms: int
    saved: int | None
    loaded: Loaded
    open: int
    undelivered: int
    found_on_chain: int
    recovered: int
    left_calls: int
    left_atoms: int
    gone: tuple[Gone, ...]
    problems: tuple[PayerError, ...]
    published: Published | None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The command's: a loss needs a person, doubt needs another run, a refusal a decision."""
        if self.undelivered:
            return PaidUndelivered.exit_code
        if self.open:
            return Unresolved.exit_code
        return self.problems[0].exit_code if self.problems else 0

    def money(self, atoms: int | None) -> str:
        return "unknown" if atoms is None else decimal_text(atoms, self.asset.decimals)

    def document(self) -> dict[str, Any]:
        return {
            "flow": self.run.flow,
            "run_id": self.run.run_id,
            "calls_paid": self.calls_paid,
            "calls_free": self.calls_free,
            "calls_avoided": self.calls_avoided,
            "amount": self.money(self.atoms),
            "asset": self.asset.symbol,
            "saved": self.money(self.saved),
            "rows_new": self.loaded.rows_new,
            "rows_changed": self.loaded.rows_changed,
            "quarantined": self.loaded.quarantined,
            "drift": list(self.loaded.drift),
            "found_on_chain": self.found_on_chain,
            "recovered": self.recovered,
            "open": self.open,
            "undelivered": self.undelivered,
            "left": {"calls": self.left_calls, "amount": self.money(self.left_atoms)},
            "gone": [{"cells": g.cells, "repaired_by": g.repaired_by, "what": g.what} for g in self.gone],
            "problems": [{"kind": type(p).__name__, "what": p.what, "exit_code": p.exit_code} for p in self.problems],
            "published": self.published.path if self.published else None,
            "snapshot_files": self.published.snapshot_files if self.published else 0,
            "held": {
                "versions": self.published.held if self.published else 0,
                "bytes": self.published.held_bytes if self.published else 0,
            },
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class Tally:
    """The counting of one run, in the order in which ingest reports to it."""

    run: Run
    asset: Asset
    bought: dict[str, Bought] = field(default_factory=dict)
    reclaimed: dict[str, Purchase] = field(default_factory=dict)
    loads: list[Loaded] = field(default_factory=list)
    problems: list[PayerError] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    bill: Bill | None = None
    first_bill: Bill | None = None

    def count_recovered(self, found: Recovered) -> None:
        """Open purchases of earlier runs, as the first step left them."""
        parked = [purchase for purchase, _ in found.parked]
        for purchase in (*found.delivered, *found.undelivered, *parked):
            self.reclaimed[purchase.purchase_id] = purchase

    def is_news(self, bill: Bill) -> bool:
        """True when the bill holds a request this run has not made yet. Anything else would loop for nothing."""
        self.bill = bill
        self.first_bill = self.first_bill or bill
        fresh = {item.key for item in bill.items} - self.asked
        self.asked |= fresh
        return bool(fresh)

    def count_bought(self, results: Sequence[Bought]) -> None:
        """What ended well and what did not. A later look at the same purchase replaces the earlier."""
        self.bought.update({r.purchase.purchase_id: r for r in results})
        self.problems.extend(r.problem for r in results if r.problem is not None)

    def count_proved(self, proved: Sequence[Bought]) -> None:
        """The same purchases once the chain has been asked."""
        self.bought.update({r.purchase.purchase_id: r for r in proved})

    @contextmanager
    def stopping(self, *, first: bool) -> Iterator[None]:
        """A refusal after something was bought ends the run in order: what was bought is still loaded and published."""
        try:
            yield
        except Refused as refused:
            if first:
                raise
            self.problems.append(refused)

    def outcome(self, published: Published | None, notes: tuple[str, ...] = ()) -> Outcome:
        """Frozen, once everything has ended."""
        mine = [b.purchase for b in self.bought.values() if b.purchase.run.run_id == self.run.run_id]
        paid = [p for p in mine if p.sends and p.money in (Money.EXPOSED, Money.SPENT)]
        found = [p for p in mine if not p.sends and p.money is Money.SPENT]
        met = {p.purchase_id: p for p in (*self.reclaimed.values(), *(b.purchase for b in self.bought.values()))}
        lost = {p.purchase_id for p in met.values() if p.undelivered and not p.loss_accepted}
        over = {p.purchase_key for p in met.values() if p.data is Data.DELIVERED or p.purchase_id in lost}
        left = [i for i in self.bill.all_items if i.key not in over] if self.bill and self.problems else []
        saved = self.first_bill.saved if self.first_bill else Saved()
        return Outcome(
            run=self.run,
            asset=self.asset,
            calls_paid=len(paid),
            calls_free=sum(1 for p in mine if p.money is Money.VOID and p.data is Data.DELIVERED),
            calls_avoided=saved.calls,
            atoms=sum(p.committed for p in paid),
            saved=saved.atoms,
            loaded=_sum(self.loads),
            open=sum(1 for p in met.values() if _in_doubt(p)),
            undelivered=len(lost | set(self.bill.undelivered if self.bill else ())),
            found_on_chain=len(found),
            recovered=sum(1 for p in self.reclaimed.values() if p.data is Data.DELIVERED),
            left_calls=len(left),
            left_atoms=sum(item.price or 0 for item in left),
            gone=self.first_bill.gone if self.first_bill else (),
            problems=tuple(self.problems),
            published=published,
            notes=notes,
        )


def _in_doubt(purchase: Purchase) -> bool:
    """Money that may be gone without its data. Delivered and not yet proved on chain is no doubt for the caller."""
    return purchase.money is Money.EXPOSED and purchase.data is Data.ABSENT


def _sum(loads: Sequence[Loaded]) -> Loaded:
    return Loaded(
        rows_new=sum(load.rows_new for load in loads),
        rows_changed=sum(load.rows_changed for load in loads),
        quarantined=sum(load.quarantined for load in loads),
        drift=tuple(dict.fromkeys(words for load in loads for words in load.drift)),
    )


def run_document(ended: Sequence[Outcome | tuple[str, PayerError]]) -> dict[str, Any]:
    """The document of `run`: totals, and one entry per flow. `amount` is null when flows pay in several assets."""
    done = [each for each in ended if isinstance(each, Outcome)]
    failed = [each for each in ended if isinstance(each, tuple)]
    assets = {outcome.asset for outcome in done}
    same = done[0] if len(assets) == 1 else None
    return {
        "calls_paid": sum(outcome.calls_paid for outcome in done),
        "calls_avoided": sum(outcome.calls_avoided for outcome in done),
        "amount": same.money(sum(outcome.atoms for outcome in done)) if same else None if assets else "0",
        "asset": same.asset.symbol if same else None,
        "rows_new": sum(outcome.loaded.rows_new for outcome in done),
        "rows_changed": sum(outcome.loaded.rows_changed for outcome in done),
        "open": sum(outcome.open for outcome in done),
        "undelivered": sum(outcome.undelivered for outcome in done),
        "published": next((o.published.path for o in reversed(done) if o.published), None),
        "flows": [outcome.document() for outcome in done],
        "failed": [
            {"flow": flow, "kind": type(error).__name__, "what": error.what, "exit_code": error.exit_code}
            for flow, error in failed
        ],
    }
