"""A partition, one dataset's month, as a condition on the observations in the cache."""

from __future__ import annotations

from sources import registry
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.snapshots.manifest import Partition


def table_of(dataset: str) -> Table:
    """The table that a dataset's rows are in."""
    return declared_tables()[registry.dataset(dataset).table]


def month_sql(table: Table) -> str:
    """The expression for a row's month, as 2026-11."""
    return f"strftime({quoted(registry.dataset(table.datasets[0]).time_column)}, '%Y-%m')"


def partition_sql(table: Table, partition: Partition) -> str:
    """The condition that selects a partition's rows from its table."""
    dataset, month = partition
    return f"dataset = {literal(dataset)} AND {month_sql(table)} = {literal(month)}"
