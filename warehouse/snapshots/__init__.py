"""published/snapshots: immutable Parquet files by dataset and month; beside it the manifest of those that count.

In reading order: `manifest`, `migrate` (from where they were before), `layout` (the partition folders), `parquet`
(one file), `verify` (a partition's rows in SQL, damaged or outdated partitions), `write`, `compact`.
"""
