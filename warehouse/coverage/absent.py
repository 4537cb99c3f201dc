"""Read what was asked for and not delivered, and the rows that it is judged by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.coverage.absences import AbsentSpan, KeyAbsences
from sources.coverage.cell_state import NEVER, Ask
from sources.coverage.cover import CoveredSpan, absences_of
from sources.model import Kind
from sources.planner.grid import gaps
from sources.planner.held import Absence, AbsentCells
from warehouse.coverage.page import declared
from warehouse.coverage.store import read_spans

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sources.model import Dataset
    from sources.planner.grid import Span

ROWS = "(FROM coverage UNION ALL SELECT * EXCLUDE (group_id) FROM coverage_open)"
"""All covered spans, of complete groups and of open ones."""


@dataclass(frozen=True, slots=True)
class AbsentFacts:
    """Per key that lacks a cell: the absent spans, its own rows, and the slots that have a row of another dataset which
    fills the same table."""

    asked: Mapping[str, Sequence[AbsentSpan]]
    rows: Mapping[str, Sequence[CoveredSpan]]
    elsewhere: Mapping[str, Sequence[Span]]

    @property
    def edges(self) -> dict[str, Span]:
        """First and last slot of each key that another dataset has."""
        return {key: (min(a for a, _ in spans), max(b for _, b in spans)) for key, spans in self.elsewhere.items()}

    def judged(self, dataset: Dataset) -> dict[str, KeyAbsences]:
        """The absences of every key."""
        edges = self.edges
        return {
            key: absences_of(dataset, facts, self.rows.get(key, ()), edges.get(key))
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
    return AbsentFacts(asked, rows, _elsewhere(con, twins_of(dataset)))


def twins_of(dataset: Dataset) -> tuple[str, ...]:
    """The datasets that fill the same table slot by slot: a series' snapshots, or a snapshot's history."""
    history = registry.history_of(dataset)
    return (history.name,) if history else registry.snapshots_of(dataset)


def _elsewhere(con: duckdb.DuckDBPyConnection, twins: Collection[str]) -> dict[str, list[Span]]:
    """Spans with rows of the keys `lacking`, of these datasets."""
    found: dict[str, list[Span]] = {}
    if twins:
        query = f"""SELECT key, first, last FROM {ROWS} SEMI JOIN lacking USING (key)
            WHERE dataset IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL"""
        for key, first, last in con.execute(query, [list(twins)]).fetchall():
            found.setdefault(key, []).append((first, last))
    return found


def absent_cells(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """All absent cells of the cache by state, without those that another dataset of the table has.

    One row per dataset, key and span of slots; times are UTC. `ended`: no row of the key is expected any more.
    """
    import pyarrow as pa

    names = [name for (name,) in con.execute("SELECT DISTINCT dataset FROM coverage_absent").fetchall()]
    found = sorted(name for name in names if declared(name))
    facts = {name: read_absent(con, registry.dataset(name)) for name in found}
    judged = {name: facts[name].judged(registry.dataset(name)) for name in found}
    rows: list[tuple[Any, ...]] = []
    for name in found:
        dataset = registry.dataset(name)
        history = registry.history_of(dataset)
        repaired = judged.get(history.name, {}) if history else {}
        for key, absences in judged[name].items():
            empty = [(c.first, c.last) for c in _cells(repaired.get(key)) if c.absence is Absence.EMPTY]
            for cells in _left(absences.cells, facts[name].elsewhere.get(key, ()), empty):
                rows.append(_row(dataset, cells, ended=absences.resting is not None))
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, _types(), strict=True)]
    return pa.table(dict(zip(_COLUMNS, arrays, strict=True)))


_COLUMNS = (
    *("dataset", "key", "first", "last", "state", "asked", "last_asked_at", "asked_again_at"),
    *("before_first_row", "ended"),
)


def _types() -> list[pa.DataType]:
    import pyarrow as pa

    text, slot, time = pa.string(), pa.int64(), pa.timestamp("s", "UTC")
    return [text, text, slot, slot, text, slot, time, time, pa.bool_(), pa.bool_()]


def _cells(absences: KeyAbsences | None) -> tuple[AbsentCells, ...]:
    return absences.cells if absences else ()


def _left(cells: Iterable[AbsentCells], rows: Sequence[Span], empty: Sequence[Span]) -> Iterator[AbsentCells]:
    """The parts of the cells that no other dataset has; those that its history is confirmed not to have are empty."""
    for each in cells:
        for first, last in gaps(rows, each.first, each.last):
            for start, end in gaps(empty, first, last):
                yield replace(each, first=start, last=end)
            for start, end in empty:
                if start <= last and end >= first:
                    part = max(start, first), min(end, last)
                    yield replace(each, first=part[0], last=part[1], absence=Absence.EMPTY, due=NEVER)


def _row(dataset: Dataset, cells: AbsentCells, *, ended: bool) -> tuple[Any, ...]:
    again = None if cells.due == NEVER or dataset.kind is not Kind.SERIES else cells.due * dataset.grain
    return (
        dataset.name,
        cells.key,
        cells.first,
        cells.last,
        cells.absence.value,
        cells.asked,
        cells.last_asked_at,
        again,
        cells.before_first,
        ended,
    )
