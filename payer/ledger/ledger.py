"""The ledger of one wallet's purchases: everything that can be asked of it or written to it, in one place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from payer.ledger import append, caps, costs, deliveries, quotes, read, reserve, scans
from payer.ledger.append import Body
from payer.ledger.audit.compare import Mismatch
from payer.ledger.audit.integrity import Integrity
from payer.ledger.audit.writers import Writers
from payer.ledger.database import queries
from payer.ledger.database.connect import connect
from payer.ledger.database.engine import read_connection
from payer.ledger.database.thread import CallsInThread, LedgerThread
from payer.ledger.elsewhere.record import SpentElsewhere
from payer.ledger.operator import freezes
from payer.ledger.operator.freezes import Freeze
from payer.ledger.reserve import PricedOrder, Reserving, by_no_other_process
from payer.ledger.stream.changes import PurchaseChanges
from payer.ledger.workers.workers import Workers
from payer.policy.rules import Caps
from payer.values.chain_view import TransferOut
from payer.values.events import Event
from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.money import Asset
from payer.values.purchase import Delivery, Lease, Purchase
from payer.values.request import Run
from payer.values.terms import Quote


class Ledger(CallsInThread):
    """Append-only events, the purchases folded from them, and the caps counted in the same commits.

    Any number of processes may write. Each write is one durable commit when the call returns. Implements
    `LedgerReader`. Every method raises LedgerUnavailable when the database can't be read or written, and may block for
    as long as another process holds its lock: a coroutine calls none itself, it awaits `in_thread`.
    """

    def __init__(self, engine: sa.Engine, writers: Writers | None = None, thread: LedgerThread | None = None) -> None:
        super().__init__(thread or LedgerThread(inline=True))
        self._engine = engine
        self._integrity = Integrity(engine, writers)
        self.elsewhere, self.changes = SpentElsewhere(engine), PurchaseChanges(engine)
        """Transfers of the wallet that this ledger lacks; and its calls as they change, for who watches them."""
        self.workers = Workers(engine, self)

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

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ── writing purchases ────────────────────────────────────────────────────────────────────────────────────────

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
        self._integrity.before_reserving()
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
        self._integrity.before_append(events)
        return append.append(self._engine, purchase, events, lease, body, caps, loss_limit)

    def append_all(self, batch: Iterable[tuple[Purchase, Sequence[Event]]]) -> list[Purchase]:
        """Append to many purchases in one commit; those that have changed since they were read are left out."""
        self._integrity.before_append(())
        return append.append_all(self._engine, batch)

    def verify_projection(self) -> list[Mismatch]:
        """Fold all events again; return where the projection or the caps' buckets differ. Then nothing is signed.

        While there is a mismatch, every process that opens the ledger folds it again before it signs.
        """
        return self._integrity.verify()

    def require_intact(self) -> None:
        """Raise LedgerDamaged while a mismatch is known. Folds all events once if a process ended without closing."""
        self._integrity.require()

    # ── reading purchases ────────────────────────────────────────────────────────────────────────────────────────

    def get(self, purchase_id: str) -> Purchase | None:
        """The purchase with an id."""
        return read.one(self._engine, queries.BY_ID, purchase_id=purchase_id)

    def by_nonce(self, nonce: str) -> Purchase | None:
        """The purchase that a nonce on chain belongs to."""
        return read.one(self._engine, queries.BY_NONCE, nonce=nonce)

    def find(self, purchase_key: str) -> Purchase | None:
        """The latest generation of a purchase key."""
        return read.find_each(self._engine, [purchase_key])[0]

    def find_each(self, purchase_keys: Sequence[str]) -> list[Purchase | None]:
        """The latest generation of each purchase key, read at once."""
        return read.find_each(self._engine, purchase_keys)

    def newest_of(self, payer: str) -> Purchase | None:
        """The newest purchase of a wallet, None when it has none."""
        return read.newest_of(self._engine, payer)

    def open_purchases(self, flow: str | None = None) -> list[Purchase]:
        """Purchases with something left to do, of one flow or all, oldest first."""
        if flow is None:
            return read.many(self._engine, queries.OPEN)
        return read.many(self._engine, queries.OPEN_OF_FLOW, flow=flow)

    def undelivered(self) -> list[Purchase]:
        """Purchases spent and never delivered, whose loss nobody has accepted."""
        return read.many(self._engine, queries.UNDELIVERED)

    def failed_deliveries(self) -> list[Purchase]:
        """Purchases whose body can't be used, and whose loss nobody has accepted."""
        return read.many(self._engine, queries.FAILED)

    def purchases(self) -> list[Purchase]:
        """All purchases, oldest first."""
        return read.many(self._engine, queries.PURCHASES)

    def totals(self) -> costs.Totals:
        """Sums over all purchases; quicker than making them."""
        return costs.totals(self._engine)

    def events(self, purchase_id: str) -> list[Event]:
        """A purchase's events in order."""
        return read.events(self._engine, purchase_id)

    def committed(self, asset: Asset) -> dict[tuple[str, str], int]:
        """Atomic units that count against the caps of an asset, by (scope, bucket); see `caps.buckets`."""
        return caps.committed(self._engine, asset)

    # ── runs, quotes, payees ─────────────────────────────────────────────────────────────────────────────────────

    def start_run(self, run: Run) -> None:
        """Record who runs and why."""
        costs.start_run(self._engine, run)

    def quote(self, endpoint: str, asset: Asset) -> Quote | None:
        """The newest terms accepted for an endpoint in an asset."""
        return quotes.quote(self._engine, endpoint, asset)

    def quotes(self) -> list[Quote]:
        """The newest terms accepted for every endpoint."""
        return quotes.every(self._engine)

    def put_quote(self, quote: Quote) -> Quote:
        """Keep the newest terms of an endpoint; the prices from which drift counts stay as they are."""
        return quotes.put_quote(self._engine, quote)

    def accept_price(self, offered: Quote) -> Quote:
        """Make a quote's price the base of its endpoint, from which drift counts: an operator's decision."""
        return quotes.accept_price(self._engine, offered)

    def payee(self, seller: str, asset: Asset) -> str | None:
        """The payee pinned for a seller, None when there is none."""
        return quotes.payee(self._engine, seller, asset)

    def pin_payee(self, seller: str, asset: Asset, pay_to: str, at: datetime) -> str:
        """Pin the payee seen first; returns the pinned one, which another process may have set."""
        return quotes.pin_payee(self._engine, seller, asset, pay_to, at)

    # ── what an operator decides ─────────────────────────────────────────────────────────────────────────────────

    def freeze(self, freeze: Freeze) -> Freeze:
        """Stop every new signature for a seller, or for all; returns the freeze that holds, which may be older."""
        return freezes.add(self._engine, freeze)

    def unfreeze(self, seller: str) -> Freeze | None:
        """Lift a freeze by its name; returns it, None when there was none."""
        return freezes.delete(self._engine, seller)

    def freezes(self) -> list[Freeze]:
        """Every freeze that holds now; that of every seller first."""
        return freezes.held(self._engine)

    # ── reading for the warehouse ────────────────────────────────────────────────────────────────────────────────

    def last_seq(self) -> int:
        """The newest event's seq; 0 for an empty ledger."""
        return deliveries.last_seq(self._engine)

    def mark(self, seq: int) -> str | None:
        """A hash of the event at a seq, None when there is none; tells a ledger from one restored since."""
        return deliveries.mark(self._engine, seq)

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        """(seq, purchase_id) of every delivery with seq > after, in seq order."""
        return deliveries.index(self._engine, after)

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        """Deliveries with seq > after in seq order, all or those of some purchases, read a page at a time.

        Bodies are decompressed and compared with the hash they arrived with; a damaged one is marked and left empty.
        """
        return deliveries.pages(self._engine, after, purchase_ids)

    def delivery(self, purchase_id: str) -> Delivery | None:
        """The delivery of one purchase."""
        return next(iter(deliveries.page(self._engine, [purchase_id])), None)

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        """One row per purchase whose newest event has seq > changed_after, in seq order."""
        return costs.cost_rows(self._engine, changed_after)

    def note_avoided(self, entries: Sequence[Mapping[str, object]], run: Run) -> None:
        """Record calls that coverage saved; each entry is an AvoidedRow without its seq."""
        costs.note_avoided(self._engine, entries, run)

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        """Avoided calls with seq > after, in seq order."""
        return costs.avoided_rows(self._engine, after)

    # ── the chain, for reconciliation ────────────────────────────────────────────────────────────────────────────

    def log_range(self, server: str, now: datetime) -> int | None:
        """The block range that a chain server was found to answer for at once, None when that is not known."""
        return scans.log_range(self._engine, server, now)

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        """Keep the block range that a chain server answers for at once."""
        scans.keep_log_range(self._engine, server, blocks, at)

    def scanned_through(self, asset: Asset, wallet: str) -> int | None:
        """The last block that was scanned for a wallet, None before the first scan."""
        return scans.scanned_through(self._engine, asset, wallet)

    def transfers_seen(self, asset: Asset, wallet: str) -> list[TransferOut]:
        """Every transfer out of a wallet that was scanned, in the chain's order."""
        return scans.transfers_seen(self._engine, asset, wallet)

    def close_scan(
        self, asset: Asset, wallet: str, from_block: int, through: int, seen: Sequence[TransferOut], at: datetime
    ) -> None:
        """Replace the transfers known in blocks from `from_block` to `through` by those seen, and record how far.

        Blocks scanned before stay scanned. A transaction is in one block: seen here, it is removed from any other.
        """
        scans.close_scan(self._engine, asset, wallet, from_block, through, seen, at)
