"""Runs, what each purchase cost and all of them together, and calls that were avoided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.ledger.database.engine import OnEngine, read_connection, write_connection
from payer.ledger.database.queries import ADD_RUN
from payer.ledger.database.statements import transaction
from payer.values.errors import LedgerDamaged
from payer.values.events import Answered
from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Run

_REMEMBERED = 20_000
"""Avoided calls among which one is looked for again: those of some months."""

_PAGE = 500


class Costs(OnEngine):
    """The part of a ledger about runs, costs and avoided calls."""

    def start_run(self, run: Run) -> None:
        with transaction(self._engine, write=True) as txn:
            txn.run(ADD_RUN, run_id=run.run_id, flow=run.flow, started_at=run.started_at, doc=rows.encode(run))

    def note_avoided(self, entries: Sequence[Mapping[str, object]], run: Run) -> None:
        """Record calls that coverage saved, once per request and edition: a rerun avoids nothing that was due again.

        Each entry is an AvoidedRow without its seq. Those of the newest _REMEMBERED calls are recognized.
        """
        if not entries:
            return
        with write_connection(self._engine) as connection:
            recorded = _recorded(connection, {str(entry["dataset"]) for entry in entries})
            fresh = [entry for entry in entries if _due(entry) not in recorded]
            if fresh:
                documents = [{"run_id": run.run_id, "doc": rows.encode(entry)} for entry in fresh]
                connection.execute(sa.insert(schema.avoided), documents)

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        """Avoided calls with seq > after, in seq order."""
        table = schema.avoided
        query = sa.select(table.c.seq, table.c.doc).where(table.c.seq > after).order_by(table.c.seq)
        yield from (rows.avoided(seq, doc) for seq, doc in self._fetched(query))

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        """One row per purchase whose newest event has seq > changed_after, in seq order, read a page at a time."""
        table = schema.purchases
        after = changed_after
        while True:
            query = sa.select(table.c.seq, table.c.doc).where(table.c.seq > after).order_by(table.c.seq).limit(_PAGE)
            with read_connection(self._engine) as connection:
                page = [(seq, rows.purchase(doc)) for seq, doc in connection.execute(query)]
                latency = _latencies(connection, [p.purchase_id for _, p in page])
            if not page:
                return
            yield from (_cost_row(seq, p, latency.get(p.purchase_id)) for seq, p in page)
            after = page[-1][0]

    def totals(self) -> Totals:
        """Sums over all purchases; quicker than making them. Raises LedgerDamaged for one that can't be read."""
        costs: Counter[tuple[Money, bytes]] = Counter()
        losses: Counter[bytes] = Counter()
        delivered = 0
        try:
            for one in (_decoder.decode(doc) for (doc,) in self._fetched(sa.select(schema.purchases.c.doc))):
                asset = bytes(one.asset)
                costs[one.money, asset] += one.cost
                losses[asset] += one.loss
                delivered += one.data is Data.DELIVERED
            assets = {written: msgspec.json.decode(written, type=Asset) for written in losses}
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise LedgerDamaged("a purchase in the ledger can't be read; `tollbook reconcile` names it") from None
        found = Totals(delivered=delivered)
        for (money, written), amount in costs.items():
            found.by_money[money][assets[written]] += amount
        for written, amount in losses.items():
            found.lost[assets[written]] += amount
        return found


def _due(entry: Mapping[str, object]) -> tuple[object, ...]:
    """Identify what was due: one request in one edition."""
    return entry["dataset"], entry["request"], entry["edition"]


def _recorded(connection: sa.Connection, datasets: Collection[str]) -> set[tuple[object, ...]]:
    """Identities of what the newest avoided calls of these datasets were due for."""
    table = schema.avoided
    query = sa.select(table.c.doc).order_by(table.c.seq.desc()).limit(_REMEMBERED)
    names = [name.encode() for name in datasets]
    documents = [doc for (doc,) in connection.execute(query) if any(name in doc for name in names)]
    return {_due(msgspec.json.decode(doc)) for doc in documents}


def _latencies(connection: sa.Connection, purchase_ids: list[str]) -> dict[str, int]:
    """Milliseconds to each purchase's last answer."""
    table = schema.events
    query = (
        sa.select(table.c.purchase_id, table.c.doc)
        .where(table.c.purchase_id.in_(purchase_ids), table.c.kind == "answered")
        .order_by(table.c.seq)
    )
    latency: dict[str, int] = {}
    for purchase_id, doc in connection.execute(query):
        answered = rows.event("answered", doc)
        assert isinstance(answered, Answered)
        latency[purchase_id] = answered.elapsed_ms
    return latency


def _cost_row(seq: int, p: Purchase, latency_ms: int | None) -> CostRow:
    settled = p.settlement
    return CostRow(
        seq=seq,
        purchase_id=p.purchase_id,
        purchase_key=p.purchase_key,
        generation=p.generation,
        run_id=p.run.run_id,
        flow=p.run.flow,
        deployment=p.run.deployment,
        flow_run_id=p.run.flow_run_id,
        reason=p.run.reason,
        seller=p.order.seller,
        dataset=p.order.dataset,
        request=f"{p.order.request.method} {p.order.request.full_url}",
        edition=p.order.edition,
        network=p.asset.network,
        asset=p.asset.symbol,
        decimals=p.asset.decimals,
        amount_atomic=p.cost,
        loss_atomic=p.loss,
        money=p.money.value,
        data=p.data.value,
        undelivered=p.undelivered,
        failure=p.failure or None,
        denied=p.denied,
        wallet=p.payer,
        payee=settled.pay_to if settled else p.terms.pay_to if p.terms else None,
        nonce=p.nonce,
        tx_hash=settled.tx_hash if settled else None,
        block_number=settled.block_number if settled else None,
        block_time=settled.block_time if settled else None,
        verified_on_chain=settled is not None,
        attempts=p.sends + p.claims,
        latency_ms=latency_ms,
        created_at=p.created_at,
        delivered_at=p.delivered_at,
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """Atomic units by state of money and asset, those lost, and how many purchases were delivered."""

    by_money: dict[Money, Counter[Asset]] = field(default_factory=lambda: {money: Counter() for money in Money})
    lost: Counter[Asset] = field(default_factory=Counter)
    delivered: int = 0


class _PurchaseMoney(msgspec.Struct, frozen=True):
    """The part of a purchase's document that its cost and loss follow from, by the same rules.

    The asset stays as it is written, and is decoded once for all purchases that have it.
    """

    asset: msgspec.Raw
    money: Money = Money.RESERVED
    data: Data = Data.ABSENT
    reserved: int = 0
    spent: int = 0
    undelivered: bool = False
    failure: str = ""

    committed = Purchase.committed
    cost = Purchase.cost
    lost_for = Purchase.lost_for
    loss = Purchase.loss


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_PurchaseMoney)
