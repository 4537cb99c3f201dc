"""From the ledger's bodies to rows of the cache.

In reading order: `parse` (a body as a page of rows), `parallel` (many bodies, on every core), `upsert` (rows into their
tables), `bookkeeping` (loads, quarantine, drift, rewinds), `report`, `load` (what is missing, batch by batch),
`rebuild` (everything again, into a new file), `self_repair` (the load that callers use: it repairs the file first).
"""
