"""The rules of coverage: which cells the pages of a group settle, and what has to be asked again. Pure.

The warehouse keeps a `DeliveredPage` per delivery and calls `cover` with all pages of one group. A span that is
`settled` is held for good. Any other is held for the freshness bucket it was bought in, and due again in the next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sources.coverage.delivered_page import Cell, DeliveredPage
from sources.coverage.shifted_pages import find_shift, is_newest_first, possibly_hidden
from sources.model import Dataset, Kind
from sources.planner.grid import Span, merged
from sources.planner.held import HeldCells, OpenGroup
from sources.slots import FINAL, last_closed, last_settled, slot


@dataclass(frozen=True, slots=True)
class CoveredSpan:
    """Slots first…last of a key that need not be bought: for good if `settled`, else by runs up to `bucket`."""

    key: str
    first: int
    last: int
    bucket: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The cells that a group's pages cover.

    `open_group` is the group while more of its pages are due, or cells in it are still unknown. `possibly_hidden` are
    cells without a row that a shift between two pages may have hidden.
    """

    spans: tuple[CoveredSpan, ...]
    open_group: OpenGroup | None = None
    possibly_hidden: tuple[Cell, ...] = ()

    @property
    def complete(self) -> bool:
        return self.open_group is None


def is_held(dataset: Dataset, span: CoveredSpan, at: datetime) -> bool:
    """Tell whether a run scheduled for `at` need not buy the span."""
    return span.settled or span.bucket >= slot(dataset, at)


def held_cells(
    dataset: Dataset,
    spans: Iterable[CoveredSpan],
    at: datetime,
    open_groups: Iterable[OpenGroup] = (),
    listing_rows: int | None = None,
) -> HeldCells:
    """The planner's input: spans that are held at `at`, joined per key, and the groups that are still open."""
    by_key: dict[str, list[Span]] = {}
    for span in spans:
        if is_held(dataset, span, at):
            by_key.setdefault(span.key, []).append((span.first, span.last))
    return HeldCells({key: merged(slots) for key, slots in by_key.items()}, tuple(open_groups), listing_rows)


def cover(dataset: Dataset, delivered: Sequence[DeliveredPage], elsewhere: Set[Cell] = frozenset()) -> Coverage:
    """Return the cells that all delivered pages of one group cover together. Other groups have rows of `elsewhere`."""
    pages = unbroken(delivered)
    if not pages:
        return Coverage(())
    if dataset.kind is not Kind.SERIES:
        return _cover_snapshot(dataset, pages)
    if dataset.window is None:
        return _cover_listing(dataset, pages, elsewhere)
    return _cover_window(dataset, pages, elsewhere)


def unbroken(delivered: Sequence[DeliveredPage]) -> list[DeliveredPage]:
    """Pages from the first on, up to the first gap. Of a page that was delivered twice, the later delivery."""
    latest = {page.page: page for page in sorted(delivered, key=lambda page: page.received_at)}
    pages: list[DeliveredPage] = []
    while delivered and (number := delivered[0].group.first_page + len(pages)) in latest:
        pages.append(latest[number])
    return pages


def ended(dataset: Dataset, pages: Sequence[DeliveredPage]) -> bool:
    """Tell whether no page can follow: a short or unreadable page, all rows seen, or the depth limit reached."""
    group, last, paging = pages[0].group, pages[-1], dataset.paging
    if paging is None or group.limit is None or last.rows < group.limit or not last.readable:
        return True
    if paging.newest_first and last.known:
        return True
    if paging.depth is not None and len(pages) >= paging.depth:
        return True
    if dataset.kind is Kind.SERIES and dataset.window is None:
        return False
    return group.rows is not None and _rows_seen(dataset, pages) >= group.rows


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


def _open(pages: Sequence[DeliveredPage], ended: bool = False) -> OpenGroup:
    return OpenGroup(pages[0].group, tuple(page.page for page in pages), ended)


def _bucket(dataset: Dataset, pages: Sequence[DeliveredPage]) -> int:
    """The freshness bucket of the pages: the one they were bought in, or the later one in which the first arrived."""
    return max(pages[0].group.bucket, slot(dataset, min(page.received_at for page in pages)))


