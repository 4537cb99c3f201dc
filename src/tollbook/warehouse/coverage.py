"""What the cache knows of which cells, so that nothing is bought twice. The rules are in sources.coverage.

Groups that are complete are kept as spans, joined per key. Of a group whose pages are still coming, the pages are
kept too, so that the next one can be judged with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tollbook.sources import coverage as rules
from tollbook.sources import registry
from tollbook.sources.coverage import Answered, Covered
from tollbook.sources.grid import Span, gaps, merged
from tollbook.sources.pieces import Group, group_of
from tollbook.sources.planner import Held, OpenGroup
from tollbook.sources.slots import FINAL, slot
from tollbook.warehouse.notes import append
from tollbook.warehouse.schema import tables

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tollbook.sources.model import Dataset
    from tollbook.warehouse.pages import Page

DONE, OPEN, ENDED = "done", "open", "ended"

_Id = tuple[str, str]
"""Dataset and group."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """One page as it is kept while its group goes on."""

    purchase_id: str
    answer: Answered


@dataclass(frozen=True, slots=True)
class _Listing:
    """A group with its pages, and what they tell."""

    dataset: str
    group_id: str
    kept: tuple[_Kept, ...]
    found: rules.Coverage
    rows: int
    last: datetime

    @property
    def state(self) -> str:
        if self.found.going_on is None:
            return DONE
        return ENDED if self.found.going_on.ended else OPEN


def record(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Take in what these answers cover. Their rows are observed already.

    A page that is brought again, behind one that came late, is judged again while its group goes on.
    """
    groups = _grouped(pages)
    if not groups:
        return
    stored, done, begun = _stored(con, list(groups))
    changed: list[_Listing] = []
    spans: dict[str, list[Covered]] = {}
    for key, new in groups.items():
        if key in done:
            continue
        again = {page.purchase_id for page in new}
        kept = [page for page in stored.get(key, ()) if page.purchase_id not in again]
        kept += (_Kept(page.purchase_id, _seen(con, page, changed)) for page in new)
        listing = _listing(key, kept)
        changed.append(listing)
        if listing.state == DONE:
            spans.setdefault(listing.dataset, []).extend(listing.found.spans)
    _forget(con, [own for own in changed if (own.dataset, own.group_id) in begun])
    _keep_groups(con, changed)
    for name, own in spans.items():
        keep(con, name, own)


