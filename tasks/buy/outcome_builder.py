"""Count what a run does while it runs, and build its outcome at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from payer.settle.recover import Recovered
from payer.values.errors import Interrupted, PayerError
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Run
from sources import registry
from sources.coverage.cell_state import NEVER
from sources.model import Dataset, Kind
from sources.planner.held import AbsentCells, Span, gaps, merged
from sources.slots import span_text
from tasks.buy.bill import Bill, Item, Line, Saved
from tasks.buy.outcome import Bought, Outcome, PriceChange, UnconfirmedCells
from tasks.buy.publish import LeftToPublisher
from tasks.buy.purchase import Batch
from tasks.request.counted import counted
from tasks.workspace.cache_trouble import as_payer_errors
from warehouse.load.report import Failure, LoadReport, joined
from warehouse.publish.publication import Publication


@dataclass(slots=True)
class OutcomeBuilder:
    """Collects what ingest reports, in the order of its steps. `tried` are the purchase keys this run has requested,
    `halted` the endpoints that it asks no more."""

    run: Run
    asset: Asset
    bought: dict[str, Bought] = field(default_factory=dict)
    reclaimed: dict[str, Purchase] = field(default_factory=dict)
    loads: list[LoadReport] = field(default_factory=list)
    problems: list[PayerError] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    halted: dict[str, PayerError] = field(default_factory=dict)
    price_changes: list[PriceChange] = field(default_factory=list)
    stopped: bool = False
    bill: Bill | None = None
    first_bill: Bill | None = None
    published: Publication | LeftToPublisher | None = None
    postponed: str | None = None

    def count_recovered(self, found: Recovered) -> None:
        """Count open purchases of earlier runs, as recovery left them. What stays in doubt is not tried again."""
        in_doubt = [purchase for purchase, _ in found.in_doubt]
        for purchase in (*found.delivered, *found.undelivered, *in_doubt):
            self.reclaimed[purchase.purchase_id] = purchase
        self.tried |= {purchase.purchase_key for purchase in in_doubt}

    def untried(self, bill: Bill) -> Bill:
        """Return the bill with the requests that this run has not made yet; repeating others would never end."""
        self.bill = bill
        self.first_bill = self.first_bill or bill
        for line in bill.lines:
            self.halted |= {item.order.request.endpoint: line.problem for item in line.all_items if line.problem}
        return bill.only(lambda item: item.key not in self.tried)

    def note_problems(self, bill: Bill) -> None:
        """Note what the bill can't buy. A bill that is refused whole is raised by `approve`."""
        self._note(*(problem for problem in bill.problems if bill.postponed or problem is not bill.refusal))
        self.postponed = _postponed_note(bill)

    def count_bought(self, batch: Batch) -> None:
        """Count a batch of purchases, ended well or not. A later look at a purchase replaces the earlier one."""
        before = sum(1 for bought in self.bought.values() if bought.problem is None)
        self.price_changes += [replace(moved, call=moved.call + before) for moved in batch.moved.values()]
        self.bought |= batch.results
        self.tried |= {bought.purchase.purchase_key for bought in batch.results.values()}
        self.halted |= batch.halted
        self.stopped = batch.stopped is not None
        met = [bought.problem for bought in batch.results.values() if bought.problem]
        self._note(*met, *batch.halted.values(), *([batch.stopped] if batch.stopped else []))

    def count_verified(self, verified: Sequence[Bought]) -> None:
        """Replace purchases by what the chain has proved of them."""
        self.bought |= {bought.purchase.purchase_id: bought for bought in verified}

    @contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """Note an error instead of raising it, once this run has bought or recovered anything: what came is still
        loaded and published, and the outcome says what was spent. Before that the error is the run's answer.

        A stopped run always has an outcome.
        """
        try:
            with as_payer_errors():
                yield
        except Interrupted:
            return
        except PayerError as error:
            if self._idle:
                raise
            self._note(error)
        if self.problems and self._idle:
            raise self.problems[0]

    def outcome(self, notes: tuple[str, ...] = (), *, interrupted: bool = False) -> Outcome:
        mine = [b.purchase for b in self.bought.values() if b.purchase.run.run_id == self.run.run_id]
        sent = [p for p in mine if p.sends and p.money in (Money.EXPOSED, Money.SPENT)]
        paid, in_doubt = [p for p in sent if p.money is Money.SPENT], [p for p in sent if p.money is Money.EXPOSED]
        met = {p.purchase_id: p for p in (*self.reclaimed.values(), *(b.purchase for b in self.bought.values()))}
        undelivered = {p.purchase_id for p in met.values() if p.undelivered and not p.loss_accepted}
        over = {p.purchase_key for p in met.values() if p.data is Data.DELIVERED or p.purchase_id in undelivered}
        lines = self.bill.lines if self.bill else ()
        left = [item for line in lines for item in line.all_items if item.key not in over]
        saved = self.first_bill.saved if self.first_bill else Saved()
        outcome = Outcome(
            run=self.run,
            asset=self.asset,
            calls_paid=len(paid),
            calls_free=sum(1 for p in mine if p.money is Money.VOID and p.data is Data.DELIVERED),
            calls_avoided=saved.calls,
            amount_atomic=sum(p.cost for p in paid),
            in_doubt=sum(p.committed for p in in_doubt),
            saved=saved.amount_atomic,
            loaded=_loaded(self.loads, met.values()),
            open=sum(1 for p in met.values() if p.money is Money.EXPOSED and not self._is_anothers(p)),
            undelivered=len(undelivered | set(self.bill.undelivered if self.bill else ())),
            found_on_chain=sum(1 for p in mine if not p.sends and p.money is Money.SPENT),
            recovered=sum(1 for p in self.reclaimed.values() if p.data is Data.DELIVERED),
            left_calls=len(left),
            left_atomic=self._worth(left),
            price_changes=tuple(self.price_changes),
            lost=self.first_bill.lost if self.first_bill else (),
            problems=tuple(self.problems),
            published=None,
            notes=self._notes(notes),
            interrupted=interrupted,
            unconfirmed=unconfirmed_of(lines, (*mine, *self.reclaimed.values())),
        )
        return outcome if self.published is None else outcome.with_publication(self.published)

    def _is_anothers(self, purchase: Purchase) -> bool:
        """True if another run bought and has the piece meanwhile: its proof is that run's business."""
        reclaimed = purchase.purchase_id in self.reclaimed
        return purchase.run.run_id != self.run.run_id and purchase.data is Data.DELIVERED and not reclaimed

    @property
    def _idle(self) -> bool:
        return not self.bought and not self.reclaimed

    def _notes(self, notes: tuple[str, ...]) -> tuple[str, ...]:
        """The request's notes, then those of the loads, the bills and the publication, each once."""
        loaded = [note for load in self.loads for note in load.notes]
        billed = [note for bill in (self.first_bill, self.bill) if bill for note in bill.notes]
        published = (self.published.note,) if isinstance(self.published, Publication) and self.published.note else ()
        postponed = (self.postponed,) if self.postponed else ()
        return tuple(dict.fromkeys((*notes, *loaded, *billed, *published, *postponed)))

    def _worth(self, items: Sequence[Item]) -> int | None:
        """The cost at the newest prices, also those that policy refused; None where one is unknown."""
        newest = {moved.dataset: moved.after for moved in self.price_changes}
        prices = [newest.get(item.order.dataset, item.price) for item in items]
        return None if None in prices else sum(price for price in prices if price is not None)

    def _note(self, *problems: PayerError) -> None:
        """Note each problem once. Calls that meet the same one have errors of their own."""
        noted = {(type(problem), problem.what) for problem in self.problems}
        for problem in problems:
            if (type(problem), problem.what) not in noted:
                noted.add((type(problem), problem.what))
                self.problems.append(problem)


