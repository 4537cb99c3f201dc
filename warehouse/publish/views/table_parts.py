"""The table `table_parts`: number and digest of each published table's rows, by the loads that brought them; of costs
and of provenance, whose rows are purchases, by day.

The digest of a part is the XOR of DuckDB's hash of each row, so it is carried by what is removed and added: a copy of
the rows elsewhere (warehouse/lake) learns which parts differ from its own without reading any row. Publications carry
them once a lake has been written from their folder; until then, and for who has no lake, the table is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

LOADS = 1024
"""Ledger events per part. Small enough to be read and compared again, and few parts in a year."""

OF_PURCHASES = {"costs": "created_at", "provenance": "observed_at"}
"""Tables with a row per purchase, each with the time whose day is the part."""

_DAY = 86_400_000_000

_PROVENANCE = """
SELECT l.purchase_id, l.dataset, c.seller, c.flow, c.request, c.edition, l.observed_at, l.rows_in, l.rows_new,
  l.rows_changed, l.rows_quarantined, c.network, c.asset, c.amount_atomic, c.amount, c.wallet, c.payee, c.nonce,
  c.tx_hash, c.block_number, c.block_time, c.verified_on_chain
FROM {schema}.loads l LEFT JOIN {schema}.costs c USING (purchase_id)
"""
"""One row per purchase that brought rows: each row's own `purchase_id` leads here, and from here to its transaction.
A lake holds it as a table."""

NAME = "table_parts"
_COLUMNS = "table_name VARCHAR, part BIGINT, rows BIGINT, digest UBIGINT, engine VARCHAR"


def lake_mark(published: Path) -> Path:
    """An empty file: a lake is written from this folder."""
    return published / ".private" / "lake"


def source(name: str, schema: str) -> str:
    return _PROVENANCE.format(schema=schema) if name == "provenance" else f"SELECT * FROM {schema}.{quoted(name)}"


def number(name: str) -> str:
    """The number that each row of p came under, in order of arrival: a part is `width` of these."""
    return f"epoch_us(p.{OF_PURCHASES[name]})" if name in OF_PURCHASES else "p.seq"


def after(name: str, least: int) -> str:
    """The condition that a row of p has a greater number. DuckDB prunes by a time, not by what is computed of it."""
    if name in OF_PURCHASES:
        return f"p.{OF_PURCHASES[name]} > make_timestamptz({least})"
    return f"p.seq > {least}"


def width(name: str) -> int:
    return _DAY if name in OF_PURCHASES else LOADS


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create it in `pub` where it is missing; what it has is measured again, as the tables' columns may be others."""
    con.execute(f"CREATE TABLE IF NOT EXISTS pub.{NAME} ({_COLUMNS})")
    empty(con)


def empty(con: duckdb.DuckDBPyConnection) -> None:
    """Forget what is not carried on."""
    con.execute(f"DELETE FROM pub.{NAME}")


def renew(con: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    """Measure all tables where nothing was carried so far, or by a DuckDB that may hash otherwise."""
    import duckdb

    engines = con.execute(f"SELECT DISTINCT engine FROM pub.{NAME}").fetchall()
    if engines == [(duckdb.__version__,)]:
        return
    con.execute(f"DELETE FROM pub.{NAME}")
    measure(con, tables)


def measure(con: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    import duckdb

    con.execute(f"DELETE FROM pub.{NAME} WHERE table_name IN ({', '.join(map(literal, tables))})")
    measured = " UNION ALL ".join(_measure(name, "", 1) for name in tables)
    con.execute(f"INSERT INTO pub.{NAME} SELECT *, {literal(duckdb.__version__)} FROM ({measured})")


@contextmanager
def carried(con: duckdb.DuckDBPyConnection, tables: Collection[str], touched: str) -> Iterator[None]:
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
        f"SELECT {literal(table)} AS table_name, coalesce({number(table)}, 0) // {width(table)} AS part, "
        f"{sign} * count(*) AS rows, bit_xor(hash(p)) AS digest FROM ({source(table, 'pub')}) p {touched} GROUP BY ALL"
    )
