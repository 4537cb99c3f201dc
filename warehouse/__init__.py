"""DuckDB and Parquet: cache, coverage, typed tables, snapshots, cost table, the published file."""
