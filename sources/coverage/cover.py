"""The rules of coverage: which cells the pages of a group settle, and what has to be asked again. Pure.

The warehouse keeps a `DeliveredPage` per delivery and calls `cover` with all pages of one group. Coverage follows rows,
not questions: a cell is held where its row was delivered. A row that had settled is held for good; any other for the
freshness bucket it was bought in, and due again in the next. What was asked for and not delivered is a fact of its own,
an `AbsentSpan`, judged with all others of its key.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sources.coverage.absences import ENDLESS, AbsentSpan, KeyAbsences, key_absences
from sources.coverage.cell_state import Ask
from sources.coverage.delivered_page import Cell, DeliveredPage, ended, proved_page_size, unbroken
from sources.coverage.shifted_pages import find_shift, is_newest_first, possibly_hidden
from sources.model import Dataset, Kind
from sources.planner.held import Absence, AbsentCells, HeldCells, OpenGroup, Span, merged
from sources.slots import FINAL, last_settled, slot, unix


@dataclass(frozen=True, slots=True)
class CoveredSpan:
    """Slots first…last of a key whose rows were delivered: held for good if `settled`, else by runs up to `bucket`."""

    key: str
    first: int
    last: int
    bucket: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The cells that a group's pages cover, and those that they should have had and lack (`absent`).

    `open_group` is the group while more of its pages are due, or cells in it are still unknown. `possibly_hidden` are
    cells without a row that a shift between two pages may have hidden. `page_rows` is the size of the seller's pages,
    where they proved to be smaller than asked for.
    """

    spans: tuple[CoveredSpan, ...]
    open_group: OpenGroup | None = None
    possibly_hidden: tuple[Cell, ...] = ()
    absent: tuple[AbsentSpan, ...] = ()
    page_rows: int | None = None

    @property
    def complete(self) -> bool:
        return self.open_group is None


def _held_parts(dataset: Dataset, span: CoveredSpan, current: int) -> tuple[Span, ...]:
    """The slots of the span that need not be bought in the bucket `current`: rows that may have been restated since are
    looked at again once the declared pause is over, the last time when they can't change any more."""
    if not span.settled and span.bucket < current:
        return ()
    look_again = dataset.restated_for and dataset.look_again and span.bucket + dataset.look_again <= current
    until = span.bucket - dataset.restated_for if look_again else span.last
    return ((span.first, min(span.last, until)),) if until >= span.first else ()


def held_cells(
    dataset: Dataset,
    spans: Iterable[CoveredSpan],
    at: datetime,
    open_groups: Iterable[OpenGroup] = (),
    listing_rows: int | None = None,
    absences: Mapping[str, KeyAbsences] | None = None,
    page_rows: int | None = None,
) -> HeldCells:
    """The planner's input for a run at `at`: cells that need not be bought, and groups that are still open.

    `absences` are those of every key that lacks a cell, by `absences_of`.
    """
    current = slot(dataset, at)
    by_key: dict[str, list[CoveredSpan]] = {}
    for span in spans:
        by_key.setdefault(span.key, []).append(span)
    held = {key: [part for span in own for part in _held_parts(dataset, span, current)] for key, own in by_key.items()}
    known = {key: list(slots) for key, slots in held.items()}
    absent: dict[str, tuple[AbsentCells, ...]] = {}
    for key, found in (absences or {}).items():
        absent[key] = found.cells
        held.setdefault(key, []).extend((cell.first, cell.last) for cell in found.cells if cell.due > current)
        if dataset.kind is Kind.SERIES:
            empty = [(cell.first, cell.last) for cell in found.cells if cell.absence is Absence.EMPTY]
            known.setdefault(key, []).extend(empty)
        if found.resting and found.resting.due > current:
            held[key].append((found.resting.first, ENDLESS))
    return HeldCells(
        {key: merged(slots) for key, slots in held.items() if slots},
        tuple(open_groups),
        listing_rows,
        {key: merged(slots) for key, slots in known.items() if slots},
        absent,
        page_rows,
    )


def absences_of(
    dataset: Dataset, facts: Sequence[AbsentSpan], spans: Sequence[CoveredSpan], elsewhere: Span | None = None
) -> KeyAbsences:
    """Judge the absent cells of one key by all its facts and all its rows; `elsewhere` is its first and last slot with
    a row of another dataset of the table. A row that had not settled doesn't end the question."""
    edges = [edge for span in spans for edge in (span.first, span.last)] + list(elsewhere or ())
    settled = [(span.first, span.last) for span in spans if span.settled]
    return key_absences(dataset, facts, settled, (min(edges), max(edges)) if edges else None)


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
    arrived, ask = slot(dataset, pages[0].received_at), _ask(dataset, pages)
    present = _keys_present(dataset, pages)
    return Coverage(
        tuple(CoveredSpan(key, arrived, arrived, arrived, True) for key in pages[0].group.keys if key in present),
        absent=tuple(AbsentSpan(key, arrived, arrived, ask) for key in pages[0].group.keys if key not in present),
        page_rows=proved_page_size(pages),
    )


