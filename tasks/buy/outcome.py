"""What one run did, counted as it happens and frozen at its end: the document of `run` and `backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from payer.values.errors import PaidUndelivered, PayerError, Unreachable, Unresolved, worst
from payer.values.money import Asset, decimal_text
from payer.values.purchase import Purchase
from payer.values.request import Run
from tasks.buy.bill import Gone


@dataclass(frozen=True, slots=True)
class FailedBody:
    """A paid body in which the seller says that it failed, or that nobody can read. It is kept, and brings no rows."""

    purchase_id: str
    dataset: str
    what: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load brought into the tables, and what in it was of no use. `notes` say what was made anew, and why."""

    rows_new: int = 0
    rows_changed: int = 0
    quarantined: int = 0
    drift: tuple[str, ...] = ()
    failed: tuple[FailedBody, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """The file analysts open, after this run. `changed` False: it was already up to date. `held` older versions are
    still read, and keep `held_bytes` of disk. `note` says what was damaged, and made anew."""

    path: str
    changed: bool
    snapshot_files: int = 0
    held: int = 0
    held_bytes: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Bought:
    """One call as it ended: `problem` is what kept it from being delivered."""

    purchase: Purchase
    problem: PayerError | None = None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that moved while a run was buying, in atoms; `call` is the first that met the new one."""

    dataset: str
    before: int
    after: int
    call: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run's end. Amounts are atoms of the asset: `atoms` were spent, `in_doubt` may have been. `left` is what the
    bill still lists and was not bought, at the newest prices (None: unknown).

    `found_on_chain` are pieces that the chain shows as paid before this ledger knew of them: another machine's, or a
    lost ledger's. They are no cost of this run.
    """

    run: Run
    asset: Asset
    calls_paid: int
    calls_free: int
    calls_avoided: int
    atoms: int
    in_doubt: int
    saved: int | None
    loaded: Loaded
    open: int
    undelivered: int
    found_on_chain: int
    recovered: int
    left_calls: int
    left_atoms: int | None
    price_changes: tuple[PriceChange, ...]
    gone: tuple[Gone, ...]
    problems: tuple[PayerError, ...]
    published: Published | None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The command's: a loss needs a person, doubt needs another run, a refusal a decision.

        "Unreachable" promises that nothing was spent: once something was, the code is that of "run again".
        """
        codes = [problem.exit_code for problem in self.problems]
        if self.atoms:
            codes = [Unresolved.exit_code if code == Unreachable.exit_code else code for code in codes]
        codes += [PaidUndelivered.exit_code] if self.undelivered or self.loaded.failed else []
        codes += [Unresolved.exit_code] if self.open else []
        return worst(codes)

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
            "in_doubt": self.money(self.in_doubt),
            "asset": self.asset.symbol,
            "saved": self.money(self.saved),
            "rows_new": self.loaded.rows_new,
            "rows_changed": self.loaded.rows_changed,
            "quarantined": self.loaded.quarantined,
            "failed_bodies": [
                {"purchase_id": body.purchase_id, "dataset": body.dataset, "what": body.what}
                for body in self.loaded.failed
            ],
            "drift": list(self.loaded.drift),
            "price_changes": [
                {
                    "dataset": moved.dataset,
                    "before": self.money(moved.before),
                    "after": self.money(moved.after),
                    "call": moved.call,
                }
                for moved in self.price_changes
            ],
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
            "notes": [*self.loaded.notes, *self.notes],
        }


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