def _postponed_note(bill: Bill) -> str | None:
    """Name the cap that leaves requests for a later run; None where it is a problem of its own, or there are none."""
    limits = [line for line in bill.caps if line.adds_up]
    if not bill.postponed or bill.refusal is not None or not limits:
        return None
    tightest = min(limits, key=lambda line: line.limit - line.after)
    calls, amount = counted(len(bill.postponed), "call"), f"{bill.money(bill.postponed_atomic)} {bill.asset.symbol}"
    limit = f"{tightest.name} is {tightest.text(tightest.limit)}"
    return f"left for a later run: {calls} for {amount}, because {limit} and holds {tightest.text(tightest.after)}"


def _loaded(loads: Sequence[LoadReport], met: Iterable[Purchase]) -> LoadReport:
    """Sum the counts; list each drift and each failed body once, also those that this run met and no load told of."""
    total = reduce(joined, loads, LoadReport())
    named = {failure.purchase_id for failure in total.failures}
    more = [p for p in met if p.failure and not p.loss_accepted and p.purchase_id not in named]
    failures = dict.fromkeys((*total.failures, *(Failure(p.purchase_id, p.order.dataset, p.failure) for p in more)))
    return replace(total, drift=tuple(dict.fromkeys(total.drift)), failures=tuple(failures))


