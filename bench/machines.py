"""Beyond one machine: each family of figures is a module of its own.

TOLLBOOK_BENCH_ROWS is the history's size (default 10 million).
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import machines_bucket, machines_lake, machines_workers
from bench.rows import Row

TITLE = "Machines"

FAMILIES = (machines_lake.rows, machines_workers.rows, machines_bucket.rows)


def rows() -> Iterator[Row]:
    """The figures of each family in turn."""
    for family in FAMILIES:
        yield from family()
