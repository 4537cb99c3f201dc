"""What was paid, for what, and what the cache saved: the ledger's rows as tables."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from payer.values.ledger_reads import AvoidedRow, CostRow, LedgerReader

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_LATE = 1_000
"""How many seqs back a reader looks again: PostgreSQL may commit a smaller seq after a larger one."""

_COSTS_DDL = """
CREATE TABLE IF NOT EXISTS {schema}.ledger_costs (
    seq BIGINT, purchase_id VARCHAR, purchase_key VARCHAR, generation INTEGER, run_id VARCHAR, flow VARCHAR,
    deployment VARCHAR, flow_run_id VARCHAR, reason VARCHAR, seller VARCHAR, dataset VARCHAR, request VARCHAR,
    edition VARCHAR, network VARCHAR, asset VARCHAR, amount_atomic HUGEINT, amount DECIMAL(38, 18), money VARCHAR,
    data VARCHAR, undelivered BOOLEAN, denied VARCHAR, nonce VARCHAR, tx_hash VARCHAR, block_number BIGINT,
    block_time TIMESTAMPTZ, verified_on_chain BOOLEAN, attempts INTEGER, latency_ms BIGINT, created_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ
)"""

_AVOIDED_DDL = """
CREATE TABLE IF NOT EXISTS {schema}.avoided (
    seq BIGINT, run_id VARCHAR, flow VARCHAR, deployment VARCHAR, flow_run_id VARCHAR, reason VARCHAR,
    dataset VARCHAR, request VARCHAR, edition VARCHAR, network VARCHAR, asset VARCHAR, price_atomic HUGEINT,
    price DECIMAL(38, 18), avoided_at TIMESTAMPTZ
)"""


def in_asset(atoms: int | None, decimals: int) -> Decimal | None:
    """An amount in the asset, exact; unknown stays unknown."""
    return None if atoms is None else Decimal(f"{atoms}E-{decimals}")


def create(con: duckdb.DuckDBPyConnection, schema: str) -> None:
    """The two tables, empty where they don't exist yet."""
    con.execute(_COSTS_DDL.format(schema=schema))
    con.execute(_AVOIDED_DDL.format(schema=schema))


def update(con: duckdb.DuckDBPyConnection, schema: str, ledger: LedgerReader, *, anew: bool = False) -> int:
    """Bring the tables up to the ledger: only what changed since they were last. Returns the rows written.

    `anew`: it is another ledger, whose seqs say nothing of what the tables have. What it lacks stays priced as long as
    its rows are shown.
    """
    if anew:
        kept = f"SELECT * REPLACE (0 AS seq) FROM {schema}.ledger_costs SEMI JOIN {schema}.loads USING (purchase_id)"
        con.execute(f"CREATE OR REPLACE TEMP TABLE lost AS {kept}")
        con.execute(f"DELETE FROM {schema}.ledger_costs")
    if anew or not _is_the_last(con, schema, ledger):
        con.execute(f"DELETE FROM {schema}.avoided")
    costs_after, avoided_after = known(con, schema)
    written = 0
    for rows in _batches(ledger.cost_rows(costs_after)):
        written += _replace_costs(con, schema, _cost_table(rows))
    for entries in _batches(ledger.avoided_rows(avoided_after)):
        written += _add_avoided(con, schema, _avoided_table(entries))
    if anew:
        lacking = f"SELECT * FROM lost ANTI JOIN {schema}.ledger_costs USING (purchase_id)"
        con.execute(f"INSERT INTO {schema}.ledger_costs BY NAME {lacking}")
    return written


def _is_the_last(con: duckdb.DuckDBPyConnection, schema: str, ledger: LedgerReader) -> bool:
    """Whether the ledger still has the newest row of `avoided`: one restored may have another under its seq."""
    query = f"SELECT seq, run_id, request, avoided_at FROM {schema}.avoided ORDER BY seq DESC LIMIT 1"
    for seq, *newest in con.execute(query).fetchall():
        row = next(iter(ledger.avoided_rows(seq - 1)), None)
        return row is not None and [row.seq, row.run_id, row.request, row.at] == [seq, *newest]
    return True


