"""Read coverage: the cells that need not be bought, those that were asked for and not delivered, with the rows by which
these are judged, and the first slot of a key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.coverage import cover as rules
from sources.coverage.absences import AbsentSpan, KeyAbsences
from sources.coverage.cell_state import NEVER, Ask
from sources.coverage.cover import CoveredSpan, absences_of
from sources.model import Kind
from sources.planner.demand import again_edition
from sources.planner.held import Absence, AbsentCells, HeldCells, OpenGroup, gaps
from sources.planner.pieces import AGAIN, group_of
from sources.slots import FINAL, slot
from warehouse.cache.sql import arrow_table
from warehouse.coverage.page import declared
from warehouse.coverage.store import DONE, ENDED, OPEN, key_sql, read_spans

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from sources.model import Dataset
    from sources.planner.held import Span
    from warehouse.cache.store import Cache

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
    return tuple(twin.name for twin in ((history,) if history else registry.snapshots_of(dataset)))


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
            empty = [
                (c.first, c.last)
                for c in (repaired[key].cells if key in repaired else ())
                if c.absence is Absence.EMPTY
            ]
            for cells in _left(absences.cells, facts[name].elsewhere.get(key, ()), empty):
                rows.append(_row(dataset, cells, ended=absences.resting is not None))
    return arrow_table(_ABSENT, rows)


_ABSENT = {"dataset": "string", "key": "string", "first": "int64", "last": "int64", "state": "string", "asked": "int64"}
_ABSENT |= {"last_asked_at": "second", "asked_again_at": "second", "before_first_row": "bool", "ended": "bool"}


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
    span = dataset.name, cells.key, cells.first, cells.last
    return *span, cells.absence.value, cells.asked, cells.last_asked_at, again, cells.before_first, ended


PAGE_SIZE_KEPT = timedelta(days=28)
"""A seller's page size that proved to be smaller than asked for is assumed so long; asking for more then costs no call
that the smaller pages would not."""


def held(
    cache: Cache, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime, *, again: bool = False
) -> HeldCells:
    """Return the cells that a run scheduled for `at` need not buy of keys × slots first…last (inclusive), and those
    that were asked for in vain.

    The listings that it may continue are among them. `again`: also the groups that an operator asked for again on the
    day of `at`, as far as they are complete. Raises CacheIncomplete.
    """
    with cache.open(complete=True) as con:
        current_slot = slot(dataset, at)
        _register_wanted(con, dataset, keys)
        query = f"""SELECT key, first, last, bucket, settled FROM {ROWS} SEMI JOIN wanted USING (key)
            WHERE dataset = ? AND last >= ? AND first <= ? AND (settled OR bucket >= ?)"""
        spans = read_spans(con, query, [dataset.name, first, last, current_slot])
        open_groups, absent = _open_groups(con, dataset, current_slot), read_absent(con, dataset, "wanted")
        ended = "dataset = ? AND state <> ? AND NOT ends_with(edition, ?)"
        listing_rows = _newest(con, "rows", ended, [dataset.name, OPEN, AGAIN])
        smaller = "dataset = ? AND page_rows IS NOT NULL AND completed_at > ?"
        page_rows = _newest(con, "page_rows", smaller, [dataset.name, at - PAGE_SIZE_KEPT])
        judged = absent.judged(dataset)
        cells = rules.held_cells(dataset, spans, at, open_groups, listing_rows, judged, page_rows)
        return replace(cells, complete=_complete_again(con, dataset, at)) if again else cells


def beginnings(cache: Cache, dataset: Dataset, keys: Iterable[str]) -> dict[str, int]:
    """Map a key to the slot of its first row, where an answer for the slot before had no row."""
    with cache.open() as con:
        cache.create_tables(con, [dataset.table])
        _register_wanted(con, dataset, keys)
        rows = con.execute(
            f"""WITH began AS (
                    SELECT {key_sql(dataset)} AS key, min(epoch("{dataset.time_column}"))::BIGINT // ? AS first
                    FROM "{dataset.table}" GROUP BY 1)
                SELECT DISTINCT key, began.first
                FROM began SEMI JOIN wanted USING (key) JOIN coverage_absent c USING (key)
                WHERE c.dataset = ? AND NOT c.failed AND began.first - 1 BETWEEN c.first AND c.last""",
            [dataset.grain, dataset.name],
        ).fetchall()
    return dict(rows)


def _register_wanted(con: duckdb.DuckDBPyConnection, dataset: Dataset, keys: Iterable[str]) -> None:
    """Make the keys a table `wanted`; a dataset without a key column has the one key `*`."""
    import pyarrow as pa

    wanted = list(dict.fromkeys(keys)) if dataset.key_column else ["*"]
    con.register("wanted", pa.table({"key": pa.array(wanted, pa.string())}))


def _open_groups(con: duckdb.DuckDBPyConnection, dataset: Dataset, current_slot: int) -> list[OpenGroup]:
    rows = con.execute(
        """SELECT context, pages, state FROM coverage_groups
           WHERE dataset = ? AND state <> ? AND len(pages) > 0 AND (edition = ? OR bucket >= ?) ORDER BY group_id""",
        [dataset.name, DONE, FINAL, current_slot],
    ).fetchall()
    return [OpenGroup(group_of(json.loads(context)), tuple(pages), state == ENDED) for context, pages, state in rows]


def _newest(con: duckdb.DuckDBPyConnection, column: str, where: str, values: list[object]) -> int | None:
    """A column of the group that was completed last, of those for which a condition holds; None for none."""
    newest = "ORDER BY completed_at DESC, group_id LIMIT 1"
    rows = con.execute(f"SELECT {column} FROM coverage_groups WHERE {where} {newest}", values).fetchall()
    return rows[0][0] if rows else None


def _complete_again(con: duckdb.DuckDBPyConnection, dataset: Dataset, at: datetime) -> frozenset[str]:
    rows = con.execute(
        "SELECT group_id FROM coverage_groups WHERE dataset = ? AND state = ? AND ends_with(edition, ?)",
        [dataset.name, DONE, again_edition("", at)],
    ).fetchall()
    return frozenset(group_id for (group_id,) in rows)
