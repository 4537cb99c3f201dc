"""The delivered pages of a group: which cells their rows belong to, and where their listing ends. Pure.

A short page ends a listing, unless the seller says that there are more rows, or the page has the looks of a smaller
page size: the rows that lack are all behind its last one, or their number is one that page sizes have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sources.model import Dataset, Kind
from sources.parse.rows import ParsedBody, identities
from sources.planner.pieces import Group, group_of

Cell = tuple[str, int]
"""Key and slot."""


@dataclass(frozen=True, slots=True)
class DeliveredPage:
    """One page of a group, as delivered.

    `rows` counts every row of the body. `cells` holds the (key, slot) of each readable row, in the body's order; for
    a listing that may have any number of rows per key, each row's natural key instead. `known` (only for listings
    that grow at the top): a complete listing was held before, and this page's last row was in it. `readable` is False
    for a failed or malformed answer. `stated` is how many rows the answer says there are, None where it doesn't.
    """

    group: Group
    page: int
    received_at: datetime
    rows: int
    cells: tuple[Cell, ...]
    known: bool = False
    readable: bool = True
    stated: int | None = None


def delivered_page(
    dataset: Dataset, context: Mapping[str, Any], received_at: datetime, parsed: ParsedBody, stated: int | None = None
) -> DeliveredPage:
    """Build the record of a delivery from its purchase's context (`Piece.context`) and its parsed body.

    Raises KeyError for a context that lacks a field.
    """
    counts_cells = dataset.kind is Kind.SERIES or dataset.rows_per_cell
    cells = parsed.cells(dataset) if counts_cells else identities(dataset, parsed.table)
    readable = parsed.envelope == "ok"
    group, rows = group_of(context), parsed.rows_in_body
    return DeliveredPage(group, context["page"], received_at, rows, cells, False, readable, stated)


PAGE_SIZES = frozenset({10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100, 125, 150, 200, 250, 300, 400, 500, 1000})
"""Sizes that sellers give their pages."""

SMALLEST = 25
"""The smallest page size that is suspected where nobody knows how many rows there are."""


def reads_on(dataset: Dataset, pages: Sequence[DeliveredPage]) -> bool:
    """Tell whether the last of a group's pages, in order from the first, is short and yet not the end."""
    last = pages[-1]
    if last.group.limit is None or last.rows >= last.group.limit or not last.rows or not last.readable:
        return False
    if last.stated is not None and last.stated > max(last.rows, 0):
        return last.stated > sum(page.rows for page in pages)
    return len(pages) == 1 and _looks_cut(dataset, last)


def page_size(pages: Sequence[DeliveredPage]) -> int:
    """Rows of a full page: what was asked for, or what the first page had where a second one was asked for after it."""
    limit = pages[0].group.limit or 0
    first = pages[0].rows
    return first if len(pages) > 1 and 0 < first < limit else limit


def proved_page_size(pages: Sequence[DeliveredPage]) -> int | None:
    """The size of the seller's pages where a short page was followed by more rows; None where none was."""
    limit = pages[0].group.limit
    if limit is None or len(pages) < 2 or not 0 < pages[0].rows < limit or not pages[1].rows:
        return None
    return pages[0].rows


def _looks_cut(dataset: Dataset, page: DeliveredPage) -> bool:
    expected = page.group.rows
    if expected is None:
        return page.rows in PAGE_SIZES and page.rows >= SMALLEST
    if page.rows >= expected:
        return False
    if dataset.kind is not Kind.SERIES:
        return page.rows in PAGE_SIZES
    return _ends_early(page) and (len(page.group.keys) > 1 or page.rows in PAGE_SIZES)


def _ends_early(page: DeliveredPage) -> bool:
    """Tell whether the page, newest rows first, has a row of every wanted cell before its last one."""
    if not page.cells or any(later > earlier for (_, earlier), (_, later) in pairwise(page.cells)):
        return False
    oldest = page.cells[-1][1]
    newer = {cell for cell in page.cells if cell[1] > oldest}
    wanted = len(page.group.keys) * (page.group.last - oldest)
    return len(newer) == wanted and oldest >= page.group.first and len(page.cells) == page.rows


def unbroken(delivered: Sequence[DeliveredPage]) -> list[DeliveredPage]:
    """Pages from the first on, up to the first gap. Of a page that was delivered twice, the later delivery."""
    latest = {page.page: page for page in sorted(delivered, key=lambda page: page.received_at)}
    pages: list[DeliveredPage] = []
    while delivered and (number := delivered[0].group.first_page + len(pages)) in latest:
        pages.append(latest[number])
    return pages


def ended(dataset: Dataset, pages: Sequence[DeliveredPage]) -> bool:
    """Tell whether no page can follow: a short or unreadable page, all rows seen, or the depth limit reached.

    A short page that the seller seems to have cut off is not the last.
    """
    group, last, paging = pages[0].group, pages[-1], dataset.paging
    if paging is None or group.limit is None or not last.readable:
        return True
    if paging.newest_first and last.known:
        return True
    if paging.depth is not None and len(pages) >= paging.depth:
        return True
    if reads_on(dataset, pages):
        return False
    if last.rows < page_size(pages):
        return True
    if dataset.kind is Kind.SERIES and dataset.window is None:
        return False
    return group.rows is not None and _rows_seen(dataset, pages) >= group.rows


def is_short(pages: Sequence[DeliveredPage], dataset: Dataset) -> bool:
    """Tell whether the last of these pages ends its listing by having too few rows."""
    limit = pages[0].group.limit
    return limit is not None and pages[-1].rows < page_size(pages) and not reads_on(dataset, pages)


def _rows_seen(dataset: Dataset, pages: Sequence[DeliveredPage]) -> int:
    """Rows of the group, each counted once: pages that shifted repeat rows.

    A snapshot's rows may carry an older date, and where a key has several, the group's count expected one: they count
    by key.
    """
    if dataset.rows_per_cell is None:
        return sum(page.rows for page in pages)
    group, wanted = pages[0].group, set(pages[0].group.keys)
    cells = [cell for page in pages for cell in page.cells if cell[0] in wanted]
    if dataset.kind is Kind.SERIES:
        distinct = len({cell for cell in cells if group.first <= cell[1] <= group.last})
    else:
        distinct = len({key for key, _ in cells})
    return sum(page.rows - len(page.cells) for page in pages) + distinct
