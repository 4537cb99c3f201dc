"""What the cache knows of which cells, so that nothing is bought twice. The rules are in sources.coverage.

Groups that are complete are kept as spans, joined per key. Of a group whose pages are still coming, the pages are
kept too, so that the next one can be judged with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tollbook.sources import coverage as rules
from tollbook.sources import registry
from tollbook.sources.coverage import Answered, Covered
from tollbook.sources.grid import Span, gaps, merged
from tollbook.sources.pieces import group_of
from tollbook.sources.planner import Held, OpenGroup
from tollbook.sources.slots import FINAL, slot
from tollbook.warehouse import coverage_store as store
from tollbook.warehouse.coverage_store import DONE, ENDED, GroupId, Kept, Listing
from tollbook.warehouse.notes import append
from tollbook.warehouse.schema import among, tables

if TYPE_CHECKING:
    import duckdb

    from tollbook.sources.model import Dataset
    from tollbook.warehouse.pages import Page


def record(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Take in what these answers cover. Their rows are observed already.

    A page that is brought again, behind one that came late, is judged again while its group goes on.
    """
    groups = _grouped(pages)
    if not groups:
        return
    known = store.stored(con, list(groups))
    changed: list[Listing] = []
    spans: dict[str, list[Covered]] = {}
    for key, new in groups.items():
        if key in known.done:
            continue
        again = {page.purchase_id for page in new}
        kept = [page for page in known.pages.get(key, ()) if page.purchase_id not in again]
        kept += (Kept(page.purchase_id, _seen(con, page, changed), page.alone) for page in new)
        listing = _listing(key, kept)
        changed.append(listing)
        if listing.state == DONE:
            spans.setdefault(listing.dataset, []).extend(listing.found.spans)
    store.forget(con, [own for own in changed if (own.dataset, own.group_id) in known.begun])
    store.keep(con, changed)
    for name, own in spans.items():
        keep(con, name, own)


def _grouped(pages: Sequence[Page]) -> dict[GroupId, list[Page]]:
    groups: dict[GroupId, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.answered is not None:
            groups.setdefault((page.answered.group.dataset, page.answered.group.id), []).append(page)
    return groups


def _listing(key: GroupId, kept: Sequence[Kept]) -> Listing:
    """What all pages of a group tell, those of before and those of now."""
    pages = _canonical(kept)
    answers = [page.answer for page in pages]
    found = pages[0].alone if len(pages) == 1 else None
    if found is None:
        found = rules.cover(registry.dataset(key[0]), answers)
        if not rules.unbroken(answers):
            found = replace(found, going_on=OpenGroup(answers[0].group, ()))
    rows, last = sum(answer.rows for answer in answers), max(answer.received_at for answer in answers)
    return Listing(*key, tuple(kept), found, rows, last)


def _canonical(kept: Sequence[Kept]) -> list[Kept]:
    """Each page once, as first answered, up to the first that ends the listing: so that neither what was asked for
    beyond the end nor a second answer tells anything, whenever it was loaded."""
    first: dict[int, Kept] = {}
    for page in sorted(kept, key=lambda page: (page.answer.received_at, page.purchase_id)):
        first.setdefault(page.answer.page, page)
    pages: list[Kept] = []
    for number in sorted(first):
        pages.append(first[number])
        answer = first[number].answer
        if first[number].alone or (answer.group.limit is not None and answer.rows < answer.group.limit):
            break
    return pages


def _seen(con: duckdb.DuckDBPyConnection, page: Page, listings: Sequence[Listing]) -> Answered:
    """The answer, and for a listing that grows at its top whether its last row was in the last complete one."""
    answer, dataset, parsed = page.answered, page.dataset, page.parsed
    assert answer is not None
    assert dataset is not None
    assert parsed is not None
    if not (dataset.paging and dataset.paging.newest_first and len(parsed.table)):
        return answer
    complete = con.execute(
        "SELECT completed_at FROM coverage_groups WHERE dataset = ? AND state = ?", [dataset.name, DONE]
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


def keep(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[Covered]) -> None:
    """Bring spans together with those the same keys had."""
    by_key: dict[str, list[Covered]] = {}
    for span in spans:
        by_key.setdefault(span.key, []).append(span)
    theirs, keys = among("key", list(by_key))
    query = f"SELECT key, first, last, bucket, settled FROM coverage WHERE dataset = ? AND {theirs}"
    known = _spans(con, query, [name, *keys])
    for span in known:
        by_key[span.key].append(span)
    if known:
        con.execute(f"DELETE FROM coverage WHERE dataset = ? AND {theirs}", [name, *keys])
    append(con, "coverage", store.span_rows(name, [span for own in by_key.values() for span in flattened(own)]))


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
