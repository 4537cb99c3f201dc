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
from tollbook.warehouse.schema import quoted, tables

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tollbook.sources.model import Dataset
    from tollbook.warehouse.pages import Page

DONE, OPEN, ENDED = "done", "open", "ended"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One page as it is kept while its group goes on."""

    purchase_id: str
    answer: Answered


def record(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Take in what these answers cover. Their rows are observed already."""
    groups: dict[tuple[str, str], list[_Kept]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.answered is not None:
            known = page.answered.group
            groups.setdefault((known.dataset, known.id), []).append(_Kept(page.purchase_id, _seen(con, page)))
    done: dict[str, list[Covered]] = {}
    for (name, group_id), new in groups.items():
        if _state(con, name, group_id) == DONE:
            continue
        found = rules.cover(registry.dataset(name), _canonical([*_kept(con, name, group_id), *new]))
        _keep(con, name, group_id, new, found)
        if found.complete:
            done.setdefault(name, []).extend(found.spans)
    for name, spans in done.items():
        _join(con, name, spans)


def _seen(con: duckdb.DuckDBPyConnection, page: Page) -> Answered:
    """The answer, and for a listing that grows at its top whether its last row was in the last complete one."""
    answer, dataset, parsed = page.answered, page.dataset, page.parsed
    assert answer is not None
    assert dataset is not None
    assert parsed is not None
    if not (dataset.paging and dataset.paging.newest_first and len(parsed.table)):
        return answer
    complete = con.execute(
        "SELECT max(completed_at) FROM coverage_groups WHERE dataset = ? AND state = ? AND completed_at < ?",
        [dataset.name, DONE, page.observed_at],
    ).fetchall()[0][0]
    if complete is None:
        return answer
    table = tables()[dataset.table]
    last = parsed.table.slice(len(parsed.table) - 1).to_pylist()[0]
    same = " AND ".join(f'"{name}" = ?' for name in table.natural_key)
    known = con.execute(
        f'SELECT 1 FROM "{table.observations}" WHERE dataset = ? AND observed_at <= ? AND {same} LIMIT 1',
        [dataset.name, complete, *(last[name] for name in table.natural_key)],
    ).fetchall()
    return replace(answer, known=bool(known))


def _canonical(kept: Sequence[_Kept]) -> list[Answered]:
    """Pages up to the first short one: what was asked for beyond the end tells nothing, whenever it was loaded."""
    answers = sorted((page.answer for page in kept), key=lambda answer: (answer.page, answer.received_at))
    limit = answers[0].group.limit
    short = next((a.page for a in answers if limit is not None and a.rows < limit), None)
    return [answer for answer in answers if short is None or answer.page <= short]


def _state(con: duckdb.DuckDBPyConnection, name: str, group_id: str) -> str | None:
    row = con.execute(
        "SELECT state FROM coverage_groups WHERE dataset = ? AND group_id = ?", [name, group_id]
    ).fetchall()
    return row[0][0] if row else None


def _kept(con: duckdb.DuckDBPyConnection, name: str, group_id: str) -> list[_Kept]:
    """Pages of a group that goes on."""
    rows = con.execute(
        """SELECT page, purchase_id, observed_at, p.rows, keys, slots, known, readable, context
           FROM coverage_pages p JOIN coverage_groups g USING (dataset, group_id)
           WHERE dataset = ? AND group_id = ?""",
        [name, group_id],
    ).fetchall()
    return [
        _Kept(
            purchase_id,
            Answered(
                group_of(json.loads(context)),
                page,
                observed_at,
                count,
                tuple(zip(keys, slots, strict=True)),
                known,
                readable,
            ),
        )
        for page, purchase_id, observed_at, count, keys, slots, known, readable, context in rows
    ]


def _keep(
    con: duckdb.DuckDBPyConnection, name: str, group_id: str, new: Sequence[_Kept], found: rules.Coverage
) -> None:
    """Replace what is kept of one group: its state, and its pages and spans while it goes on."""
    mine = [name, group_id]
    group = new[0].answer.group
    before = con.execute(
        "SELECT coalesce(sum(rows), 0), max(observed_at) FROM coverage_pages WHERE dataset = ? AND group_id = ?", mine
    ).fetchall()[0]
    rows = int(before[0]) + sum(page.answer.rows for page in new)
    last = max([page.answer.received_at for page in new] + ([before[1]] if before[1] else []))
    con.execute("DELETE FROM coverage_groups WHERE dataset = ? AND group_id = ?", mine)
    con.execute("DELETE FROM coverage_open WHERE dataset = ? AND group_id = ?", mine)
    state = DONE if found.going_on is None else ENDED if found.going_on.ended else OPEN
    pages = [] if found.going_on is None else list(found.going_on.pages)
    context = None if state == DONE else json.dumps(_context(group))
    con.execute(
        "INSERT INTO coverage_groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*mine, group.edition, group.bucket, context, pages, state, rows, last],
    )
    if state == DONE:
        con.execute("DELETE FROM coverage_pages WHERE dataset = ? AND group_id = ?", mine)
        return
    _append(con, "coverage_pages", _page_rows(name, group_id, new))
    _append(con, "coverage_open", _span_rows(name, found.spans, group_id))


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


def _page_rows(name: str, group_id: str, pages: Sequence[_Kept]) -> pa.Table:
    import pyarrow as pa

    answers = [page.answer for page in pages]
    return pa.table(
        {
            "dataset": [name] * len(pages),
            "group_id": [group_id] * len(pages),
            "page": [answer.page for answer in answers],
            "purchase_id": [page.purchase_id for page in pages],
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


def _append(con: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    if len(rows):
        con.register("incoming", rows)
        con.execute(
            f"INSERT INTO {table} ({quoted(rows.column_names)}) SELECT {quoted(rows.column_names)} FROM incoming"
        )
        con.unregister("incoming")


def _join(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[Covered]) -> None:
    """Bring spans together with those the same keys had."""
    import pyarrow as pa

    by_key: dict[str, list[Covered]] = {}
    for span in spans:
        by_key.setdefault(span.key, []).append(span)
    con.register("touched", pa.table({"key": pa.array(list(by_key), pa.string())}))
    for span in _spans(
        con,
        "SELECT key, first, last, bucket, settled FROM coverage SEMI JOIN touched USING (key) WHERE dataset = ?",
        [name],
    ):
        by_key[span.key].append(span)
    con.execute("DELETE FROM coverage USING touched WHERE coverage.key = touched.key AND dataset = ?", [name])
    con.unregister("touched")
    _append(con, "coverage", _span_rows(name, [span for own in by_key.values() for span in flattened(own)]))


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
