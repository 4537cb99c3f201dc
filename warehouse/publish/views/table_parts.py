"""The table `table_parts`: number and digest of each published table's rows, by the loads that brought them.

The digest of a part is the XOR of DuckDB's hash of each row, so it is carried by what is removed and added: a copy of
the rows elsewhere (warehouse/lake) learns which parts differ from its own without reading any row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

LOADS = 1024
"""Ledger events per part. Small enough to be read and compared again, and few parts in a year."""

NAME = "table_parts"
_COLUMNS = "table_name VARCHAR, part BIGINT, rows BIGINT, digest UBIGINT, engine VARCHAR"


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create it in `pub` where it is missing; what it has is measured again, as the tables' columns may be others."""
    con.execute(f"CREATE TABLE IF NOT EXISTS pub.{NAME} ({_COLUMNS})")
    con.execute(f"DELETE FROM pub.{NAME}")


def renew(con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Measure all tables where nothing was carried so far, or by a DuckDB that may hash otherwise."""
    import duckdb

    engines = con.execute(f"SELECT DISTINCT engine FROM pub.{NAME}").fetchall()
    if engines == [(duckdb.__version__,)]:
        return
    con.execute(f"DELETE FROM pub.{NAME}")
    measured = " UNION ALL ".join(_measure(name, "", 1) for name in tables)
    con.execute(f"INSERT INTO pub.{NAME} SELECT *, {literal(duckdb.__version__)} FROM ({measured})")


@contextmanager
def carried(con: duckdb.DuckDBPyConnection, tables: Sequence[str], touched: str) -> Iterator[None]:
    """Carry the digests over a replacement of the rows that `touched` chooses, a join of the table as `p`. Without it,
    rows are added to tables that are empty."""
    import duckdb

    def rows(sign: int) -> str:
        return " UNION ALL ".join(_measure(name, touched, sign) for name in tables)

    con.execute(f"CREATE OR REPLACE TEMP TABLE part_changes AS {rows(-1)}")
    yield
    con.execute(f"INSERT INTO part_changes {rows(1)}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE parts_now AS "
        "SELECT table_name, part, sum(rows)::BIGINT AS rows, bit_xor(digest) AS digest FROM ("
        f"SELECT * EXCLUDE (engine) FROM pub.{NAME} SEMI JOIN part_changes USING (table_name, part) "
        "UNION ALL FROM part_changes) GROUP BY ALL"
    )
    con.execute(f"DELETE FROM pub.{NAME} p USING parts_now n WHERE p.table_name = n.table_name AND p.part = n.part")
    con.execute(f"INSERT INTO pub.{NAME} SELECT *, {literal(duckdb.__version__)} FROM parts_now WHERE rows > 0")


def _measure(table: str, touched: str, sign: int) -> str:
    return (
        f"SELECT {literal(table)} AS table_name, p.seq // {LOADS} AS part, {sign} * count(*) AS rows, "
        f"bit_xor(hash(p)) AS digest FROM pub.{quoted(table)} p {touched} GROUP BY ALL"
    )
