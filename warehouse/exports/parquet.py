"""Export the published tables as Parquet: `python -m warehouse.exports.parquet FILE FOLDER [TABLE…]`.

FILE is published/warehouse.duckdb. What is written:

FOLDER/current/T.parquet    the current rows, one per natural key
FOLDER/versions/T.parquet   every version with `valid_from` and `valid_to`
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.instance import in_memory
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.publish.views import catalog, row_versions
from warehouse.snapshots.write import write_parquet

if TYPE_CHECKING:
    import duckdb


def export(published: Path, folder: Path, tables: Sequence[str] = ()) -> dict[Path, int]:
    """Write the tables of these names, or all that have rows; return the files with their rows.

    Each file is replaced as a whole. Raises KeyError for an unknown table, FileNotFoundError before the first
    publication.
    """
    if not published.exists():
        raise FileNotFoundError(f"{published} is not there: nothing was published yet")
    chosen = [catalog.table(name) for name in tables] or list(declared_tables().values())
    written: dict[Path, int] = {}
    with in_memory(published) as con:
        con.execute(f"ATTACH {literal(published)} AS published (READ_ONLY)")
        for table in chosen:
            if tables or con.execute(f"SELECT 1 FROM published.{quoted(table.name)} LIMIT 1").fetchall():
                written |= _export_table(con, folder, table)
    return written


def _export_table(con: duckdb.DuckDBPyConnection, folder: Path, table: Table) -> dict[Path, int]:
    key = column_list(table.natural_key)
    queries = {
        folder / "current" / f"{table.name}.parquet": f"FROM published.{quoted(table.name)} ORDER BY {key}",
        folder / "versions" / f"{table.name}.parquet": (
            f"FROM published.{quoted(row_versions.name_of(table))} ORDER BY {key}, valid_from, seq"
        ),
    }
    written = {}
    for path, query in queries.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        written[path] = write_parquet(con, query, draft)
        os.replace(draft, path)
    return written


def main(arguments: Sequence[str]) -> int:
    """Export as the command line says; returns the exit code."""
    if len(arguments) < 2:
        print(
            "usage: python -m warehouse.exports.parquet published/warehouse.duckdb FOLDER [TABLE...]", file=sys.stderr
        )
        return 2
    published, folder, *tables = arguments
    try:
        written = export(Path(published), Path(folder), tables)
    except (KeyError, FileNotFoundError) as error:
        print(f"nothing was exported: {error.args[0]}", file=sys.stderr)
        return 2
    for path, rows in written.items():
        print(f"{path}: {rows} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
