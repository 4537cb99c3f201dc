"""The base of the warehouse's errors, and what counts as an error of the disk. Importing this costs no DuckDB."""

from __future__ import annotations

import sys


class WarehouseError(RuntimeError):
    """Base of the warehouse's own errors: no money is lost by any; whatever was bought is in the ledger."""


def is_disk_error(error: Exception) -> bool:
    """True for an OSError, and for what DuckDB raises in its place. Who raised one of DuckDB's has imported it."""
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None and isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
        return True
    return isinstance(error, OSError)