def known(con: duckdb.DuckDBPyConnection, schema: str) -> tuple[int, int]:
    """The seqs of costs and of calls avoided behind which `update` reads."""
    [(costs_seq,)] = con.execute(f"SELECT coalesce(max(seq), 0) FROM {schema}.ledger_costs").fetchall()
    [(avoided_seq,)] = con.execute(f"SELECT coalesce(max(seq), 0) FROM {schema}.avoided").fetchall()
    return max(0, costs_seq - _LATE), max(0, avoided_seq - _LATE)


def _batches(rows: Iterable[T], size: int = 50_000) -> Iterable[list[T]]:
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _replace_costs(con: duckdb.DuckDBPyConnection, schema: str, fresh: pa.Table) -> int:
    con.register("fresh_costs", fresh)
    news = f"SELECT f.* FROM fresh_costs f ANTI JOIN {schema}.ledger_costs c USING (purchase_id, seq)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE changed_costs AS {news}")
    con.execute(f"DELETE FROM {schema}.ledger_costs WHERE purchase_id IN (SELECT purchase_id FROM changed_costs)")
    [(written,)] = con.execute(f"INSERT INTO {schema}.ledger_costs SELECT * FROM changed_costs").fetchall()
    con.unregister("fresh_costs")
    return int(written)


def _add_avoided(con: duckdb.DuckDBPyConnection, schema: str, fresh: pa.Table) -> int:
    con.register("fresh_avoided", fresh)
    news = f"SELECT f.* FROM fresh_avoided f ANTI JOIN {schema}.avoided a USING (seq)"
    [(written,)] = con.execute(f"INSERT INTO {schema}.avoided {news}").fetchall()
    con.unregister("fresh_avoided")
    return int(written)


def _cost_table(rows: list[CostRow]) -> pa.Table:
    import pyarrow as pa

    stamp, whole, money = pa.timestamp("us", "UTC"), pa.decimal128(38, 0), pa.decimal128(38, 18)
    types = {"amount_atomic": whole, "amount": money, "block_time": stamp, "created_at": stamp, "delivered_at": stamp}
    types |= {"seq": pa.int64(), "generation": pa.int32(), "block_number": pa.int64(), "attempts": pa.int32()}
    types |= {"latency_ms": pa.int64(), "undelivered": pa.bool_(), "verified_on_chain": pa.bool_()}
    names = [name for name in CostRow.__slots__ if name != "decimals"]
    names.insert(names.index("amount_atomic") + 1, "amount")
    columns = {}
    for name in names:
        if name == "amount":
            values: list[object] = [in_asset(row.amount_atomic, row.decimals) for row in rows]
        elif name == "amount_atomic":
            values = [Decimal(row.amount_atomic) for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        columns[name] = pa.array(values, types.get(name, pa.string()))
    return pa.table(columns)


def _avoided_table(rows: list[AvoidedRow]) -> pa.Table:
    import pyarrow as pa

    text = (
        "run_id",
        "flow",
        "deployment",
        "flow_run_id",
        "reason",
        "dataset",
        "request",
        "edition",
        "network",
        "asset",
    )
    columns = {"seq": pa.array([row.seq for row in rows], pa.int64())}
    columns |= {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in text}
    atoms = [None if row.price_atomic is None else Decimal(row.price_atomic) for row in rows]
    columns["price_atomic"] = pa.array(atoms, pa.decimal128(38, 0))
    columns["price"] = pa.array([in_asset(row.price_atomic, row.decimals) for row in rows], pa.decimal128(38, 18))
    columns["avoided_at"] = pa.array([row.at for row in rows], pa.timestamp("us", "UTC"))
    return pa.table(columns)