def _keys_present(dataset: Dataset, pages: Sequence[DeliveredPage]) -> Set[str]:
    """The keys that have a row. Rows that don't say whose they are, such as those of one listing of everything, are of
    all keys that were asked for."""
    if dataset.rows_per_cell is not None and dataset.key_column is not None:
        return {key for page in pages for key, _ in page.cells}
    return set(pages[0].group.keys) if any(page.cells for page in pages) else set()


def _cover_listing(dataset: Dataset, pages: Sequence[DeliveredPage], elsewhere: Set[Cell]) -> Coverage:
    """A listing without dates, read from its newest row: each key is covered back to the oldest row seen of it.

    Where rows come newest first, every key is covered down to the last row read, also a key without rows.
    """
    group, complete = pages[0].group, ended(dataset, pages)
    present = _slots_by_key(pages)
    oldest = pages[-1].cells[-1:] if is_newest_first(pages) else ()
    passed = oldest[0][1] + 1 if oldest else group.last + 1
    starts = {key: min((*present.get(key, ()), passed)) for key in group.keys}
    if complete:
        starts = dict.fromkeys(group.keys, group.first)
    deep_enough = all(start <= group.first for start in starts.values())
    hidden = possibly_hidden(group, pages, present, elsewhere) if deep_enough else set()
    answer = _Answer(dataset, pages, hidden)
    for key, start in starts.items():
        answer.add(key, present.get(key, set()), max(group.first, start), group.last)
    return answer.coverage(deep_enough)


def _cover_window(dataset: Dataset, pages: Sequence[DeliveredPage], elsewhere: Set[Cell]) -> Coverage:
    """A window covers its cells with a row; those without are absent once all pages are delivered and none shifted."""
    group, complete = pages[0].group, ended(dataset, pages)
    present = _slots_by_key(pages)
    hidden = possibly_hidden(group, pages, present, elsewhere) if complete else set()
    answer = _Answer(dataset, pages, hidden)
    for key in group.keys:
        answer.add(key, present.get(key, set()), group.first, group.last, rows_only=not complete)
    return answer.coverage(complete)


def _slots_by_key(pages: Sequence[DeliveredPage]) -> dict[str, set[int]]:
    present: defaultdict[str, set[int]] = defaultdict(set)
    for page in pages:
        for key, number in page.cells:
            present[key].add(number)
    return present


def _ask(dataset: Dataset, pages: Sequence[DeliveredPage]) -> Ask:
    """The answer of these pages, as a fact about cells that they lack."""
    failed = not all(page.readable for page in pages)
    return Ask(_bucket(dataset, pages), unix(min(page.received_at for page in pages)), failed)


class _Answer:
    """Collects the covered and the absent spans of a group's pages, key by key. `hidden` cells are neither."""

    def __init__(self, dataset: Dataset, pages: Sequence[DeliveredPage], hidden: Set[Cell]) -> None:
        self.pages, self.hidden = pages, hidden
        self.ask, self.bucket = _ask(dataset, pages), _bucket(dataset, pages)
        # Of a `final` request all rows had settled: it can't be bought again.
        final, received_at = pages[0].group.edition == FINAL, min(page.received_at for page in pages)
        self.settled_until = sys.maxsize if final else last_settled(dataset, received_at)
        self.spans: list[CoveredSpan] = []
        self.absent: list[AbsentSpan] = []

    def add(self, key: str, with_row: Set[int], first: int, last: int, *, rows_only: bool = False) -> None:
        """Add slots first…last of a key. `rows_only`: pages are still to come that may have the others."""
        full = 0 < len(with_row) == last - first + 1 and (min(with_row), max(with_row)) == (first, last)
        inside = () if full else sorted(number for number in with_row if first <= number <= last)
        for start, end in [(first, last)] if full else _runs(inside):
            middle = min(end, max(start - 1, self.settled_until))
            self.spans += [CoveredSpan(key, start, middle, self.bucket, True)] if middle >= start else []
            self.spans += [CoveredSpan(key, middle + 1, end, self.bucket, False)] if middle < end else []
        if not rows_only and not full:
            left = [n for n in range(first, last + 1) if n not in with_row and (key, n) not in self.hidden]
            self.absent += [AbsentSpan(key, start, end, self.ask) for start, end in _runs(left)]

    def coverage(self, complete: bool) -> Coverage:
        """The group stays open until all its pages are delivered and no cell in it may be hidden."""
        cells = tuple(sorted(self.hidden))
        opened = _open(self.pages, ended=complete) if cells or not complete else None
        return Coverage(tuple(self.spans), opened, cells, tuple(self.absent), proved_page_size(self.pages))


def _runs(numbers: Iterable[int]) -> list[Span]:
    """Slots, given in order, as spans without gaps."""
    runs: list[Span] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs
