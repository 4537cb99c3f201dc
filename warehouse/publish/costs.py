"""Publish the ledger's rows as tables: `ledger_costs`, one row per purchase, and `avoided`, one per call not made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.money import exact_decimal
from warehouse.publish.ledger_snapshot import LedgerSnapshot

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_LATE = 1_000
"""Seqs back that an update reads again: PostgreSQL may commit a smaller seq after a larger one."""

_BATCH = 50_000

# DECIMAL(38, 0) and not HUGEINT, of which Parquet makes a float.
_COSTS_DDL = """
CREATE TABLE IF NOT EXISTS {schema}.ledger_costs (
    seq BIGINT, purchase_id VARCHAR, purchase_key VARCHAR, generation INTEGER, run_id VARCHAR, flow VARCHAR,
    deployment VARCHAR, flow_run_id VARCHAR, reason VARCHAR, seller VARCHAR, dataset VARCHAR, request VARCHAR,
    edition VARCHAR, network VARCHAR, asset VARCHAR, decimals INTEGER, amount_atomic DECIMAL(38, 0),
    amount DECIMAL(38, 18), loss_atomic DECIMAL(38, 0), loss DECIMAL(38, 18), money VARCHAR, data VARCHAR,
    undelivered BOOLEAN, failure VARCHAR, denied VARCHAR, wallet VARCHAR, payee VARCHAR, nonce VARCHAR,
    tx_hash VARCHAR, block_number BIGINT,
    block_time TIMESTAMPTZ, verified_on_chain BOOLEAN, attempts INTEGER, latency_ms BIGINT, created_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ
)"""

_AVOIDED_DDL = """
CREATE TABLE IF NOT EXISTS {schema}.avoided (
    seq BIGINT, run_id VARCHAR, flow VARCHAR, deployment VARCHAR, flow_run_id VARCHAR, reason VARCHAR,
    dataset VARCHAR, request VARCHAR, edition VARCHAR, network VARCHAR, asset VARCHAR, price_atomic DECIMAL(38, 0),
    price DECIMAL(38, 18), avoided_at TIMESTAMPTZ
)"""


def create(con: duckdb.DuckDBPyConnection, schema: str) -> None:
    con.execute(_COSTS_DDL.format(schema=schema))
    con.execute(_AVOIDED_DDL.format(schema=schema))


def read_after(con: duckdb.DuckDBPyConnection, schema: str) -> tuple[int, int]:
    """The seqs of costs and of avoided calls behind which `update` needs the ledger's rows."""
    [(costs_seq,)] = con.execute(f"SELECT coalesce(max(seq), 0) FROM {schema}.ledger_costs").fetchall()
    [(avoided_seq,)] = con.execute(f"SELECT coalesce(max(seq), 0) FROM {schema}.avoided").fetchall()
    return late(costs_seq), late(avoided_seq)


def late(seq: int) -> int:
    """The seq behind which rows are read again where `seq` was the last."""
    return max(0, seq - _LATE)


def update(con: duckdb.DuckDBPyConnection, schema: str, ledger: LedgerSnapshot, *, other_ledger: bool = False) -> None:
    """Write rows that are new or changed in the ledger.

    `other_ledger`: the tables are of another ledger, whose seqs say nothing about this one. Purchases that this one
    lacks keep their cost as long as their rows are published.
    """
    if other_ledger:
        kept = f"SELECT * REPLACE (0 AS seq) FROM {schema}.ledger_costs SEMI JOIN {schema}.loads USING (purchase_id)"
        con.execute(f"CREATE OR REPLACE TEMP TABLE lost AS {kept}")
        con.execute(f"DELETE FROM {schema}.ledger_costs")
    if other_ledger or not has_newest_avoided(con, schema, ledger):
        con.execute(f"DELETE FROM {schema}.avoided")
    costs_after, avoided_after = read_after(con, schema)
    for costs in _batches(ledger.cost_rows(costs_after)):
        _replace_costs(con, schema, _arrow_rows(con, f"{schema}.ledger_costs", costs))
    for avoided in _batches(ledger.avoided_rows(avoided_after)):
        _add_avoided(con, schema, _arrow_rows(con, f"{schema}.avoided", avoided))
    if other_ledger:
        lacking = f"SELECT * FROM lost ANTI JOIN {schema}.ledger_costs USING (purchase_id)"
        con.execute(f"INSERT INTO {schema}.ledger_costs BY NAME {lacking}")


def has_newest_avoided(con: duckdb.DuckDBPyConnection, schema: str, ledger: LedgerSnapshot) -> bool:
    """True when the ledger still has the newest row of `avoided`: a restored one may have another under its seq."""
    query = f"SELECT seq, run_id, request, avoided_at FROM {schema}.avoided ORDER BY seq DESC LIMIT 1"
    for seq, *newest in con.execute(query).fetchall():
        row = next(iter(ledger.avoided_rows(seq - 1)), None)
        return row is not None and [row.seq, row.run_id, row.request, row.at] == [seq, *newest]
    return True


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _replace_costs(con: duckdb.DuckDBPyConnection, schema: str, rows: pa.Table) -> None:
    con.register("fresh_costs", rows)
    changed = f"SELECT f.* FROM fresh_costs f ANTI JOIN {schema}.ledger_costs c USING (purchase_id, seq)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE changed_costs AS {changed}")
    con.execute(f"DELETE FROM {schema}.ledger_costs WHERE purchase_id IN (SELECT purchase_id FROM changed_costs)")
    con.execute(f"INSERT INTO {schema}.ledger_costs SELECT * FROM changed_costs")
    con.unregister("fresh_costs")


def _add_avoided(con: duckdb.DuckDBPyConnection, schema: str, rows: pa.Table) -> None:
    con.register("fresh_avoided", rows)
    added = f"SELECT f.* FROM fresh_avoided f ANTI JOIN {schema}.avoided a USING (seq)"
    con.execute(f"INSERT INTO {schema}.avoided {added}")
    con.unregister("fresh_avoided")


def _arrow_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[CostRow] | Sequence[AvoidedRow]) -> pa.Table:
    """The ledger's rows in the columns of a table. An amount in the asset stands beside its atomic units; one that is
    unknown stays unknown."""
    import pyarrow as pa

    schema = con.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema
    columns = {}
    for name in schema.names:
        is_amount = f"{name}_atomic" in schema.names
        values = [getattr(row, f"{name}_atomic" if is_amount else _NAMED.get(name, name)) for row in rows]
        if is_amount:
            decimals = [row.decimals for row in rows]
            values = [None if v is None else exact_decimal(v, d) for v, d in zip(values, decimals, strict=True)]
        elif name.endswith("_atomic"):
            values = [None if value is None else Decimal(value) for value in values]
        columns[name] = pa.array(values, schema.field(name).type)
    return pa.table(columns)


_NAMED = {"avoided_at": "at"}
"""Columns that the ledger's rows call otherwise."""
