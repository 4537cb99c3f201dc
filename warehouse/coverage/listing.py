"""How far to read a listing that grows at its top: down to what is known, and beyond it for rows that left another
listing and should turn up in this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sources.coverage.answered import Answered
from sources.model import Dataset
from sources.parse.rows import identities
from warehouse.cache.sql import column_list, quoted
from warehouse.cache.tables import declared_tables
from warehouse.coverage.store import DONE, GroupPages, followed_listings

if TYPE_CHECKING:
    import duckdb

    from warehouse.coverage.page import Page

PAGES_BEYOND = 5
"""Pages at most that are read for a row that left its listing: it may be nowhere."""

Members = tuple[datetime, frozenset[str]]
"""A complete listing: when its last page came, and the identities of its rows."""


def mark_known(con: duckdb.DuckDBPyConnection, page: Page, changed: Sequence[GroupPages]) -> Answered:
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