def unconfirmed_of(lines: Iterable[Line], purchases: Iterable[Purchase]) -> tuple[UnconfirmedCells, ...]:
    """The cells of these purchases that the bill's lines have as unconfirmed, a line per dataset.

    Of an answer that brought no row at all, these are also cells whose rows were not due yet. Left out are days before
    a key's first row, as that a history begins is no fault of the answer, and lists that may have any number of rows,
    as long as they never had one.
    """
    contexts = [(purchase.order.dataset, purchase.order.context) for purchase in purchases]
    found = []
    for line in lines:
        asked = [context for name, context in contexts if name == line.dataset and context.get("keys")]
        any_number = registry.dataset(line.dataset).rows_per_cell is None
        unconfirmed, pending = (
            [part for part in parts if not (part.before_first or (any_number and part.never))]
            for parts in (line.unconfirmed, line.pending)
        )
        absent = [*unconfirmed, *pending]
        empty = _spans(context for context in asked if _brought_nothing(context, absent))
        slots = [
            (part, span)
            for some, parts in ((_spans(asked), unconfirmed), (empty, pending))
            for part in parts
            for span in _common(part, some.get(part.key, ()))
        ]
        if slots:
            found.append(_summary(registry.dataset(line.dataset), slots))
    return tuple(found)


def _spans(contexts: Iterable[Mapping[str, Any]]) -> dict[str, Sequence[Span]]:
    """The slots that requests asked for, per key."""
    spans: dict[str, list[Span]] = {}
    for context in contexts:
        for key in context["keys"]:
            spans.setdefault(key, []).append((context["first"], context["last"]))
    return {key: merged(slots) for key, slots in spans.items()}


def _brought_nothing(context: Mapping[str, Any], absent: Sequence[AbsentCells]) -> bool:
    first, last = context["first"], context["last"]
    return all(
        not gaps([(part.first, part.last) for part in absent if part.key == key], first, last)
        for key in context["keys"]
    )


def _common(cells: AbsentCells, asked: Sequence[Span]) -> list[Span]:
    outside = gaps(asked, cells.first, cells.last)
    return list(gaps(outside, cells.first, cells.last)) if asked else []


def _summary(dataset: Dataset, slots: Sequence[tuple[AbsentCells, Span]]) -> UnconfirmedCells:
    spans = [span for _, span in slots]
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    due = min(part.due for part, _ in slots)
    return UnconfirmedCells(
        dataset.name,
        sum(b - a + 1 for a, b in spans),
        tuple(dict.fromkeys(part.key for part, _ in slots)),
        span_text(dataset, first, last),
        _again(dataset, due),
    )


def _again(dataset: Dataset, due: int) -> str:
    if dataset.kind is not Kind.SERIES:
        repaired = registry.history_of(dataset)
        return f"its history, {repaired.name}, is asked for them" if repaired else "they can't be bought any more"
    if due == NEVER:
        return "`tollbook backfill … --again` asks for them"
    return f"asked for again from {span_text(dataset, due, due)}"
