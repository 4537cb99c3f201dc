"""The tables of a lake, and the state of each when it was last written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.cache.sql import column_list, quoted
from warehouse.lake.errors import LakeTooNew

if TYPE_CHECKING:
    import duckdb

LAYOUT = 1
"""Raised when the tables of a lake change their meaning."""

STATE = "lake.tollbook_tables"

FIND_TABLES = """
CREATE TEMP TABLE tables_of_datasets AS
SELECT table_name, natural_key FROM published.published_tables
WHERE table_name || '_versions' IN (SELECT t.table_name FROM duckdb_tables() t WHERE t.database_name = 'published')
"""
"""Asked before the lake is attached: DuckDB would read all of its catalog for the answer."""

PROVENANCE = """
SELECT l.purchase_id, l.dataset, c.seller, c.flow, c.request, c.edition, l.observed_at, l.rows_in, l.rows_new,
  l.rows_changed, l.rows_quarantined, c.network, c.asset, c.amount_atomic, c.amount, c.wallet, c.payee, c.nonce,
  c.tx_hash, c.block_number, c.block_time, c.verified_on_chain
FROM published.loads l LEFT JOIN published.costs c USING (purchase_id)
"""
"""One row per purchase that brought rows: each row's own `purchase_id` leads here, and from here to its transaction."""


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One table: the query that gives its rows, and its natural key where rows are replaced by key."""

    name: str
    source: str
    key: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        return f"lake.{quoted(self.name)}"

    @property
    def rows(self) -> str:
        """Its published rows as a FROM clause takes them, under the name p."""
        return f"({self.source}) p"


@dataclass(frozen=True, slots=True)
class LakeState:
    """The state of a table when it was last written: its rows, the XOR of their hashes, and its newest load.

    DuckDB's hash may differ from one version to the next, so the version stands beside it.
    """

    rows: int
    digest: int
    seq: int
    engine: str


def published_tables(con: duckdb.DuckDBPyConnection) -> list[LakeTable]:
    """Every table that a lake of this publication has: current rows and versions per dataset, costs, provenance."""
    tables = []
    for name, key in con.execute("SELECT * FROM tables_of_datasets ORDER BY ALL").fetchall():
        for each in (name, f"{name}_versions"):
            tables.append(LakeTable(each, f"SELECT * FROM published.{quoted(each)}", tuple(key)))
    return [
        *tables,
        LakeTable("costs", "SELECT * FROM published.costs"),
        LakeTable("provenance", PROVENANCE),
        LakeTable("publication", "SELECT * FROM published.publication"),
    ]


def read_states(con: duckdb.DuckDBPyConnection) -> dict[str, LakeState]:
    """Return the state of each table at the last write, by name. Raises LakeTooNew."""
    con.execute(
        f"CREATE TABLE IF NOT EXISTS {STATE} "
        "(name VARCHAR, rows BIGINT, digest UBIGINT, seq BIGINT, engine VARCHAR, layout INTEGER)"
    )
    found = con.execute(f"SELECT name, rows, digest, seq, engine, layout FROM {STATE}").fetchall()
    newest = max((row[5] for row in found), default=LAYOUT)
    if newest > LAYOUT:
        raise LakeTooNew(
            f"the lake has layout {newest}, this tollbook writes {LAYOUT}",
            advice="run the newer tollbook, or name another lake; nothing was written",
        )
    return {name: LakeState(rows, digest, seq, engine) for name, rows, digest, seq, engine, _ in found}


def write_states(con: duckdb.DuckDBPyConnection, states: Mapping[str, LakeState]) -> None:
    """Replace the states of all tables."""
    con.execute(f"DELETE FROM {STATE}")
    values = [(name, each.rows, each.digest, each.seq, each.engine, LAYOUT) for name, each in sorted(states.items())]
    places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(values))
    con.execute(f"INSERT INTO {STATE} VALUES {places}", [value for row in values for value in row])


def columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Names and types of a relation's columns, in order."""
    return [(name, kind) for name, kind, *_ in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def key_list(table: LakeTable, alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in map(quoted, table.key))


def keys(table: LakeTable) -> str:
    return column_list(table.key)
