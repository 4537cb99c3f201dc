"""Coverage as rows of the cache: spans per key, groups, and the pages of groups that are open."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.coverage.cover import Coverage, CoveredSpan
from sources.coverage.delivered_page import DeliveredPage
from sources.planner.pieces import Group, group_of
from warehouse.cache.sql import among, append, parsed, quoted

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset

DONE, OPEN, ENDED = "done", "open", "ended"

GroupId = tuple[str, str]
"""Dataset and group."""


@registry.cached
def followed_listings() -> dict[str, str]:
    """Map each listing whose rows move to a newest-first listing to that one, as open picks do when they close."""
    pairs = {each.name: registry.dataset(each.repaired_by) for each in registry.datasets() if each.repaired_by}
    return {name: past.name for name, past in pairs.items() if past.paging and past.paging.newest_first}


@dataclass(frozen=True, slots=True)
class StoredPage:
    """One page of a group. `alone` is what it covers where it is the only page of its group."""

    purchase_id: str
    answer: DeliveredPage
    alone: Coverage | None = None


@dataclass(frozen=True, slots=True)
class GroupPages:
    """A group with its pages, and what they cover together."""

    dataset: str
    group_id: str
    pages: tuple[StoredPage, ...]
    coverage: Coverage
    rows: int
    last_at: datetime

    @property
    def id(self) -> GroupId:
        return self.dataset, self.group_id

    @property
    def group(self) -> Group:
        return self.pages[0].answer.group

    @property
    def state(self) -> str:
        if self.coverage.open_group is None:
            return DONE
        return ENDED if self.coverage.open_group.ended else OPEN


@dataclass(frozen=True, slots=True)
class StoredGroups:
    """Some groups as the cache has them: their pages, and which of them are done or begun. `waiting` are groups of the
    same datasets that ended with uncertain cells."""

    pages: dict[GroupId, list[StoredPage]]
    done: set[GroupId]
    begun: set[GroupId]
    waiting: list[GroupId]


def read_groups(con: duckdb.DuckDBPyConnection, keys: Collection[GroupId]) -> StoredGroups:
    """Read these groups, and those that wait for rows which any answer may bring."""
    names = {name for name, _ in keys}
    of_groups, group_ids = among("group_id", [group_id for _, group_id in keys])
    of_datasets, datasets = among("dataset", sorted(names))
    query = f"SELECT dataset, group_id, state FROM coverage_groups WHERE {of_groups} OR (state = ? AND {of_datasets})"
    rows = con.execute(parsed(con, query), [*group_ids, ENDED, *datasets]).fetchall()
    states = {(name, group_id): state for name, group_id, state in rows}
    begun = {key for key, state in states.items() if state != DONE}
    waiting = sorted(key for key, state in states.items() if state == ENDED and key[0] in names)
    return StoredGroups(_pages(con, begun), states.keys() - begun, begun, waiting)


def _pages(con: duckdb.DuckDBPyConnection, keys: Collection[GroupId]) -> dict[GroupId, list[StoredPage]]:
    pages: dict[GroupId, list[StoredPage]] = {}
    if keys:
        predicate, group_ids = among("group_id", [group_id for _, group_id in keys])
        rows = con.execute(
            f"""SELECT dataset, group_id, purchase_id, context, page, observed_at, p.rows, keys, slots, known, readable,
                       stated
                FROM coverage_pages p JOIN coverage_groups g USING (dataset, group_id)
                WHERE state <> ? AND {predicate}""",
            [DONE, *group_ids],
        ).fetchall()
        for name, group_id, purchase_id, context, page, seen_at, count, names, slots, *rest in rows:
            cells = tuple(zip(names, slots, strict=True))
            answer = DeliveredPage(group_of(json.loads(context)), page, seen_at, count, cells, *rest)
            pages.setdefault((name, group_id), []).append(StoredPage(purchase_id, answer))
    return pages


def read_spans(con: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[CoveredSpan]:
    """Spans from a query for key, first, last, bucket and settled."""
    return [CoveredSpan(*row) for row in con.execute(parsed(con, query), values).fetchall()]


def key_sql(dataset: Dataset) -> str:
    """A row's key as SQL text; `*` for a dataset without a key column."""
    return f"{quoted(dataset.key_column)}::VARCHAR" if dataset.key_column else "'*'"


