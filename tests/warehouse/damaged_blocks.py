"""Damage a DuckDB file as a disk does: change a byte in a block with a table's values."""

from __future__ import annotations

from pathlib import Path

import duckdb

HEADERS = 3 * 4096


def spoil(path: Path, table: str) -> None:
    """Change a byte in the first block of a table that DuckDB checksums. Nobody may have the file open."""
    with duckdb.connect(str(path)) as con:
        con.execute("CHECKPOINT")
        query = f"SELECT min(block_id) FROM pragma_storage_info('{table}') WHERE block_id >= 0"
        [(block,)] = con.execute(query).fetchall()
        [(size,)] = con.execute("SELECT block_size FROM pragma_database_size()").fetchall()
    flip(path, HEADERS + block * size + 1000)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        [byte] = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))
