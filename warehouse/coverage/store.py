"""Coverage as it lies in the cache: spans per key, groups, and the pages of groups that go on."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sources import registry
from sources.coverage.cover import Coverage, CoveredSpan
from sources.coverage.delivered_page import DeliveredPage
from sources.planner.pieces import Group, group_of
from warehouse.cache.schema import among
from warehouse.load.notes import append

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DONE, OPEN, ENDED = "done", "open", "ended"

GroupId = tuple[str, str]
"""Dataset and group."""


@cache
def followed() -> dict[str, str]:
    """Listings whose rows move to another, which grows at its top, as open picks do when they close."""
    pairs = {own.name: registry.dataset(own.repaired_by) for own in registry.datasets() if own.repaired_by}
    return {name: past.name for name, past in pairs.items() if past.paging and past.paging.newest_first}


@dataclass(frozen=True, slots=True)
class Kept:
    """One page of a group. `alone` is what it tells where it is all there is to its group."""

    purchase_id: str
    answer: DeliveredPage
    alone: Coverage | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A group with its pages, and what they tell."""

    dataset: str
    group_id: str
    kept: tuple[Kept, ...]
    found: Coverage
    rows: int
    last: datetime

    @property
    def group(self) -> Group:
        return self.kept[0].answer.group

    @property
    def state(self) -> str:
        if self.found.open_group is None:
            return DONE
        return ENDED if self.found.open_group.ended else OPEN


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept of some groups: their pages, and which of them are done with or begun. `waiting` are those of the
    same datasets that ended with cells in doubt."""

    pages: dict[GroupId, list[Kept]]
    done: set[GroupId]
    begun: set[GroupId]
    waiting: list[GroupId]


def stored(con: duckdb.DuckDBPyConnection, keys: Collection[GroupId]) -> Stored:
    """What is kept of these groups, and of those that wait for rows which any answer may bring."""
    names = {name for name, _ in keys}
    theirs, ids = among("group_id", [group_id for _, group_id in keys])
    here, own = among("dataset", sorted(names))
    query = f"SELECT dataset, group_id, state FROM coverage_groups WHERE {theirs} OR (state = ? AND {here})"
    found = {(name, group_id): state for name, group_id, state in con.execute(query, [*ids, ENDED, *own]).fetchall()}
    begun = {key for key, state in found.items() if state != DONE}
    waiting = sorted(key for key, state in found.items() if state == ENDED and key[0] in names)
    return Stored(_pages(con, begun), found.keys() - begun, begun, waiting)


def _pages(con: duckdb.DuckDBPyConnection, keys: Collection[GroupId]) -> dict[GroupId, list[Kept]]:
    """Of groups that go on, what came so far."""
    pages: dict[GroupId, list[Kept]] = {}
    if keys:
        theirs, ids = among("group_id", [group_id for _, group_id in keys])
        rows = con.execute(
            f"""SELECT dataset, group_id, purchase_id, context, page, observed_at, p.rows, keys, slots, known, readable
                FROM coverage_pages p JOIN coverage_groups g USING (dataset, group_id)
                WHERE state <> ? AND {theirs}""",
            [DONE, *ids],
        ).fetchall()
        for name, group_id, purchase_id, context, page, seen_at, count, names, slots, known, readable in rows:
            cells = tuple(zip(names, slots, strict=True))
            answer = DeliveredPage(group_of(json.loads(context)), page, seen_at, count, cells, known, readable)
            pages.setdefault((name, group_id), []).append(Kept(purchase_id, answer))
    return pages


def forget(con: duckdb.DuckDBPyConnection, listings: Sequence[Listing]) -> None:
    """What was kept of groups that went on."""
    import pyarrow as pa

    if not listings:
        return
    touched = {"dataset": [own.dataset for own in listings], "group_id": [own.group_id for own in listings]}
    con.register("touched", pa.table({name: pa.array(values, pa.string()) for name, values in touched.items()}))
    for table in ("coverage_groups", "coverage_open", "coverage_pages"):
        con.execute(
            f"DELETE FROM {table} t USING touched WHERE t.dataset = touched.dataset AND t.group_id = touched.group_id"
        )


def keep(con: duckdb.DuckDBPyConnection, listings: Sequence[Listing]) -> None:
    """The groups as they are now: spans only of those that go on; pages also of listings that another one follows."""
    append(con, "coverage_groups", _group_rows(listings))
    for own in listings:
        if own.state != DONE or own.dataset in followed():
            append(con, "coverage_pages", _page_rows(own))
        if own.state != DONE:
            append(con, "coverage_open", span_rows(own.dataset, own.found.spans, own.group_id))


def span_rows(name: str, spans: Sequence[CoveredSpan], group_id: str | None = None) -> pa.Table:
    """Spans as rows of `coverage`, or with a group of `coverage_open`."""
    import pyarrow as pa

    columns: dict[str, Any] = {"dataset": pa.array([name] * len(spans), pa.string())}
    if group_id is not None:
        columns["group_id"] = pa.array([group_id] * len(spans), pa.string())
    columns["key"] = pa.array([span.key for span in spans], pa.string())
    columns["first"] = pa.array([span.first for span in spans], pa.int64())
    columns["last"] = pa.array([span.last for span in spans], pa.int64())
    columns["bucket"] = pa.array([span.bucket for span in spans], pa.int64())
    columns["settled"] = pa.array([span.settled for span in spans], pa.bool_())
    return pa.table(columns)


def _group_rows(listings: Sequence[Listing]) -> pa.Table:
    import pyarrow as pa

    contexts = [None if own.state == DONE else json.dumps(_context(own.group)) for own in listings]
    pages = [own.found.open_group.pages if own.found.open_group else () for own in listings]
    return pa.table(
        {
            "dataset": pa.array([own.dataset for own in listings], pa.string()),
            "group_id": pa.array([own.group_id for own in listings], pa.string()),
            "edition": pa.array([own.group.edition for own in listings], pa.string()),
            "bucket": pa.array([own.group.bucket for own in listings], pa.int64()),
            "context": pa.array(contexts, pa.string()),
            "pages": pa.array(pages, pa.list_(pa.int64())),
            "state": pa.array([own.state for own in listings], pa.string()),
            "rows": pa.array([own.rows for own in listings], pa.int64()),
            "completed_at": pa.array([own.last for own in listings], pa.timestamp("us", "UTC")),
        }
    )


def _context(group: Group) -> dict[str, Any]:
    return {
        "dataset": group.dataset,
        "edition": group.edition,
        "bucket": group.bucket,
        "keys": list(group.keys),
        "first": group.first,
        "last": group.last,
        "limit": group.limit,
        "rows": group.rows,
        "first_page": group.first_page,
    }


def _page_rows(listing: Listing) -> pa.Table:
    import pyarrow as pa

    answers = [page.answer for page in listing.kept]
    return pa.table(
        {
            "dataset": [listing.dataset] * len(answers),
            "group_id": [listing.group_id] * len(answers),
            "page": [answer.page for answer in answers],
            "purchase_id": [page.purchase_id for page in listing.kept],
            "observed_at": pa.array([answer.received_at for answer in answers], pa.timestamp("us", "UTC")),
            "rows": [answer.rows for answer in answers],
            "keys": pa.array([[key for key, _ in answer.cells] for answer in answers], pa.list_(pa.string())),
            "slots": pa.array([[number for _, number in answer.cells] for answer in answers], pa.list_(pa.int64())),
            "known": [answer.known for answer in answers],
            "readable": [answer.readable for answer in answers],
        }
    )
