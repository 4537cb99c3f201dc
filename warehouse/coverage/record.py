"""Write to the cache what new pages cover, or what its rows do where it is not known any more what was asked for.

Complete groups are kept as spans, merged per key. Of a group whose pages are still coming the pages are kept too, so
that the next one can be judged with them. A listing that grows at its top is read down to its last known row, and
beyond it for rows that left another listing and should turn up in this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sources import registry
from sources.coverage import cover as rules
from sources.coverage.cover import CoveredSpan
from sources.coverage.delivered_page import Cell, DeliveredPage, is_short, unbroken
from sources.model import Dataset, Kind
from sources.parse.rows import identities
from sources.planner.held import OpenGroup, Span, gaps, merged
from sources.slots import last_settled, slot
from warehouse.cache.sql import among, append, column_list, quoted
from warehouse.cache.tables import declared_tables
from warehouse.coverage import store
from warehouse.coverage.store import (
    DONE,
    ENDED,
    GroupId,
    GroupPages,
    StoredPage,
    followed_listings,
    key_sql,
    read_spans,
)

if TYPE_CHECKING:
    import duckdb

    from warehouse.coverage.page import Page


def record(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Store what these pages cover. Their rows are in the tables already.

    A page that is loaded again, after one that came late, is judged again while its group is open; so are groups
    that shifted while they were read, as other answers may have brought the hidden rows.
    """
    by_group = _by_group(pages)
    if not by_group:
        return
    stored = store.read_groups(con, by_group)
    changed: list[GroupPages] = []
    spans: dict[str, list[CoveredSpan]] = {}
    for group_id in dict.fromkeys((*by_group, *stored.waiting)):
        if group_id in stored.done:
            continue
        new = by_group.get(group_id, [])
        again = {page.purchase_id for page in new}
        group_pages = [page for page in stored.pages.get(group_id, ()) if page.purchase_id not in again]
        group_pages += [StoredPage(page.purchase_id, mark_known(con, page, changed), page.alone) for page in new]
        group = _judge(con, group_id, group_pages)
        if not new and group.state == ENDED:
            continue
        changed.append(group)
        if group.state == DONE:
            spans.setdefault(group.dataset, []).extend(group.coverage.spans)
    store.delete_groups(con, [group for group in changed if group.id in stored.begun])
    store.write_groups(con, changed)
    delete_old_pages(con, {group.dataset for group in changed})
    for name, covered in spans.items():
        add_spans(con, name, covered)


def _by_group(pages: Sequence[Page]) -> dict[GroupId, list[Page]]:
    groups: dict[GroupId, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.answered is not None:
            groups.setdefault((page.answered.group.dataset, page.answered.group.id), []).append(page)
    return groups


def _judge(con: duckdb.DuckDBPyConnection, group_id: GroupId, stored: Sequence[StoredPage]) -> GroupPages:
    """A group with what all its pages, stored and new, cover together."""
    dataset = registry.dataset(group_id[0])
    pages = _canonical(dataset, stored)
    answers = [page.answer for page in pages]
    coverage = pages[0].alone if len(pages) == 1 else None
    if coverage is None:
        coverage = rules.cover(dataset, answers)
        if coverage.possibly_hidden:
            coverage = rules.cover(dataset, answers, _cells_with_rows(con, dataset, coverage.possibly_hidden))
        if not unbroken(answers):
            coverage = replace(coverage, open_group=OpenGroup(answers[0].group, ()))
    rows, last_at = sum(answer.rows for answer in answers), max(answer.received_at for answer in answers)
    return GroupPages(*group_id, tuple(stored), coverage, rows, last_at)


def _cells_with_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset, cells: Sequence[Cell]) -> set[Cell]:
    """Those of the cells that have a row, whichever answer of the dataset brought it."""
    import pyarrow as pa

    columns = {"key": pa.array([key for key, _ in cells], pa.string()), "slot": pa.array([slot for _, slot in cells])}
    con.register("possibly_hidden", pa.table(columns))
    rows = con.execute(
        f"""SELECT key, slot FROM possibly_hidden SEMI JOIN (
                SELECT {key_sql(dataset)} AS key, epoch("{dataset.time_column}")::BIGINT // ? AS slot
                FROM "{declared_tables()[dataset.table].observations}" WHERE dataset = ?) USING (key, slot)""",
        [dataset.grain, dataset.name],
    ).fetchall()
    return set(rows)


