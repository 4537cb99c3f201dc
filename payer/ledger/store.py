"""The ledger: opened, and intents booked in it, all or none, inside every cap. What follows on them is appends.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from payer.ledger import caps as budget
from payer.ledger import losses, rows
from payer.ledger.appends import Appends
from payer.ledger.engine import connect
from payer.ledger.queries import (
    ADD_PURCHASE,
    HOLD_VERSION,
    MOVE_PURCHASE,
    QUOTE,
)
from payer.ledger.statements import Transaction, transaction
from payer.policy.rules import Caps
from payer.values.errors import ConflictingRequest, Refused
from payer.values.events import Intent, Void, fold
from payer.values.identifiers import purchase_id, purchase_key
from payer.values.money import Asset
from payer.values.purchase import Lease, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Terms


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that has a price: what `reserve` books. `terms` None is a free order.

    `generation` is what was read before the chain was asked; `reserve` decides anew.
    """

    order: Order
    asset: Asset
    payer: str
    nonce_of: Mapping[int, str]
    amount: int
    terms: Terms | None
    from_block: int | None
    generation: int = 0

    @property
    def nonce(self) -> str:
        return self.nonce_of[self.generation]


def _nobody_else(_purchase: Purchase) -> bool:
    return False


def _left(found: Purchase, run: Run, lease: Lease) -> bool:
    """Reserved, and not just now for this run."""
    return found.money is Money.RESERVED and (found.lease, found.run.run_id) != (lease, run.run_id)


def _new_purchase(key: str, earlier: Purchase | None, run: Run, item: Wanted) -> Purchase:
    """A purchase nothing has happened to yet: the first of its key, or the generation after an accepted loss."""
    generation = 0 if earlier is None else earlier.generation + 1
    return Purchase(
        purchase_id=purchase_id(key, generation),
        purchase_key=key,
        generation=generation,
        order=item.order,
        run=run,
        asset=item.asset,
        payer=item.payer,
        nonce=item.nonce_of[generation],
        created_at=run.started_at,
    )


def _on_rail(void: Purchase, item: Wanted) -> Purchase:
    """A void purchase that is wanted again. What has once been sent keeps its asset and wallet for ever."""
    if (void.asset, void.payer) == (item.asset, item.payer):
        return void
    if void.sends or void.earlier_sends:
        raise Refused(
            f"{void.order.dataset} {void.purchase_id} was presented in {void.asset.symbol} from {void.payer}; "
            f"it can't be bought in {item.asset.symbol} from {item.payer}",
            advice="one purchase keeps its asset and wallet: buy it with those, or leave it out",
        )
    rail = {"asset": item.asset, "payer": item.payer, "nonce": item.nonce_of[void.generation]}
    return replace(void, **rail, authorization=None, valid_until=0, from_block=None, first_sent_at=None)


class Ledger(Appends):
    """The books of one wallet's purchases. Any number of processes may write; SQLite or PostgreSQL by URL."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Open, creating or raising the schema. Raises LedgerUnavailable or LedgerTooNew."""
        return cls(connect(url))

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ── purchases ────────────────────────────────────────────────────────────────────────────────────────────────

    def reserve(
        self,
        run: Run,
        wanted: Sequence[Wanted],
        caps: Mapping[str, Caps],
        lease: Lease,
        loss_limit: Mapping[str, int] | None = None,
        leased_elsewhere: Callable[[Purchase], bool] = _nobody_else,
    ) -> list[Purchase]:
        """Book an intent for each, all or none, inside every cap and price drift (I3).

        An order that is already held, or that another process is working on, comes back as it stands and reserves
        nothing; one that a process reserved and left is given back, and reserved anew for this run. Raises OverBudget;
        `loss_limit` (atoms by seller) stops buying from one that took and did not deliver.
        """
        with transaction(self._engine, write=True) as books:
            self._take_turns(books)
            purchases = [self._intend(books, run, item, caps, lease, leased_elsewhere) for item in wanted]
            paid = [p for p, is_new in purchases if is_new and p.terms is not None]
            for seller, asset in dict.fromkeys((p.order.seller, p.asset) for p in paid):
                losses.check(books, seller, asset, (loss_limit or {}).get(seller, 0))
            for asset in {item.asset for item in wanted}:
                fresh = [p for p, is_new in purchases if is_new and p.asset == asset]
                asked = sum(p.reserved for p in fresh)
                if asked:
                    totals = budget.move(books, asset, run, asked)
                    budget.check(caps[asset.symbol], run, asset, totals, asked)
            self._accept_prices(books, paid, caps)
        return [p for p, _ in purchases]

    def _intend(
        self,
        books: Transaction,
        run: Run,
        item: Wanted,
        caps: Mapping[str, Caps],
        lease: Lease,
        leased_elsewhere: Callable[[Purchase], bool],
    ) -> tuple[Purchase, bool]:
        key = purchase_key(item.order.request, item.order.edition)
        found = self._latest_held(books, key)
        if found is not None and found.order.dataset != item.order.dataset:
            raise ConflictingRequest(f"{found.purchase_id} is {found.order.dataset}, not {item.order.dataset}")
        if found is not None and _left(found, run, lease) and not leased_elsewhere(found):
            # It was judged and counted for a run that left it: it is judged and counted anew (I3, I6).
            void = Void(at=run.started_at, reason="reserved by a run that left it")
            found = self._append(books, found, [void], None, None, None)
        if found is not None and not found.buyable:
            return found, False
        if item.terms is not None:
            budget.check_call(caps[item.asset.symbol], item.asset, item.amount, item.order.dataset)
        intent = Intent(
            at=run.started_at,
            order=item.order,
            run=run,
            reserved=item.amount,
            terms=item.terms,
            from_block=item.from_block,
        )
        if found is None or found.loss_accepted:
            base, write = _new_purchase(key, found, run, item), ADD_PURCHASE
        else:
            base, write = _on_rail(found, item), MOVE_PURCHASE
        after = replace(fold(base, intent), lease=lease)
        seq = self._insert_event(books, after, intent)
        books.run(write, **rows.columns(after, seq))
        return after, True

    def _accept_prices(self, books: Transaction, paid: Sequence[Purchase], caps: Mapping[str, Caps]) -> None:
        """Price drift, checked again where it counts: another bill may have been reserved since this one was judged.
        Then these prices are the ones that later ones are measured from."""
        prices = {(p.order.request.endpoint, p.asset): p for p in paid}
        for (endpoint, asset), purchase in prices.items():
            doc = books.scalar(QUOTE, endpoint=endpoint, asset=f"{asset.network}/{asset.address}")
            if doc is None:
                continue
            kept = rows.quote(doc)
            budget.check_drift(caps[asset.symbol], asset, purchase.reserved, kept.measure, purchase.order.dataset)
            if kept.baseline != purchase.reserved:
                self._write_quote(books, changed(kept, baseline=purchase.reserved))

    def _latest_held(self, books: Transaction, key: str) -> Purchase | None:
        """The latest generation, which nobody else changes until commit."""
        found = self._latest(books, key)
        if found is None or not books.on_postgresql:
            return found
        books.scalar(HOLD_VERSION, purchase_id=found.purchase_id)
        return self._latest(books, key)
