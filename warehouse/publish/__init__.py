"""published/warehouse.duckdb: what analysts open, updated by what changed and replaced atomically.

In reading order: `publish` (publish and compact, with repair), `attempt` (one publication, step by step), `publication`
(its options and result), `ledger_snapshot` (the ledger, read while the cache is closed), `versions` (the files behind
the public name), `open_files`, `stamp` (what a file shows), `attach` (a version and its tables), `update`,
`costs`; and the room `views`, what analysts find by name.
"""
