"""The cache file `state/cache.duckdb`: its tables, who may open it, and whether it can be read.

In reading order: `sql` (quoting), `tables` (what the declared datasets make), `schema` (bookkeeping tables, preparing
a file), `generation` (what a file was made under), `locking`, `integrity` (damage and fingerprints), `store`.
"""
