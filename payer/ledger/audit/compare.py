"""Compare the purchases' rows, and the caps' buckets, with what the events fold to; a whole ledger a page at a time.

Only what decides about money, identity and delivery is compared. Leases and the last answer's text are advice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from payer.ledger import caps
from payer.ledger.database import rows, schema
from payer.ledger.database.engine import read_connection
from payer.values.errors import LedgerDamaged
from payer.values.events import Event, IllegalEvent, Intent, Signed, fold
from payer.values.identifiers import purchase_id, purchase_key
from payer.values.money import Asset
from payer.values.purchase import Purchase

Bucket = tuple[str, str, str]
"""Asset key, scope, bucket."""

FIELDS = (
    *("purchase_id", "purchase_key", "generation", "order", "run", "asset", "payer", "nonce"),
    *("money", "data", "version", "terms", "reserved", "spent", "authorization", "valid_until"),
    *("sends", "earlier_sends", "claims", "undelivered", "burned", "loss_accepted", "settlement", "failure"),
)
"""Fields of a purchase that its row's document must have as the events fold them."""

SEARCHED = tuple(c.name for c in schema.purchases.c if c.name not in ("lease_owner", "lease_until", "doc"))
"""Columns that queries search, caps and loss limits among them."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One value that is not what the events fold to; `purchase_id` None for a bucket of the caps."""

    detail: str
    purchase_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event's row: its place, its kind and its document."""

    seq: int
    version: int
    kind: str
    doc: bytes


class _Unreadable(Exception):
    """Raised with the reason why a purchase can't be folded from its events."""


def compare_purchase(row: Mapping[str, Any], stored: Sequence[StoredEvent]) -> tuple[Purchase | None, list[Mismatch]]:
    """Return the state that the events fold to, None where they can't be folded, and how the row differs from it.

    `row` has the columns of `purchases` as the database keeps them, amounts as text.
    """
    pid = str(row["purchase_id"])
    try:
        kept = rows.purchase(row["doc"])
    except LedgerDamaged:
        return None, [Mismatch("its document in the projection can't be read", pid)]
    try:
        folded = _refold(kept, stored)
    except (_Unreadable, IllegalEvent) as error:
        return None, [Mismatch(f"its events can't be folded: {error}", pid)]
    expected = rows.columns(folded, stored[-1].seq)
    wrong = {name: (getattr(kept, name), getattr(folded, name)) for name in FIELDS}
    details = {name: _difference(name, was, should) for name, (was, should) in wrong.items() if was != should}
    for name in SEARCHED:
        if str(row[name]) != _text(expected[name], row[name]):
            details[name] = f"{name} is {row[name]}, its events fold to {expected[name]}"
    return folded, [Mismatch(detail, pid) for detail in details.values()]


def compare_buckets(expected: Mapping[Bucket, int], stored: Mapping[Bucket, str]) -> list[Mismatch]:
    """Compare what every bucket holds with the sum over the folded purchases. Empty and absent are the same."""
    found = []
    for bucket in sorted({*expected, *stored}):
        holds, counted = stored.get(bucket, "0"), str(expected.get(bucket, 0))
        if holds != counted:
            asset, scope, name = bucket
            found.append(
                Mismatch(f"caps: {scope} {name} counts {holds} atomic units of {asset}, its purchases {counted}")
            )
    return found


def count(folded: Purchase, totals: dict[Bucket, int]) -> None:
    """Add a purchase to the buckets in which it counts."""
    if folded.committed:
        for scope, name in caps.buckets(folded.run, folded.order.seller).values():
            bucket = rows.asset_key(folded.asset), scope, name
            totals[bucket] = totals.get(bucket, 0) + folded.committed


def _refold(kept: Purchase, stored: Sequence[StoredEvent]) -> Purchase:
    """Fold the events from nothing. Raises _Unreadable and IllegalEvent."""
    events: list[Event] = []
    for one in stored:
        try:
            events.append(rows.event(one.kind, one.doc))
        except LedgerDamaged:
            raise _Unreadable(f"event {one.version} can't be read") from None
    if not events or not isinstance(events[0], Intent):
        raise _Unreadable("there is no intent at their beginning")
    first = events[0]
    key = purchase_key(first.order.request, first.order.edition)
    if purchase_id(key, kept.generation) != kept.purchase_id:
        raise _Unreadable("they are those of another request")
    asset, payer, nonce = _paid_with(events, 0, kept)
    state = Purchase(
        purchase_id=kept.purchase_id,
        purchase_key=key,
        generation=kept.generation,
        order=first.order,
        run=first.run,
        asset=asset,
        payer=payer,
        nonce=nonce,
        created_at=first.at,
    )
    for position, (event, one) in enumerate(zip(events, stored, strict=True)):
        if isinstance(event, Intent) and position:
            state = state.paid_with(*_paid_with(events, position, kept))
        state = fold(state, event)
        if state.version != one.version:
            raise _Unreadable(f"event {state.version} is missing")
    return state


def _paid_with(events: Sequence[Event], position: int, kept: Purchase) -> tuple[Asset, str, str]:
    """Return the asset, wallet and nonce of the intent at a position.

    Intents of older tollbooks do not name them: then they are those of the next signature before another intent, and
    where nothing was signed those of the row.
    """
    intent = events[position]
    assert isinstance(intent, Intent), "only an intent names what a purchase is paid with"
    if intent.asset is not None:
        return intent.asset, intent.payer, intent.nonce
    for event in takewhile(lambda later: not isinstance(later, Intent), events[position + 1 :]):
        if isinstance(event, Signed):
            return event.authorization.asset, event.authorization.payer, event.authorization.nonce
    return kept.asset, kept.payer, kept.nonce


def _text(value: object, as_stored: object) -> str:
    """Write an expected value as the database's own looks: SQLite keeps a boolean as 0 or 1."""
    return str(int(value)) if isinstance(value, bool) and not isinstance(as_stored, bool) else str(value)


def _difference(name: str, was: object, should: object) -> str:
    """Say what is kept and what the events fold to. Only short values are quoted."""
    plain = all(isinstance(value, (int, str)) for value in (was, should))
    return f"{name} is {was}, its events fold to {should}" if plain else f"{name} is not what its events fold to"


_PAGE = 500


def mismatches(engine: sa.Engine) -> list[Mismatch]:
    """Fold every purchase from its events; return each value kept beside them that differs. Memory stays small.

    Raises LedgerUnavailable when the database can't be read.
    """
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    found: list[Mismatch] = []
    totals: dict[Bucket, int] = {}
    with read_connection(engine) as connection:
        after = ""
        while True:
            page = _purchases(connection, after)
            last = page[-1]["purchase_id"] if page else None
            events = _events(connection, after, last)
            for row in page:
                folded, wrong = compare_purchase(row, events.pop(row["purchase_id"], []))
                found += wrong
                if folded is not None:
                    count(folded, totals)
            found += [Mismatch("it has events and no row in the projection", pid) for pid in events]
            if last is None:
                break
            after = last
        table = schema.committed
        query = sa.select(table.c.asset, table.c.scope, table.c.bucket, sa.type_coerce(table.c.atoms, sa.Text))
        stored = {(asset, scope, bucket): str(held) for asset, scope, bucket, held in connection.execute(query)}
    return [*found, *compare_buckets(totals, stored)]


def _purchases(connection: sa.Connection, after: str) -> Sequence[Mapping[str, Any]]:
    table = schema.purchases
    columns = [
        sa.type_coerce(column, sa.Text).label(column.name) if column is table.c.committed else column
        for column in table.c
        if column.name not in ("lease_owner", "lease_until")
    ]
    query = sa.select(*columns).where(table.c.purchase_id > after).order_by(table.c.purchase_id).limit(_PAGE)
    return [dict(row) for row in connection.execute(query).mappings()]


def _events(connection: sa.Connection, after: str, last: str | None) -> dict[str, list[StoredEvent]]:
    """Return the events of purchases with ids behind `after` up to `last` (None: all that follow), in order."""
    table = schema.events
    query = sa.select(table.c.purchase_id, table.c.seq, table.c.version, table.c.kind, table.c.doc).where(
        table.c.purchase_id > after
    )
    if last is not None:
        query = query.where(table.c.purchase_id <= last)
    events: dict[str, list[StoredEvent]] = {}
    for pid, *fields in connection.execute(query.order_by(table.c.purchase_id, table.c.version)):
        events.setdefault(pid, []).append(StoredEvent(*fields))
    return events
