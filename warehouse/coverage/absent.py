"""Read what was asked for and not delivered, and the rows that it is judged by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources import registry
from sources.coverage.absences import AbsentSpan, KeyAbsences
from sources.coverage.cell_state import Ask
from sources.coverage.cover import CoveredSpan, absences_of
from warehouse.coverage.store import read_spans

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset
    from sources.planner.grid import Span

ROWS = "(FROM coverage UNION ALL SELECT * EXCLUDE (group_id) FROM coverage_open)"
"""All covered spans, of complete groups and of open ones."""


@dataclass(frozen=True, slots=True)
class AbsentFacts:
    """Per key that lacks a cell: the absent spans, its own rows, and its first and last slot with a row of a dataset
    that fills the same table."""

    asked: Mapping[str, Sequence[AbsentSpan]]
    rows: Mapping[str, Sequence[CoveredSpan]]
    elsewhere: Mapping[str, Span]

    def judged(self, dataset: Dataset) -> dict[str, KeyAbsences]:
        """The absences of every key."""
        return {
            key: absences_of(dataset, facts, self.rows.get(key, ()), self.elsewhere.get(key))
            for key, facts in self.asked.items()
        }


def read_absent(con: duckdb.DuckDBPyConnection, dataset: Dataset, among: str = "") -> AbsentFacts:
    """Read the facts on a dataset's absent cells. `among` is a relation with the keys that are wanted, "" for all."""
    import pyarrow as pa

    wanted = f"SEMI JOIN {among} USING (key)" if among else ""
    asked: dict[str, list[AbsentSpan]] = {}
    facts = con.execute(
        f"""SELECT key, first, last, bucket, asked_at, failed FROM coverage_absent {wanted}
            WHERE dataset = ? ORDER BY ALL""",
        [dataset.name],
    ).fetchall()
    for key, first, last, *ask in facts:
        asked.setdefault(key, []).append(AbsentSpan(key, first, last, Ask(*ask)))
    if not asked:
        return AbsentFacts({}, {}, {})
    con.register("lacking", pa.table({"key": pa.array(list(asked), pa.string())}))
    rows: dict[str, list[CoveredSpan]] = {}
    query = f"SELECT key, first, last, bucket, settled FROM {ROWS} SEMI JOIN lacking USING (key) WHERE dataset = ?"
    for span in read_spans(con, query, [dataset.name]):
        rows.setdefault(span.key, []).append(span)
    return AbsentFacts(asked, rows, _edges(con, twins_of(dataset)))


def twins_of(dataset: Dataset) -> tuple[str, ...]:
    """The datasets that fill the same table slot by slot: a series' snapshots, or a snapshot's history."""
    history = registry.history_of(dataset)
    return (history.name,) if history else registry.snapshots_of(dataset)


def _edges(con: duckdb.DuckDBPyConnection, twins: Collection[str]) -> dict[str, Span]:
    """First and last slot of the keys `lacking`, of these datasets."""
    if not twins:
        return {}
    rows = con.execute(
        f"""SELECT key, min(first), max(last) FROM {ROWS} SEMI JOIN lacking USING (key)
            WHERE dataset IN (SELECT unnest(?::VARCHAR[])) GROUP BY key""",
        [list(twins)],
    ).fetchall()
    return {key: (first, last) for key, first, last in rows}