def _grouped(pages: Sequence[Page]) -> dict[_Id, list[Page]]:
    groups: dict[_Id, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.answered is not None:
            groups.setdefault((page.answered.group.dataset, page.answered.group.id), []).append(page)
    return groups


def _listing(key: _Id, kept: Sequence[_Kept]) -> _Listing:
    """What all pages of a group tell, those of before and those of now."""
    answers = _canonical(kept)
    found = rules.cover(registry.dataset(key[0]), answers)
    if not rules.unbroken(answers):
        found = replace(found, going_on=OpenGroup(answers[0].group, ()))
    rows, last = sum(answer.rows for answer in answers), max(answer.received_at for answer in answers)
    return _Listing(*key, tuple(kept), found, rows, last)


def _seen(con: duckdb.DuckDBPyConnection, page: Page, listings: Sequence[_Listing]) -> Answered:
    """The answer, and for a listing that grows at its top whether its last row was in the last complete one."""
    answer, dataset, parsed = page.answered, page.dataset, page.parsed
    assert answer is not None
    assert dataset is not None
    assert parsed is not None
    if not (dataset.paging and dataset.paging.newest_first and len(parsed.table)):
        return answer
    complete = con.execute(
        "SELECT completed_at FROM coverage_groups WHERE dataset = ? AND state = ? AND completed_at < ?",
        [dataset.name, DONE, page.observed_at],
    ).fetchall()
    times = [time for (time,) in complete]
    times += [own.last for own in listings if own.dataset == dataset.name and own.state == DONE]
    times = [time for time in times if time < page.observed_at]
    if not times:
        return answer
    table = tables()[dataset.table]
    last = parsed.table.slice(len(parsed.table) - 1).to_pylist()[0]
    same = " AND ".join(f'"{name}" = ?' for name in table.natural_key)
    known = con.execute(
        f'SELECT 1 FROM "{table.observations}" WHERE dataset = ? AND observed_at <= ? AND {same} LIMIT 1',
        [dataset.name, max(times), *(last[name] for name in table.natural_key)],
    ).fetchall()
    return replace(answer, known=bool(known))


def _canonical(kept: Sequence[_Kept]) -> list[Answered]:
    """Each page once, as first answered, up to the first short one: so that neither what was asked for beyond the end
    nor a second answer tells anything, whenever it was loaded."""
    first: dict[int, Answered] = {}
    for page in sorted(kept, key=lambda page: (page.answer.received_at, page.purchase_id)):
        first.setdefault(page.answer.page, page.answer)
    limit = kept[0].answer.group.limit
    short = min((number for number, own in first.items() if limit is not None and own.rows < limit), default=None)
    return [first[number] for number in sorted(first) if short is None or number <= short]


def _stored(con: duckdb.DuckDBPyConnection, keys: Sequence[_Id]) -> tuple[dict[_Id, list[_Kept]], set[_Id], set[_Id]]:
    """Pages kept of these groups, which of them are done with, and which are begun."""
    ids = [group_id for _, group_id in keys]
    theirs = "group_id IN (SELECT unnest(?::VARCHAR[]))"
    found = con.execute(f"SELECT dataset, group_id, state FROM coverage_groups WHERE {theirs}", [ids]).fetchall()
    done = {(name, group_id) for name, group_id, state in found if state == DONE}
    begun = {(name, group_id) for name, group_id, state in found if state != DONE}
    if not begun:
        return {}, done, begun
    rows = con.execute(
        f"""SELECT dataset, group_id, purchase_id, context, page, observed_at, p.rows, keys, slots, known, readable
            FROM coverage_pages p JOIN coverage_groups g USING (dataset, group_id) WHERE {theirs}""",
        [ids],
    ).fetchall()
    stored: dict[_Id, list[_Kept]] = {}
    for name, group_id, purchase_id, context, page, seen_at, count, names, slots, known, readable in rows:
        cells = tuple(zip(names, slots, strict=True))
        answer = Answered(group_of(json.loads(context)), page, seen_at, count, cells, known, readable)
        stored.setdefault((name, group_id), []).append(_Kept(purchase_id, answer))
    return stored, done, begun


def _forget(con: duckdb.DuckDBPyConnection, listings: Sequence[_Listing]) -> None:
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
    con.unregister("touched")


def _keep_groups(con: duckdb.DuckDBPyConnection, listings: Sequence[_Listing]) -> None:
    """The groups as they are now: pages and spans only of those that go on."""
    append(con, "coverage_groups", _group_rows(listings))
    for own in listings:
        if own.state != DONE:
            append(con, "coverage_pages", _page_rows(own))
            append(con, "coverage_open", _span_rows(own.dataset, own.found.spans, own.group_id))


def _group_rows(listings: Sequence[_Listing]) -> pa.Table:
    import pyarrow as pa

    groups = [own.kept[0].answer.group for own in listings]
    contexts = [None if own.state == DONE else json.dumps(_context(own.kept[0].answer.group)) for own in listings]
    pages = [own.found.going_on.pages if own.found.going_on else () for own in listings]
    return pa.table(
        {
            "dataset": pa.array([own.dataset for own in listings], pa.string()),
            "group_id": pa.array([own.group_id for own in listings], pa.string()),
            "edition": pa.array([group.edition for group in groups], pa.string()),
            "bucket": pa.array([group.bucket for group in groups], pa.int64()),
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


def _page_rows(listing: _Listing) -> pa.Table:
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


def _span_rows(name: str, spans: Sequence[Covered], group_id: str | None = None) -> pa.Table:
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


def keep(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[Covered]) -> None:
    """Bring spans together with those the same keys had."""
    import pyarrow as pa

    by_key: dict[str, list[Covered]] = {}
    for span in spans:
        by_key.setdefault(span.key, []).append(span)
    con.register("touched", pa.table({"key": pa.array(list(by_key), pa.string())}))
    query = "SELECT key, first, last, bucket, settled FROM coverage SEMI JOIN touched USING (key) WHERE dataset = ?"
    known = _spans(con, query, [name])
    for span in known:
        by_key[span.key].append(span)
    if known:
        con.execute("DELETE FROM coverage USING touched WHERE coverage.key = touched.key AND dataset = ?", [name])
    con.unregister("touched")
    append(con, "coverage", _span_rows(name, [span for own in by_key.values() for span in flattened(own)]))


def flattened(spans: Sequence[Covered]) -> list[Covered]:
    """Spans of one key, each slot once: settled where any says so, else in the latest bucket. One form per content."""
    layers: dict[tuple[bool, int], list[Span]] = {}
    for span in spans:
        layers.setdefault((span.settled, 0 if span.settled else span.bucket), []).append((span.first, span.last))
    out: list[Covered] = []
    taken: list[Span] = []
    for (settled, bucket), own in sorted(layers.items(), reverse=True):
        for first, last in merged(own):
            out += (Covered(spans[0].key, a, b, bucket, settled) for a, b in gaps(taken, first, last))
        taken += own
    return out


def _spans(con: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[Covered]:
    return [Covered(*row) for row in con.execute(query, values).fetchall()]


def held(
    con: duckdb.DuckDBPyConnection, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime
) -> Held:
    """What a run scheduled for `at` need not buy of keys × first…last, and the listings it may go on with."""
    import pyarrow as pa

    now = slot(dataset, at)
    wanted = list(dict.fromkeys(keys)) if dataset.key_column else ["*"]
    con.register("wanted", pa.table({"key": pa.array(wanted, pa.string())}))
    spans = _spans(
        con,
        """SELECT key, first, last, bucket, settled
           FROM (FROM coverage UNION ALL SELECT * EXCLUDE (group_id) FROM coverage_open) SEMI JOIN wanted USING (key)
           WHERE dataset = ? AND last >= ? AND first <= ? AND (settled OR bucket >= ?)""",
        [dataset.name, first, last, now],
    )
    con.unregister("wanted")
    return rules.held(dataset, spans, at, _open_groups(con, dataset, now), _listing_rows(con, dataset))


def _open_groups(con: duckdb.DuckDBPyConnection, dataset: Dataset, now: int) -> list[OpenGroup]:
    rows = con.execute(
        """SELECT context, pages, state FROM coverage_groups
           WHERE dataset = ? AND state <> ? AND len(pages) > 0 AND (edition = ? OR bucket >= ?) ORDER BY group_id""",
        [dataset.name, DONE, FINAL, now],
    ).fetchall()
    return [OpenGroup(group_of(json.loads(context)), tuple(pages), state == ENDED) for context, pages, state in rows]


def _listing_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset) -> int | None:
    row = con.execute(
        "SELECT rows FROM coverage_groups WHERE dataset = ? AND state = ? ORDER BY completed_at DESC, group_id LIMIT 1",
        [dataset.name, DONE],
    ).fetchall()
    return row[0][0] if row else None
