"""Detect pages that a seller cut off below the size that was asked for. Pure.

A short page ends a listing, unless the seller says that there are more rows, or the page has the looks of a smaller
page size: the rows that lack are all behind its last one, or their number is one that page sizes have.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset, Kind

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
