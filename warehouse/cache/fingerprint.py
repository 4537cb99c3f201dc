"""Whether two caches hold the same: one hash per table over every value of every row, in whatever order they lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

ABOUT_THE_FILE = {"meta", "rewinds", "declared", "scheduled", "watched"}


def fingerprints(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Table to `rows:hash`. Columns count by name, so that one added later may stand elsewhere."""
    names = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() ORDER BY table_name"
    ).fetchall()
    return {name: _fingerprint(con, name) for (name,) in names if name not in ABOUT_THE_FILE}


def _fingerprint(con: duckdb.DuckDBPyConnection, table: str) -> str:
    query = "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND table_name = ?"
    columns = [name for (name,) in con.execute(query, [table]).fetchall()]
    return fingerprint(con, columns, f'"{table}"')


def read_through(con: duckdb.DuckDBPyConnection, database: str) -> None:
    """Every value of every table of an attached file. Raises what DuckDB raises for a block that can't be read."""
    names = con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [database]).fetchall()
    for (name,) in names:
        con.execute(f'SELECT max(hash(own)) FROM {database}."{name}" own').fetchall()


def fingerprint(con: duckdb.DuckDBPyConnection, columns: Iterable[str], source: str) -> str:
    """`rows:hash` of what stands in these columns of a table or query."""
    values = ", ".join(f"""'{name}', "{name}" IS NULL, "{name}\"""" for name in sorted(columns))
    rows, total = con.execute(f"SELECT count(*), sum(hash(hash({values}))::HUGEINT) FROM {source}").fetchall()[0]
    return f"{rows}:{int(total or 0):x}"
