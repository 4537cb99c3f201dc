"""The ledger of one wallet's purchases: everything that can be asked of it or written to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Self

import sqlalchemy as sa

from payer.ledger import reserve
from payer.ledger.append import Body, Conflict, append_within
from payer.ledger.audit.compare import Mismatch
from payer.ledger.audit.integrity import Integrity, Writers
from payer.ledger.costs import Costs
from payer.ledger.database.connect import connect
from payer.ledger.database.engine import read_connection
from payer.ledger.database.queries import serialize_caps
from payer.ledger.database.statements import transaction
from payer.ledger.database.thread import LedgerThread
from payer.ledger.quotes import Quotes
from payer.ledger.read import PurchaseChanges, Purchases
from payer.ledger.refused_sellers import Freezes, check_seller
from payer.ledger.reserve import PricedOrder, Reserving, by_no_other_process
from payer.ledger.transfers import Scans, SpentElsewhere
from payer.ledger.workers import Workers
from payer.policy.rules import Caps
from payer.values.events import Event, Sent, Signed
from payer.values.purchase import Lease, Purchase
from payer.values.request import Run


class Ledger(Purchases, Costs, Quotes, Freezes, Scans):
    """Append-only events, the purchases folded from them, and the caps counted in the same commits.

    Any number of processes may write. Each write is one durable commit when the call returns. Implements
    `LedgerReader`. Every method raises LedgerUnavailable when the database can't be read or written, and may block for
    as long as another process holds its lock: a coroutine calls none itself, it awaits `in_thread`.
    """

    def __init__(self, engine: sa.Engine, writers: Writers | None = None, thread: LedgerThread | None = None) -> None:
        self._thread = thread or LedgerThread(inline=True)
        self.in_thread, self.begin, self.beside = self._thread.run, self._thread.begin, self._thread.beside
        super().__init__(engine)
        self._integrity = Integrity(engine, writers)
        self.elsewhere, self.changes = SpentElsewhere(engine), PurchaseChanges(engine)
        """Transfers of the wallet that this ledger lacks; and its calls as they change, for who watches them."""
        self.workers = Workers(engine, self._thread)

    @classmethod
    def open(cls, url: str, thread: LedgerThread | None = None) -> Self:
        """Open a ledger, creating or upgrading the schema; it closes `thread` with itself. Raises LedgerTooNew."""
        engine = connect(url)
        return cls(engine, Writers(engine), thread or LedgerThread())

    def check_in_place(self) -> None:
        """Raise LedgerReplaced when the ledger's file was deleted or replaced since it was opened."""
        if self._engine.dialect.name == "sqlite":
            with read_connection(self._engine):
                return

    def close(self) -> None:
        """Close every connection, after the calls that the ledger's thread was given."""
        self._thread.close()
        self._end()

    async def aclose(self) -> None:
        """Close every connection, in the ledger's thread."""
        await self._thread.run(self._end)
        self._thread.close()

    def _end(self) -> None:
        self._integrity.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def reserve(
        self,
        run: Run,
        priced: Sequence[PricedOrder],
        caps: Mapping[str, Caps],
        lease: Lease,
        loss_limit: Mapping[str, int] | None = None,
        leased_elsewhere: Callable[[Purchase], bool] = by_no_other_process,
    ) -> list[Purchase]:
        """Book an intent for each order, all or none, inside every cap and price drift (I3). Raises OverBudget.

        `caps` are by asset symbol; `loss_limit` (atomic units by seller) stops buying from a seller that kept as much
        without delivering (0: anything at all). An order that is already held, or that another process works on, comes
        back as it is and reserves nothing. One that a process abandoned is voided, and reserved again for this run.
        Raises Frozen for a seller that an operator froze.
        """
        self._integrity.before_writing(intact=True)
        return reserve.reserve(self._engine, Reserving(run, caps, lease, loss_limit or {}, leased_elsewhere), priced)

    def append(
        self,
        purchase: Purchase,
        *events: Event,
        lease: Lease | None = None,
        body: Body | None = None,
        caps: Mapping[str, Caps] | None = None,
        loss_limit: int | None = None,
    ) -> Purchase:
        """Fold events onto a purchase, in one commit with its projection, its caps and its body.

        Raises Conflict when the purchase has changed since it was read. Raises OverBudget when `caps` are given and
        more is committed than they allow (a dearer price signed again), or when the seller kept `loss_limit` atomic
        units without delivering. Without them, events are booked whatever they cost. Raises Frozen for a signature over
        new money while an operator has frozen the seller, and LedgerDamaged, as `require_intact` does, when one of the
        events signs or sends.
        """
        self._integrity.before_writing(intact=any(isinstance(event, (Signed, Sent)) for event in events))
        with transaction(self._engine, write=True) as txn:
            check_seller(txn, purchase, events, loss_limit)
            return append_within(txn, purchase, events, lease, body, caps)

    def append_all(self, batch: Iterable[tuple[Purchase, Sequence[Event]]]) -> list[Purchase]:
        """Append to many purchases in one commit; those that have changed since they were read are left out."""
        self._integrity.before_writing(intact=False)
        done = []
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            for purchase, events in batch:
                with suppress(Conflict):
                    done.append(append_within(txn, purchase, events))
        return done

    def verify_projection(self) -> list[Mismatch]:
        """Fold all events again; return where the projection or the caps' buckets differ. Then nothing is signed.

        While there is a mismatch, every process that opens the ledger folds it again before it signs.
        """
        return self._integrity.verify()

    def require_intact(self) -> None:
        """Raise LedgerDamaged while a mismatch is known. Folds all events once if a process ended without closing."""
        self._integrity.require()
