"""The outcome of one run: calls, money, rows and what is left; the documents of `run` and `backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from payer.values.errors import Interrupted, PaidUndelivered, PayerError, Unreachable, Unresolved, worst
from payer.values.money import Amount, Asset
from payer.values.purchase import Purchase
from payer.values.request import Run
from tasks.buy.bill import LostData
from tasks.buy.publish import LeftToPublisher
from warehouse.load.report import LoadReport
from warehouse.publish.publication import Publication


@dataclass(frozen=True, slots=True)
class Bought:
    """One call after it ended: `problem` is what kept it from being delivered."""

    purchase: Purchase
    problem: PayerError | None = None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that moved while a run was buying, in atomic units; `call` counts to the first call at the new price."""

    dataset: str
    before: int
    after: int
    call: int


@dataclass(frozen=True, slots=True)
class UnconfirmedCells:
    """Cells of one dataset that were asked for and not delivered. `span` is their days as text; `again` says, as a
    person reads it, when or how they are asked for again."""

    dataset: str
    cells: int
    keys: tuple[str, ...]
    span: str
    again: str

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run. Amounts are in atomic units: `amount_atomic` was spent, `in_doubt` may have been.

    `left_…` count what the bill still lists and was not bought, at the newest prices (None: unknown). `found_on_chain`
    counts purchases that the chain shows as paid before this ledger knew them, by another machine or a lost ledger:
    they cost this run nothing. `loaded` sums the run's loads. `interrupted`: it was asked to stop before its end.
    `unconfirmed` are cells that this run asked for and that were not delivered. `left_to_publisher`: another worker
    published what this run bought, or will.
    """

    run: Run
    asset: Asset
    calls_paid: int
    calls_free: int
    calls_avoided: int
    amount_atomic: int
    in_doubt: int
    saved: int | None
    loaded: LoadReport
    open: int
    undelivered: int
    found_on_chain: int
    recovered: int
    left_calls: int
    left_atomic: int | None
    price_changes: tuple[PriceChange, ...]
    lost: tuple[LostData, ...]
    problems: tuple[PayerError, ...]
    published: Publication | None
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    unconfirmed: tuple[UnconfirmedCells, ...] = ()
    left_to_publisher: LeftToPublisher | None = None

    @property
    def exit_code(self) -> int:
        """The command's exit code: a loss needs a person, doubt needs another run, a refusal a decision.

        The code of "unreachable" promises that nothing was spent: once something was, it becomes that of "run again",
        which is also that of wanted work left unbought, or bought and not delivered, for no other reason (I12).
        """
        codes = [problem.exit_code for problem in self.problems]
        if self.amount_atomic:
            codes = [Unresolved.exit_code if code == Unreachable.exit_code else code for code in codes]
        codes += [PaidUndelivered.exit_code] if self.undelivered or self.loaded.failures else []
        codes += [Unresolved.exit_code] if self.open else []
        return worst(codes) or (Unresolved.exit_code if self.left_calls or self.unconfirmed else 0)

    def with_publication(self, published: Publication | LeftToPublisher) -> Outcome:
        """Return the outcome with its publication, by this worker or by another."""
        if isinstance(published, Publication):
            return replace(self, published=published)
        return replace(self, left_to_publisher=published, notes=(*self.notes, published.text))

    def money(self, amount_atomic: int | None) -> str:
        """Return decimal text in the asset, or the word unknown."""
        return "unknown" if amount_atomic is None else Amount(amount_atomic, self.asset).decimal

    def document(self) -> dict[str, Any]:
        loaded, published, left = self.loaded, self.published, self.left_to_publisher
        failed = [{"purchase_id": f.purchase_id, "dataset": f.dataset, "what": f.message} for f in loaded.failures]
        held = published.held if published else None
        return {
            "flow": self.run.flow,
            "run_id": self.run.run_id,
            "interrupted": self.interrupted,
            "calls_paid": self.calls_paid,
            "calls_free": self.calls_free,
            "calls_avoided": self.calls_avoided,
            "amount": self.money(self.amount_atomic),
            "in_doubt": self.money(self.in_doubt),
            "asset": self.asset.symbol,
            "saved": self.money(self.saved),
            "rows_new": loaded.rows_new,
            "rows_changed": loaded.rows_changed,
            "quarantined": loaded.quarantined,
            "failed_bodies": failed,
            "drift": [str(drifted) for drifted in loaded.drift],
            "price_changes": [
                {"dataset": c.dataset, "before": self.money(c.before), "after": self.money(c.after), "call": c.call}
                for c in self.price_changes
            ],
            "found_on_chain": self.found_on_chain,
            "recovered": self.recovered,
            "open": self.open,
            "undelivered": self.undelivered,
            "unconfirmed": [cells.document() for cells in self.unconfirmed],
            "left": {"calls": self.left_calls, "amount": self.money(self.left_atomic)},
            "gone": [lost.document() for lost in self.lost],
            "problems": [{"kind": type(p).__name__, "what": p.what, "exit_code": p.exit_code} for p in self.problems],
            "published": str(published.path) if published else None,
            "publisher": left.document() if left else None,
            "snapshot_files": published.snapshot_files if published else 0,
            "remote": published.remote.document() if published and published.remote else None,
            "held": {"versions": held.files if held else 0, "bytes": held.bytes if held else 0},
            "notes": list(self.notes),
        }


def run_document(ended: Sequence[Outcome | tuple[str, PayerError]]) -> dict[str, Any]:
    """The document of `run`: totals, and one entry per flow. `amount` is null when the flows pay in several assets."""
    done = [each for each in ended if isinstance(each, Outcome)]
    failed = [each for each in ended if isinstance(each, tuple)]
    assets = {outcome.asset for outcome in done}
    same = done[0] if len(assets) == 1 else None
    return {
        "interrupted": any(e.interrupted if isinstance(e, Outcome) else isinstance(e[1], Interrupted) for e in ended),
        "calls_paid": sum(outcome.calls_paid for outcome in done),
        "calls_avoided": sum(outcome.calls_avoided for outcome in done),
        "amount": same.money(sum(outcome.amount_atomic for outcome in done)) if same else None if assets else "0",
        "asset": same.asset.symbol if same else None,
        "rows_new": sum(outcome.loaded.rows_new for outcome in done),
        "rows_changed": sum(outcome.loaded.rows_changed for outcome in done),
        "open": sum(outcome.open for outcome in done),
        "undelivered": sum(outcome.undelivered for outcome in done),
        "published": next((str(o.published.path) for o in reversed(done) if o.published), None),
        "flows": [outcome.document() for outcome in done],
        "failed": [
            {"flow": flow, "kind": type(error).__name__, "what": error.what, "exit_code": error.exit_code}
            for flow, error in failed
        ],
    }