def delete_groups(con: duckdb.DuckDBPyConnection, groups: Sequence[GroupPages]) -> None:
    import pyarrow as pa

    if not groups:
        return
    ids = {"dataset": [group.dataset for group in groups], "group_id": [group.group_id for group in groups]}
    con.register("touched", pa.table({name: pa.array(values, pa.string()) for name, values in ids.items()}))
    for table in ("coverage_groups", "coverage_open", "coverage_absent", "coverage_pages"):
        con.execute(
            f"DELETE FROM {table} t USING touched WHERE t.dataset = touched.dataset AND t.group_id = touched.group_id"
        )


def write_groups(con: duckdb.DuckDBPyConnection, groups: Sequence[GroupPages]) -> None:
    """Write the groups as they are now: what they lack; spans only of open ones; pages also of listings that another
    one follows."""
    append(con, "coverage_groups", _GROUPS, _group_rows(groups))
    append(con, "coverage_absent", _ABSENT, _absent_rows(groups))
    for group in groups:
        if group.state != DONE or group.dataset in followed_listings():
            append(con, "coverage_pages", _PAGES, _page_rows(group))
        if group.state != DONE:
            spans = [(group.group_id, *row) for row in span_rows(group.dataset, group.coverage.spans)]
            append(con, "coverage_open", {"group_id": "string", **SPANS}, spans)


SPANS = {"dataset": "string", "key": "string", "first": "int64", "last": "int64", "bucket": "int64", "settled": "bool"}
"""Columns of `coverage`."""

_GROUP = {"dataset": "string", "group_id": "string"}
_ABSENT = {**_GROUP, "key": "string", "first": "int64", "last": "int64", "bucket": "int64", "asked_at": "int64"}
_ABSENT |= {"failed": "bool"}
_GROUPS = {**_GROUP, "edition": "string", "bucket": "int64", "context": "string", "pages": "numbers", "state": "string"}
_GROUPS |= {"rows": "int64", "page_rows": "int64", "completed_at": "time"}
_PAGES = {**_GROUP, "page": "int64", "purchase_id": "string", "observed_at": "time", "rows": "int64", "keys": "strings"}
_PAGES |= {"slots": "numbers", "known": "bool", "readable": "bool", "stated": "int64"}


def span_rows(name: str, spans: Sequence[CoveredSpan]) -> list[tuple[Any, ...]]:
    return [(name, span.key, span.first, span.last, span.bucket, span.settled) for span in spans]


def _absent_rows(groups: Sequence[GroupPages]) -> list[tuple[Any, ...]]:
    return [
        (group.dataset, group.group_id, span.key, span.first, span.last, *span.ask)
        for group in groups
        for span in group.coverage.absent
    ]


def _group_rows(groups: Sequence[GroupPages]) -> list[tuple[Any, ...]]:
    rows = []
    for each in groups:
        context = None if each.state == DONE else json.dumps(asdict(each.group))
        pages = list(each.coverage.open_group.pages) if each.coverage.open_group else []
        request = (*each.id, each.group.edition, each.group.bucket, context)
        rows.append((*request, pages, each.state, each.rows, each.coverage.page_rows, each.last_at))
    return rows


def _page_rows(group: GroupPages) -> list[tuple[Any, ...]]:
    rows = []
    for page in group.pages:
        answer = page.answer
        keys, slots = [key for key, _ in answer.cells], [number for _, number in answer.cells]
        cells = (answer.rows, keys, slots, answer.known, answer.readable, answer.stated)
        rows.append((*group.id, answer.page, page.purchase_id, answer.received_at, *cells))
    return rows
