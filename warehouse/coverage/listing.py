"""How far down a listing that grows at its top is read: to what is known, and past it for what left another listing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset
from sources.parse.rows import identities
from warehouse.cache.schema import quoted, tables
from warehouse.coverage.store import DONE, Listing, followed

if TYPE_CHECKING:
    import duckdb

    from warehouse.load.parse import Page

BEYOND = 5
"""Pages at most that are read for a row that left its listing: it may be nowhere."""

Members = tuple[datetime, frozenset[str]]
"""A complete listing: when its last page came, and what was on it."""


def seen(con: duckdb.DuckDBPyConnection, page: Page, listings: Sequence[Listing]) -> DeliveredPage:
    """The answer; for a listing that grows at its top also whether reading it may end at this page: its last row was in
    the last complete one, and nothing that left another listing since then is still to be found.

    `listings` are those of this load that are not stored yet.
    """
    answer, dataset, parsed = page.answered, page.dataset, page.parsed
    assert answer is not None
    assert dataset is not None
    assert parsed is not None
    if dataset.name in followed():
        return replace(answer, cells=identities(dataset, parsed.table))
    if not (dataset.paging and dataset.paging.newest_first and len(parsed.table)):
        return answer
    times = [time for time in _completed(con, dataset, listings) if time < page.observed_at]
    if not times or not _known(con, page, dataset, max(times)):
        return answer
    far = answer.page - answer.group.first_page >= BEYOND
    return replace(answer, known=far or not _lost(con, page, dataset, max(times), listings))


def _completed(con: duckdb.DuckDBPyConnection, dataset: Dataset, listings: Sequence[Listing]) -> list[datetime]:
    query = "SELECT completed_at FROM coverage_groups WHERE dataset = ? AND state = ?"
    stored = [time for (time,) in con.execute(query, [dataset.name, DONE]).fetchall()]
    return stored + [own.last for own in listings if own.dataset == dataset.name and own.state == DONE]


def _known(con: duckdb.DuckDBPyConnection, page: Page, dataset: Dataset, complete: datetime) -> bool:
    """The page's last row was seen by then."""
    assert page.parsed is not None
    table = tables()[dataset.table]
    last = page.parsed.table.slice(len(page.parsed.table) - 1).to_pylist()[0]
    same = " AND ".join(f'"{name}" = ?' for name in table.natural_key)
    found = con.execute(
        f'SELECT 1 FROM "{table.observations}" WHERE dataset = ? AND observed_at <= ? AND {same} LIMIT 1',
        [dataset.name, complete, *(last[name] for name in table.natural_key)],
    ).fetchall()
    return bool(found)


def _lost(
    con: duckdb.DuckDBPyConnection, page: Page, dataset: Dataset, complete: datetime, listings: Sequence[Listing]
) -> set[str]:
    """What left the other listing since this one was last complete, and has not come up in this one."""
    members = sorted(own for own in _members(con, dataset, listings) if own[0] < page.observed_at)
    before = [own for own in members if own[0] <= complete][-1:]
    recent = [*before, *(own for own in members if own[0] > complete)]
    if not recent:
        return set()
    gone = set[str]().union(*(names for _, names in recent)) - recent[-1][1]
    if gone:
        columns, observations = quoted(dataset.natural_key), tables()[dataset.table].observations
        query = f'SELECT {columns} FROM "{observations}" WHERE dataset = ? AND observed_at <= ?'
        found = con.sql(query, params=[dataset.name, page.observed_at]).to_arrow_table()
        gone -= {name for name, _ in identities(dataset, found)}
    return gone


def _members(con: duckdb.DuckDBPyConnection, dataset: Dataset, listings: Sequence[Listing]) -> Iterator[Members]:
    """Every complete listing there is a record of whose rows move to this dataset's."""
    sources = [name for name, past in followed().items() if past == dataset.name]
    stored = con.execute(
        """SELECT completed_at, flatten(list(keys)) FROM coverage_groups JOIN coverage_pages USING (dataset, group_id)
           WHERE dataset IN (SELECT unnest(?::VARCHAR[])) AND state = ? GROUP BY dataset, group_id, completed_at""",
        [sources, DONE],
    ).fetchall()
    yield from ((time, frozenset(names)) for time, names in stored)
    for own in listings:
        if own.dataset in sources and own.state == DONE:
            yield own.last, frozenset(name for page in own.kept for name, _ in page.answer.cells)


def forget_old(con: duckdb.DuckDBPyConnection, changed: Set[str]) -> None:
    """Keep of followed listings the last before the other was complete, and those since."""
    for name, past in followed().items():
        if changed.isdisjoint((name, past)):
            continue
        con.execute(
            """DELETE FROM coverage_pages p USING coverage_groups g
               WHERE p.dataset = ? AND g.dataset = p.dataset AND g.group_id = p.group_id AND g.state = ?
               AND g.completed_at < (
                   SELECT max(completed_at) FROM coverage_groups WHERE dataset = ? AND state = ? AND completed_at <= (
                       SELECT max(completed_at) FROM coverage_groups WHERE dataset = ? AND state = ?))""",
            [name, DONE, name, DONE, past, DONE],
        )
