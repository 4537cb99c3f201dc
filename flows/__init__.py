"""The flows that a person schedules, one file each: `grades`, `signals`, `moonshots` (their body: `keep_fresh`),
`backfill`, `reconcile`, `costs`, `compact`, `health`. `ingest` is one run of any that buys, with or without Prefect.
"""
