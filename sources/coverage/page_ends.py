"""Tell where a group of pages ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sources.coverage.cut_pages import page_size, reads_on
from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset, Kind


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
