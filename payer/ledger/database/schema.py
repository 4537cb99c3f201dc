"""The ledger's tables, the same on SQLite and PostgreSQL. A change here needs a migration in migrations/versions/.

Amounts are atomic units as decimal text: a token of 18 decimals overflows a 64-bit integer at ten tokens. Times are
UTC microseconds. `doc` is a whole value as JSON (see `rows`); the columns beside it are what is searched for.

Every paid call writes here twice, durably, so each index has to earn its page. Rows with a `seq` are never deleted,
which keeps their numbers from being given twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from payer.values.errors import LedgerDamaged

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AtomicUnits(sa.types.TypeDecorator[int]):
    """An amount in atomic units: an integer of any size, stored as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> str | None:
        if value is not None and type(value) is not int:
            raise TypeError(f"money is an integer of atomic units, not {type(value).__name__}")
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        try:
            return None if value is None else int(value)
        except ValueError:
            raise LedgerDamaged("an amount in the ledger is no number; `tollbook reconcile` names it") from None


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC time, stored as microseconds since the epoch."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


SERVER_TIME = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The clock of the PostgreSQL server, which workers of several machines have in common, as Moment has it: read when the
row is written, not when a lock was asked."""

metadata = sa.MetaData()

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("purchase_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("purchase_id", "version", name="one_event_per_version"),
)

purchases = sa.Table(
    "purchases",
    metadata,
    sa.Column("purchase_id", sa.Text, primary_key=True),
    sa.Column("purchase_key", sa.Text, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("seq", _SEQ, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("money", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("undelivered", sa.Boolean, nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("in_doubt", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("committed", AtomicUnits, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", Moment),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("purchase_key", "generation", name="one_row_per_generation"),
    sa.Index("purchases_nonce", "nonce"),
)
# Partial on both databases. To name PostgreSQL here, too, would load its dialect at every start of the command.
sa.Index("purchases_open", purchases.c.flow, sqlite_where=purchases.c.is_open)
against_limit = sa.or_(purchases.c.in_doubt, purchases.c.undelivered, purchases.c.failed)
"""Purchases that count against their seller's loss limit, or may: most often there is none. A payment on its way is not
among them, so that a call that is answered with its data never touches the index."""
sa.Index("purchases_against_limit", purchases.c.seller, purchases.c.asset, sqlite_where=against_limit)

bodies = sa.Table(
    "bodies",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
    sa.Column("purchase_id", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("zstd", sa.LargeBinary, nullable=False),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("zstd", sa.LargeBinary, nullable=False),
)

committed = sa.Table(
    "committed",
    metadata,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("atoms", AtomicUnits, nullable=False),
)

quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("endpoint", sa.Text, primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("quoted_at", Moment, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
)

payees = sa.Table(
    "payees",
    metadata,
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("pay_to", sa.Text, nullable=False),
    sa.Column("first_seen", Moment, nullable=False),
)

freezes = sa.Table(
    "freezes",
    metadata,
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Column("frozen_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

avoided = sa.Table(
    "avoided",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

scans = sa.Table(
    "scans",
    metadata,
    sa.Column("wallet", sa.Text, primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("through_block", sa.BigInteger, nullable=False),
    sa.Column("scanned_at", Moment, nullable=False),
)

log_ranges = sa.Table(
    "log_ranges",
    metadata,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("blocks", sa.Integer, nullable=False),
    sa.Column("learned_at", Moment, nullable=False),
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("tx_hash", sa.Text, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("wallet", sa.Text, nullable=False),
    sa.Column("block_number", sa.BigInteger, nullable=False),
    sa.Column("block_hash", sa.Text, nullable=False),
    sa.Column("pay_to", sa.Text, nullable=False),
    sa.Column("value", AtomicUnits, nullable=False),
    sa.Column("nonce", sa.Text),
    sa.Index("transfers_nonce", "nonce"),
)

paid_on_chain = sa.Table(
    "paid_on_chain",
    metadata,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("tx_hash", sa.Text, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("wallet", sa.Text, nullable=False),
    sa.Column("block_number", sa.BigInteger, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("pay_to", sa.Text, nullable=False),
    sa.Column("value", AtomicUnits, nullable=False),
    sa.Column("nonce", sa.Text),
    sa.Index("paid_on_chain_at", "wallet", "asset", "at"),
)

spend_scans = sa.Table(
    "spend_scans",
    metadata,
    sa.Column("wallet", sa.Text, primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Column("first_block", sa.BigInteger, nullable=False),
    sa.Column("through_block", sa.BigInteger, nullable=False),
    sa.Column("scanned_at", Moment, nullable=False),
)

writers = sa.Table(
    "writers",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("seen_at", Moment, nullable=False),
)

publications = sa.Table(
    "publications",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("wanted", sa.BigInteger, nullable=False),
    sa.Column("wanted_at", Moment, nullable=False),
    sa.Column("shown", sa.BigInteger, nullable=False),
    sa.Column("host", sa.Text),
    sa.Column("place", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("ledger_seq", sa.BigInteger),
    sa.Column("published_at", Moment),
)

paces = sa.Table(
    "paces",
    metadata,
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("next_at", Moment, nullable=False),
)
