"""A month of a dataset: what one folder of snapshots holds, as a condition on the observations."""

from __future__ import annotations

from sources import registry
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table
from warehouse.publish import catalog as catalogue
from warehouse.snapshots.manifest import Month


def table_of(dataset: str) -> Table:
    """The table that a dataset's rows are in."""
    return catalogue.table(registry.dataset(dataset).table)


def month_sql(own: Table) -> str:
    """The month of a row, as 2026-11."""
    return f"strftime({quoted(catalogue.time_column(own))}, '%Y-%m')"


def of_month_sql(own: Table, month: Month) -> str:
    """Rows of the table that are the dataset's and of the month."""
    return f"dataset = {literal(month[0])} AND {month_sql(own)} = {literal(month[1])}"
