"""Derive coverage from rows alone, where what was asked for is not known any more: a cell with a row is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.coverage.cover import CoveredSpan
from sources.model import Kind
from sources.slots import last_settled, slot
from warehouse.cache.sql import quoted
from warehouse.cache.tables import declared_tables
from warehouse.coverage.record import add_spans
from warehouse.coverage.store import key_sql

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset


def cover_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    """Add a span for each cell of a dataset that has a row. Inside a transaction; its table exists.

    A row of a series that was observed before it settled is due again; a snapshot's covers the slot it arrived in. A
    cell that was answered without a row is asked for again.
    """
    observations = quoted(declared_tables()[dataset.table].observations)
    if dataset.kind is Kind.SERIES:
        number = f"epoch({quoted(dataset.time_column)})::BIGINT // {dataset.grain}"
        query = (
            f"SELECT {key_sql(dataset)}, {number}, max(observed_at) FROM {observations} WHERE dataset = ? GROUP BY ALL"
        )
        rows = con.execute(query, [dataset.name]).fetchall()
        spans = [
            CoveredSpan(key, at, at, slot(dataset, seen), at <= last_settled(dataset, seen))
            for key, at, seen in rows
            if key is not None and at is not None
        ]
    else:
        query = f"SELECT DISTINCT {key_sql(dataset)}, observed_at FROM {observations} WHERE dataset = ?"
        arrived = {(key, slot(dataset, seen)) for key, seen in con.execute(query, [dataset.name]).fetchall() if key}
        spans = [CoveredSpan(key, at, at, at, True) for key, at in sorted(arrived)]
    if spans:
        add_spans(con, dataset.name, spans)
