"""DuckDB and Parquet: cache, coverage, typed tables, snapshots, cost table, the published file."""

from warehouse.read import query, read, trouble

__all__ = ["query", "read", "trouble"]
