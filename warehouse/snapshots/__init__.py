"""published/snapshots: immutable Parquet files by dataset and month; beside it the manifest of those that count.

In reading order: `manifest`, `layout` (the partition folders, and moving there from where they were before), `verify`
(a partition's rows in SQL, damaged or outdated partitions), `write`, `compact`.
"""
