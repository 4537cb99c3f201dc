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

from sources import registry
from sources.coverage import cover as rules
from sources.coverage.cover import CoveredSpan
from sources.coverage.delivered_page import Cell
from sources.planner.grid import Span, gaps, merged
from sources.planner.held import HeldCells, OpenGroup
from sources.planner.pieces import AGAIN, group_of
from sources.slots import FINAL, slot
from warehouse.cache.schema import among, tables
from warehouse.coverage import store
from warehouse.coverage.listing import forget_old, seen
from warehouse.coverage.store import DONE, ENDED, OPEN, GroupId, Kept, Listing
from warehouse.load.notes import append

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset
    from warehouse.load.parse import Page


def record(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Take in what these answers cover. Their rows are observed already.

    A page that is brought again, behind one that came late, is judged again while its group goes on; so are groups
    that shifted while they were read, as others may have brought what was hidden.
    """
    groups = _grouped(pages)
    if not groups:
        return
    known = store.stored(con, groups)
    changed: list[Listing] = []
    spans: dict[str, list[CoveredSpan]] = {}
    for key in dict.fromkeys((*groups, *known.waiting)):
        if key in known.done:
            continue
        new = groups.get(key, [])
        again = {page.purchase_id for page in new}
        kept = [page for page in known.pages.get(key, ()) if page.purchase_id not in again]
        kept += (Kept(page.purchase_id, seen(con, page, changed), page.alone) for page in new)
        listing = _listing(con, key, kept)
        if not new and listing.state == ENDED:
            continue
        changed.append(listing)
        if listing.state == DONE:
            spans.setdefault(listing.dataset, []).extend(listing.found.spans)
    store.forget(con, [own for own in changed if (own.dataset, own.group_id) in known.begun])
    store.keep(con, changed)
    forget_old(con, {own.dataset for own in changed})
    for name, own in spans.items():
        keep(con, name, own)


def _grouped(pages: Sequence[Page]) -> dict[GroupId, list[Page]]:
    groups: dict[GroupId, list[Page]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        if page.answered is not None:
            groups.setdefault((page.answered.group.dataset, page.answered.group.id), []).append(page)
    return groups


def _listing(con: duckdb.DuckDBPyConnection, key: GroupId, kept: Sequence[Kept]) -> Listing:
    """What all pages of a group tell, those of before and those of now."""
    pages = _canonical(kept)
    answers = [page.answer for page in pages]
    found = pages[0].alone if len(pages) == 1 else None
    if found is None:
        dataset = registry.dataset(key[0])
        found = rules.cover(dataset, answers)
        if found.possibly_hidden:
            found = rules.cover(dataset, answers, _rows_of(con, dataset, found.possibly_hidden))
        if not rules.unbroken(answers):
            found = replace(found, open_group=OpenGroup(answers[0].group, ()))
    rows, last = sum(answer.rows for answer in answers), max(answer.received_at for answer in answers)
    return Listing(*key, tuple(kept), found, rows, last)


def _rows_of(con: duckdb.DuckDBPyConnection, dataset: Dataset, cells: Sequence[Cell]) -> set[Cell]:
    """Those of the cells that have a row, whichever answer of the dataset brought it."""
    import pyarrow as pa

    columns = {"key": pa.array([key for key, _ in cells], pa.string()), "slot": pa.array([slot for _, slot in cells])}
    con.register("uncertain", pa.table(columns))
    key = f'"{dataset.key_column}"::VARCHAR' if dataset.key_column else "'*'"
    found = con.execute(
        f"""SELECT key, slot FROM uncertain SEMI JOIN (
                SELECT {key} AS key, epoch("{dataset.time_column}")::BIGINT // ? AS slot
                FROM "{tables()[dataset.table].observations}" WHERE dataset = ?) USING (key, slot)""",
        [dataset.grain, dataset.name],
    ).fetchall()
    return set(found)


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


def keep(con: duckdb.DuckDBPyConnection, name: str, spans: Sequence[CoveredSpan]) -> None:
    """Bring spans together with those the same keys had."""
    by_key: dict[str, list[CoveredSpan]] = {}
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


def flattened(spans: Sequence[CoveredSpan]) -> list[CoveredSpan]:
    """Spans of one key, each slot once: settled where any says so, else in the latest bucket. One form per content."""
    layers: dict[tuple[bool, int], list[Span]] = {}
    for span in spans:
        layers.setdefault((span.settled, 0 if span.settled else span.bucket), []).append((span.first, span.last))
    out: list[CoveredSpan] = []
    taken: list[Span] = []
    for (settled, bucket), own in sorted(layers.items(), reverse=True):
        for first, last in merged(own):
            out += (CoveredSpan(spans[0].key, a, b, bucket, settled) for a, b in gaps(taken, first, last))
        taken += own
    return out


def _spans(con: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[CoveredSpan]:
    return [CoveredSpan(*row) for row in con.execute(query, values).fetchall()]


def held(
    con: duckdb.DuckDBPyConnection, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime
) -> HeldCells:
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
    return rules.held_cells(dataset, spans, at, _open_groups(con, dataset, now), _listing_rows(con, dataset))


def beginnings(con: duckdb.DuckDBPyConnection, dataset: Dataset, keys: Iterable[str]) -> dict[str, int]:
    """The slot of a key's first row, where the slot before it was answered for good: without one."""
    import pyarrow as pa

    key = f'"{dataset.key_column}"::VARCHAR' if dataset.key_column else "'*'"
    wanted = list(dict.fromkeys(keys)) if dataset.key_column else ["*"]
    con.register("wanted", pa.table({"key": pa.array(wanted, pa.string())}))
    rows = con.execute(
        f"""WITH began AS (
                SELECT {key} AS key, min(epoch("{dataset.time_column}"))::BIGINT // ? AS first
                FROM "{dataset.table}" GROUP BY 1)
            SELECT DISTINCT key, began.first FROM began SEMI JOIN wanted USING (key) JOIN coverage c USING (key)
            WHERE c.dataset = ? AND c.settled AND began.first - 1 BETWEEN c.first AND c.last""",
        [dataset.grain, dataset.name],
    ).fetchall()
    return dict(rows)


def _open_groups(con: duckdb.DuckDBPyConnection, dataset: Dataset, now: int) -> list[OpenGroup]:
    rows = con.execute(
        """SELECT context, pages, state FROM coverage_groups
           WHERE dataset = ? AND state <> ? AND len(pages) > 0 AND (edition = ? OR bucket >= ?) ORDER BY group_id""",
        [dataset.name, DONE, FINAL, now],
    ).fetchall()
    return [OpenGroup(group_of(json.loads(context)), tuple(pages), state == ENDED) for context, pages, state in rows]


def _listing_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset) -> int | None:
    row = con.execute(
        """SELECT rows FROM coverage_groups WHERE dataset = ? AND state <> ? AND NOT ends_with(edition, ?)
           ORDER BY completed_at DESC, group_id LIMIT 1""",
        [dataset.name, OPEN, AGAIN],
    ).fetchall()
    return row[0][0] if row else None