def _canonical(dataset: Dataset, stored: Sequence[StoredPage]) -> list[StoredPage]:
    """Each page once, as first answered, up to the first that ends the listing: neither a request beyond the end nor a
    second answer changes the result, whenever it was loaded."""
    first: dict[int, StoredPage] = {}
    for page in sorted(stored, key=lambda page: (page.answer.received_at, page.purchase_id)):
        first.setdefault(page.answer.page, page)
    pages: list[StoredPage] = []
    for number in sorted(first):
        pages.append(first[number])
        if first[number].alone or is_short([page.answer for page in pages], dataset):
            break
    return pages


def add_spans(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[CoveredSpan]) -> None:
    """Merge spans of a dataset into those that the same keys have."""
    by_key: dict[str, list[CoveredSpan]] = {}
    for span in spans:
        by_key.setdefault(span.key, []).append(span)
    predicate, keys = among("key", list(by_key))
    query = f"SELECT key, first, last, bucket, settled FROM coverage WHERE dataset = ? AND {predicate}"
    stored = read_spans(con, query, [name, *keys])
    for span in stored:
        by_key[span.key].append(span)
    if stored:
        con.execute(f"DELETE FROM coverage WHERE dataset = ? AND {predicate}", [name, *keys])
    dated = registry.dataset(name).restated_for > 0
    flat = [span for each in by_key.values() for span in flattened(each, dated=dated)]
    append(con, "coverage", store.SPANS, store.span_rows(name, flat))


def flattened(spans: Sequence[CoveredSpan], *, dated: bool = False) -> list[CoveredSpan]:
    """Spans of one key with each slot once: settled where any span says so, else in the latest bucket. Equal content
    gives equal spans. `dated`: settled rows may be restated, so the bucket they were last seen in counts, too."""
    if len(spans) == 1:
        [span] = spans
        bucket = 0 if span.settled and not dated else span.bucket
        return [CoveredSpan(span.key, span.first, span.last, bucket, span.settled)]
    layers: dict[tuple[bool, int], list[Span]] = {}
    for span in spans:
        bucket = 0 if span.settled and not dated else span.bucket
        layers.setdefault((span.settled, bucket), []).append((span.first, span.last))
    out: list[CoveredSpan] = []
    taken: list[Span] = []
    for (settled, bucket), layer in sorted(layers.items(), reverse=True):
        for first, last in merged(layer):
            out += (CoveredSpan(spans[0].key, a, b, bucket, settled) for a, b in gaps(taken, first, last))
        taken += layer
    return out


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


PAGES_BEYOND = 5
"""Pages at most that are read for a row that left its listing: it may be nowhere."""

Members = tuple[datetime, frozenset[str]]
"""A complete listing: when its last page came, and the identities of its rows."""


def mark_known(con: duckdb.DuckDBPyConnection, page: Page, changed: Sequence[GroupPages]) -> DeliveredPage:
    """The page's answer; on a listing that grows at its top, `known` says whether reading may end at this page: its
    last row was in the last complete reading, and nothing that left another listing since is still missing.

    `changed` are the groups of this load that are not stored yet.
    """
    answer, dataset, parsed = page.answered, page.dataset, page.parsed
    assert answer is not None
    assert dataset is not None
    assert parsed is not None
    if dataset.name in followed_listings():
        return replace(answer, cells=identities(dataset, parsed.table))
    if not (dataset.paging and dataset.paging.newest_first and len(parsed.table)):
        return answer
    times = [time for time in _completion_times(con, dataset, changed) if time < page.observed_at]
    if not times or not _last_row_known(con, page, dataset, max(times)):
        return answer
    far = answer.page - answer.group.first_page >= PAGES_BEYOND
    return replace(answer, known=far or not _missing(con, page, dataset, max(times), changed))


