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
    """Create the two tables where they don't exist yet."""
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
        _replace_costs(con, schema, _cost_table(costs))
    for avoided in _batches(ledger.avoided_rows(avoided_after)):
        _add_avoided(con, schema, _avoided_table(avoided))
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


_AMOUNTS = ("amount", "loss")
"""Columns in the asset, each after its column in atomic units."""


def _cost_table(rows: Sequence[CostRow]) -> pa.Table:
    """Arrow rows in the order of the columns of `ledger_costs`: each amount follows its atomic units."""
    import pyarrow as pa

    time, whole, money = pa.timestamp("us", "UTC"), pa.decimal128(38, 0), pa.decimal128(38, 18)
    types = {"amount_atomic": whole, "amount": money, "loss_atomic": whole, "loss": money}
    types |= {"block_time": time, "created_at": time, "delivered_at": time}
    types |= {"seq": pa.int64(), "generation": pa.int32(), "block_number": pa.int64()}
    types |= {"decimals": pa.int32(), "attempts": pa.int32()}
    types |= {"latency_ms": pa.int64(), "undelivered": pa.bool_(), "verified_on_chain": pa.bool_()}
    names = [*CostRow.__slots__]
    for name in _AMOUNTS:
        names.insert(names.index(f"{name}_atomic") + 1, name)
    columns = {}
    for name in names:
        if name in _AMOUNTS:
            values: list[object] = [exact_decimal(getattr(row, f"{name}_atomic"), row.decimals) for row in rows]
        elif name.removesuffix("_atomic") in _AMOUNTS:
            values = [Decimal(getattr(row, name)) for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        columns[name] = pa.array(values, types.get(name, pa.string()))
    return pa.table(columns)


_AVOIDED_TEXT = (
    *("run_id", "flow", "deployment", "flow_run_id", "reason"),
    *("dataset", "request", "edition", "network", "asset"),
)


def _avoided_table(rows: Sequence[AvoidedRow]) -> pa.Table:
    """Arrow rows in the order of the columns of `avoided`. A price that is unknown stays unknown."""
    import pyarrow as pa

    columns = {"seq": pa.array([row.seq for row in rows], pa.int64())}
    columns |= {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in _AVOIDED_TEXT}
    atomic = [None if row.price_atomic is None else Decimal(row.price_atomic) for row in rows]
    prices = [None if row.price_atomic is None else exact_decimal(row.price_atomic, row.decimals) for row in rows]
    columns["price_atomic"] = pa.array(atomic, pa.decimal128(38, 0))
    columns["price"] = pa.array(prices, pa.decimal128(38, 18))
    columns["avoided_at"] = pa.array([row.at for row in rows], pa.timestamp("us", "UTC"))
    return pa.table(columns)
