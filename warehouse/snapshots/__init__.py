"""published/snapshots: immutable Parquet files by dataset and month, and the manifest of those that count.

In reading order: `manifest`, `layout` (the partition folders), `partition` (its rows in SQL), `verify` (damaged or
outdated partitions), `write`, `compact`.
"""