def _completion_times(
    con: duckdb.DuckDBPyConnection, dataset: Dataset, changed: Sequence[GroupPages]
) -> list[datetime]:
    query = "SELECT completed_at FROM coverage_groups WHERE dataset = ? AND state = ?"
    stored = [time for (time,) in con.execute(query, [dataset.name, DONE]).fetchall()]
    return stored + [group.last_at for group in changed if group.dataset == dataset.name and group.state == DONE]


def _last_row_known(con: duckdb.DuckDBPyConnection, page: Page, dataset: Dataset, complete: datetime) -> bool:
    """True when the page's last row had been seen at that time."""
    assert page.parsed is not None
    table = declared_tables()[dataset.table]
    last = page.parsed.table.slice(len(page.parsed.table) - 1).to_pylist()[0]
    same_key = " AND ".join(f"{quoted(name)} = ?" for name in table.natural_key)
    rows = con.execute(
        f"""SELECT 1 FROM {quoted(table.observations)}
            WHERE dataset = ? AND observed_at <= ? AND {same_key} LIMIT 1""",
        [dataset.name, complete, *(last[name] for name in table.natural_key)],
    ).fetchall()
    return bool(rows)


def _missing(
    con: duckdb.DuckDBPyConnection, page: Page, dataset: Dataset, complete: datetime, changed: Sequence[GroupPages]
) -> set[str]:
    """Rows that left the other listing since this one was last complete, and have not come up in this one."""
    members = sorted(each for each in _members(con, dataset, changed) if each[0] < page.observed_at)
    before = [each for each in members if each[0] <= complete][-1:]
    recent = [*before, *(each for each in members if each[0] > complete)]
    if not recent:
        return set()
    missing = set[str]().union(*(names for _, names in recent)) - recent[-1][1]
    if missing:
        columns, observations = column_list(dataset.natural_key), quoted(declared_tables()[dataset.table].observations)
        query = f"SELECT {columns} FROM {observations} WHERE dataset = ? AND observed_at <= ?"
        rows = con.sql(query, params=[dataset.name, page.observed_at]).to_arrow_table()
        missing -= {name for name, _ in identities(dataset, rows)}
    return missing


def _members(con: duckdb.DuckDBPyConnection, dataset: Dataset, changed: Sequence[GroupPages]) -> Iterator[Members]:
    """Every recorded complete listing whose rows move to this dataset's."""
    sources = [name for name, successor in followed_listings().items() if successor == dataset.name]
    stored = con.execute(
        """SELECT completed_at, flatten(list(keys)) FROM coverage_groups JOIN coverage_pages USING (dataset, group_id)
           WHERE dataset IN (SELECT unnest(?::VARCHAR[])) AND state = ? GROUP BY dataset, group_id, completed_at""",
        [sources, DONE],
    ).fetchall()
    yield from ((time, frozenset(names)) for time, names in stored)
    for group in changed:
        if group.dataset in sources and group.state == DONE:
            yield group.last_at, frozenset(name for page in group.pages for name, _ in page.answer.cells)


def delete_old_pages(con: duckdb.DuckDBPyConnection, changed: Set[str]) -> None:
    """Of listings that another one follows keep the last before the other was complete, and those since."""
    for name, successor in followed_listings().items():
        if changed.isdisjoint((name, successor)):
            continue
        con.execute(
            """DELETE FROM coverage_pages p USING coverage_groups g
               WHERE p.dataset = ? AND g.dataset = p.dataset AND g.group_id = p.group_id AND g.state = ?
               AND g.completed_at < (
                   SELECT max(completed_at) FROM coverage_groups WHERE dataset = ? AND state = ? AND completed_at <= (
                       SELECT max(completed_at) FROM coverage_groups WHERE dataset = ? AND state = ?))""",
            [name, DONE, name, DONE, successor, DONE],
        )