def _cover_snapshot(dataset: Dataset, pages: Sequence[DeliveredPage]) -> Coverage:
    """A snapshot covers the slot in which its first page arrived, whichever slot it was bought for.

    Where rows moved down between two pages, a row may have moved up unseen: the listing is read once more, as far
    down as it shifted.
    """
    if not ended(dataset, pages):
        return Coverage((), _open(pages))
    grows_at_top = dataset.paging is not None and dataset.paging.newest_first
    shift = None if grows_at_top or pages[0].group.again else find_shift(pages)
    if shift:
        return Coverage((), _open(pages[: shift.pages], ended=True))
    arrived = slot(dataset, pages[0].received_at)
    return Coverage(tuple(CoveredSpan(key, arrived, arrived, arrived, True) for key in pages[0].group.keys))


def _cover_listing(dataset: Dataset, pages: Sequence[DeliveredPage], elsewhere: Set[Cell]) -> Coverage:
    """A listing without dates, read from its newest row: each key is covered back to the oldest row seen of it.

    Where rows come newest first, every key is covered down to the last row read, also a key without rows.
    """
    group, complete = pages[0].group, ended(dataset, pages)
    present, settling = _slots_by_key(pages), _settling(dataset, pages)
    oldest = pages[-1].cells[-1:] if is_newest_first(pages) else ()
    passed = oldest[0][1] + 1 if oldest else group.last + 1
    starts = {key: min((*present.get(key, ()), passed)) for key in group.keys}
    if complete:
        starts = dict.fromkeys(group.keys, group.first)
    deep_enough = all(start <= group.first for start in starts.values())
    hidden = possibly_hidden(group, pages, present, elsewhere) if deep_enough else set()
    spans: list[CoveredSpan] = []
    for key, start in starts.items():
        slots = [n for n in range(max(group.first, start), group.last + 1) if (key, n) not in hidden]
        spans += _spans(settling, key, present.get(key, set()), slots)
    return _coverage(pages, spans, hidden, deep_enough)


def _cover_window(dataset: Dataset, pages: Sequence[DeliveredPage], elsewhere: Set[Cell]) -> Coverage:
    """A window covers its cells with a row, and those without once all pages are delivered and none shifted."""
    group, complete = pages[0].group, ended(dataset, pages)
    present, settling = _slots_by_key(pages), _settling(dataset, pages)
    hidden = possibly_hidden(group, pages, present, elsewhere) if complete else set()
    if complete and not hidden and group.last <= min(settling.rows_until, settling.absence_until):
        whole = (CoveredSpan(key, group.first, group.last, settling.bucket, True) for key in group.keys)
        return Coverage(tuple(whole))
    spans: list[CoveredSpan] = []
    for key in group.keys:
        with_row = present.get(key, set())
        slots = [number for number in range(group.first, group.last + 1) if complete or number in with_row]
        spans += _spans(settling, key, with_row, [number for number in slots if (key, number) not in hidden])
    return _coverage(pages, spans, hidden, complete)


def _coverage(
    pages: Sequence[DeliveredPage], spans: Iterable[CoveredSpan], hidden: Iterable[Cell], complete: bool
) -> Coverage:
    """The group stays open until all its pages are delivered and no cell in it may be hidden."""
    cells = tuple(sorted(hidden))
    return Coverage(tuple(spans), _open(pages, ended=complete) if cells or not complete else None, cells)


def _slots_by_key(pages: Sequence[DeliveredPage]) -> dict[str, set[int]]:
    present: dict[str, set[int]] = {}
    for page in pages:
        for key, number in page.cells:
            present.setdefault(key, set()).add(number)
    return present


@dataclass(frozen=True, slots=True)
class _Settling:
    """The validity of pages: their bucket, and up to which slot a row, or its absence, has settled."""

    bucket: int
    rows_until: int
    absence_until: int


def _settling(dataset: Dataset, pages: Sequence[DeliveredPage]) -> _Settling:
    """Settled slots of the pages. A `final` request can't be bought again, so all of its answer counts as settled."""
    when, bucket = min(page.received_at for page in pages), _bucket(dataset, pages)
    if pages[0].group.edition == FINAL:
        return _Settling(bucket, sys.maxsize, sys.maxsize)
    return _Settling(bucket, last_settled(dataset, when), last_closed(dataset, when))


def _spans(settling: _Settling, key: str, with_row: set[int], slots: Sequence[int]) -> list[CoveredSpan]:
    """A key's covered slots, given in order, as spans of equal settling."""
    runs: list[tuple[int, int, bool]] = []
    for number in slots:
        settled = number <= (settling.rows_until if number in with_row else settling.absence_until)
        if runs and runs[-1][1] == number - 1 and runs[-1][2] == settled:
            runs[-1] = runs[-1][0], number, settled
        else:
            runs.append((number, number, settled))
    return [CoveredSpan(key, first, last, settling.bucket, settled) for first, last, settled in runs]
