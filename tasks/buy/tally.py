"""The counting of one run, as it happens; frozen at its end as an Outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from payer.values.errors import PayerError
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Run
from tasks.buy.bill import Bill, Item, Saved
from tasks.buy.outcome import Bought, Loaded, Outcome, PriceChange, Published
from tasks.workspace.cache_trouble import in_plain_words

if TYPE_CHECKING:
    from payer.settle.recover import Recovered
    from tasks.buy.purchase import Batch


@dataclass(slots=True)
class Tally:
    """In the order in which ingest reports to it. `asked` are the pieces this run has tried, `halted` the endpoints
    that it asks no more."""

    run: Run
    asset: Asset
    bought: dict[str, Bought] = field(default_factory=dict)
    reclaimed: dict[str, Purchase] = field(default_factory=dict)
    loads: list[Loaded] = field(default_factory=list)
    problems: list[PayerError] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    halted: dict[str, PayerError] = field(default_factory=dict)
    price_changes: list[PriceChange] = field(default_factory=list)
    stopped: bool = False
    bill: Bill | None = None
    first_bill: Bill | None = None
    published: Published | None = None

    def count_recovered(self, found: Recovered) -> None:
        """Open purchases of earlier runs, as the first step left them. What stays in doubt is not tried again."""
        parked = [purchase for purchase, _ in found.in_doubt]
        for purchase in (*found.delivered, *found.undelivered, *parked):
            self.reclaimed[purchase.purchase_id] = purchase
        self.asked |= {purchase.purchase_key for purchase in parked}

    def news(self, bill: Bill) -> Bill:
        """The requests of a bill that this run has not made yet. Anything else would loop for nothing."""
        self.bill = bill
        self.first_bill = self.first_bill or bill
        for line in bill.lines:
            self.halted |= {item.order.request.endpoint: line.problem for item in line.all_items if line.problem}
        return bill.only(lambda item: item.key not in self.asked)

    def limited(self, bill: Bill) -> Bill:
        """The same bill, after what it can't buy was noted. One that is refused whole is for `approve` to raise."""
        self._note(*(problem for problem in bill.problems if bill.postponed or problem is not bill.refusal))
        return bill

    def count_bought(self, batch: Batch) -> None:
        """What ended well and what did not. A later look at the same purchase replaces the earlier."""
        before = sum(1 for bought in self.bought.values() if bought.problem is None)
        self.price_changes += [replace(moved, call=moved.call + before) for moved in batch.moved.values()]
        self.bought |= batch.results
        self.asked |= {bought.purchase.purchase_key for bought in batch.results.values()}
        self.halted |= batch.halted
        self.stopped = batch.stopped is not None
        self._note(*(bought.problem for bought in batch.results.values() if bought.problem), *batch.halted.values())

    def count_proved(self, proved: Sequence[Bought]) -> None:
        """The same purchases once the chain has been asked."""
        self.bought |= {bought.purchase.purchase_id: bought for bought in proved}

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """An error after money moved, or was recovered, ends the run in order: what came is still loaded and published,
        and the outcome says what was spent. Where nothing happened it is the run's answer."""
        try:
            with in_plain_words():
                yield
        except PayerError as error:
            if self._idle:
                raise
            self._note(error)
        if self.problems and self._idle:
            raise self.problems[0]

    def outcome(self, notes: tuple[str, ...] = ()) -> Outcome:
        """Frozen, once everything has ended."""
        published = self.published
        mine = [b.purchase for b in self.bought.values() if b.purchase.run.run_id == self.run.run_id]
        sent = [p for p in mine if p.sends and p.money in (Money.EXPOSED, Money.SPENT)]
        paid = [p for p in sent if not _in_doubt(p)]
        met = {p.purchase_id: p for p in (*self.reclaimed.values(), *(b.purchase for b in self.bought.values()))}
        lost = {p.purchase_id for p in met.values() if p.undelivered and not p.loss_accepted}
        left = self._left({p.purchase_key for p in met.values() if p.data is Data.DELIVERED or p.purchase_id in lost})
        saved = self.first_bill.saved if self.first_bill else Saved()
        said = [note for bill in (self.first_bill, self.bill) if bill for note in bill.notes]
        return Outcome(
            run=self.run,
            asset=self.asset,
            calls_paid=len(paid),
            calls_free=sum(1 for p in mine if p.money is Money.VOID and p.data is Data.DELIVERED),
            calls_avoided=saved.calls,
            atoms=sum(p.cost for p in paid),
            in_doubt=sum(p.committed for p in sent if _in_doubt(p)),
            saved=saved.atoms,
            loaded=_sum(self.loads),
            open=sum(1 for p in met.values() if _in_doubt(p)),
            undelivered=len(lost | set(self.bill.undelivered if self.bill else ())),
            found_on_chain=sum(1 for p in mine if not p.sends and p.money is Money.SPENT),
            recovered=sum(1 for p in self.reclaimed.values() if p.data is Data.DELIVERED),
            left_calls=len(left),
            left_atoms=self._worth(left),
            price_changes=tuple(self.price_changes),
            gone=self.first_bill.gone if self.first_bill else (),
            problems=tuple(self.problems),
            published=published,
            notes=tuple(dict.fromkeys((*notes, *said, *((published.note,) if published and published.note else ())))),
        )

    @property
    def _idle(self) -> bool:
        return not self.bought and not self.reclaimed

    def _left(self, over: set[str]) -> list[Item]:
        """What the last bill lists, bought or not, without what is over."""
        lines = self.bill.lines if self.bill else ()
        return [item for line in lines for item in line.all_items if item.key not in over]

    def _worth(self, items: Sequence[Item]) -> int | None:
        """At the newest prices, also those that policy refused."""
        newest = {moved.dataset: moved.after for moved in self.price_changes}
        prices = [newest.get(item.order.dataset, item.price) for item in items]
        return None if None in prices else sum(price for price in prices if price is not None)

    def _note(self, *problems: PayerError) -> None:
        self.problems += [problem for problem in dict.fromkeys(problems) if problem not in self.problems]


def _in_doubt(purchase: Purchase) -> bool:
    """Money that may be gone without its data. Delivered and not yet proved on chain is no doubt for the caller."""
    return purchase.money is Money.EXPOSED and purchase.data is Data.ABSENT


def _sum(loads: Sequence[Loaded]) -> Loaded:
    return Loaded(
        rows_new=sum(load.rows_new for load in loads),
        rows_changed=sum(load.rows_changed for load in loads),
        quarantined=sum(load.quarantined for load in loads),
        drift=tuple(dict.fromkeys(words for load in loads for words in load.drift)),
        failed=tuple(dict.fromkeys(body for load in loads for body in load.failed)),
        notes=tuple(dict.fromkeys(words for load in loads for words in load.notes)),
    )
