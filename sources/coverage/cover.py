"""What an answer tells: which cells are known, for how long, and what has to be asked again. Pure.

The warehouse keeps an `Answered` per delivery and asks `cover` about each group of them. A span that is `settled`
is known for good; any other is known for the freshness bucket it was asked in, and due again in the next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sources.coverage.answered import Answered, Cell
from sources.coverage.shifted_pages import doubtful, newest_first, shifted
from sources.model import Dataset, Kind
from sources.planner.grid import Span, merged
from sources.planner.held import Held, OpenGroup
from sources.slots import FINAL, last_closed, last_settled, slot


@dataclass(frozen=True, slots=True)
class Covered:
    """A key's slots that need not be asked for: `settled` for good, or else by runs up to freshness `bucket`."""

    key: str
    first: int
    last: int
    bucket: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a group's pages tell. `going_on` is the group while pages of it, or cells in it, are still unknown."""

    spans: tuple[Covered, ...]
    going_on: OpenGroup | None = None
    uncertain: tuple[Cell, ...] = ()

    @property
    def complete(self) -> bool:
        return self.going_on is None


def holds(dataset: Dataset, span: Covered, at: datetime) -> bool:
    """The span need not be bought by a run scheduled for `at`."""
    return span.settled or span.bucket >= slot(dataset, at)


def held(
    dataset: Dataset,
    spans: Iterable[Covered],
    at: datetime,
    open_groups: Iterable[OpenGroup] = (),
    listing_rows: int | None = None,
) -> Held:
    """What the planner is told: spans that hold at `at`, joined per key, and the groups that go on."""
    by_key: dict[str, list[Span]] = {}
    for span in spans:
        if holds(dataset, span, at):
            by_key.setdefault(span.key, []).append((span.first, span.last))
    return Held({key: merged(own) for key, own in by_key.items()}, tuple(open_groups), listing_rows)


def cover(dataset: Dataset, answers: Sequence[Answered], elsewhere: Set[Cell] = frozenset()) -> Coverage:
    """What all pages held of one group tell together. `elsewhere` are cells with a row that other groups brought."""
    pages = unbroken(answers)
    if not pages:
        return Coverage(())
    if dataset.kind is not Kind.SERIES:
        return _listing(dataset, pages)
    return _window(dataset, pages, elsewhere) if dataset.window else _scroll(dataset, pages, elsewhere)


def unbroken(answers: Sequence[Answered]) -> list[Answered]:
    """Pages from the first on without a hole; of a page delivered twice, the later answer."""
    latest = {answer.page: answer for answer in sorted(answers, key=lambda answer: answer.received_at)}
    pages: list[Answered] = []
    while answers and (page := answers[0].group.first_page + len(pages)) in latest:
        pages.append(latest[page])
    return pages


def ended(dataset: Dataset, pages: Sequence[Answered]) -> bool:
    """Nothing more can follow: a short page, every row seen, depth reached, or an answer that nobody can read."""
    group, last, paging = pages[0].group, pages[-1], dataset.paging
    if paging is None or group.limit is None or last.rows < group.limit or not last.readable:
        return True
    if paging.newest_first and last.known:
        return True
    if paging.depth is not None and len(pages) >= paging.depth:
        return True
    if dataset.kind is Kind.SERIES and dataset.window is None:
        return False
    return group.rows is not None and _seen(dataset, pages) >= group.rows


def _seen(dataset: Dataset, pages: Sequence[Answered]) -> int:
    """Rows of the group, each counted once: a page that shifted repeats some. A snapshot's rows may bear an older
    date, and of a key that comes with several only one was counted on."""
    if dataset.rows_per_cell is None:
        return sum(page.rows for page in pages)
    group, wanted = pages[0].group, set(pages[0].group.keys)
    cells = [cell for page in pages for cell in page.cells if cell[0] in wanted]
    if dataset.kind is Kind.SERIES:
        own = len({cell for cell in cells if group.first <= cell[1] <= group.last})
    else:
        own = len({key for key, _ in cells})
    return sum(page.rows - len(page.cells) for page in pages) + own


def _going_on(pages: Sequence[Answered], ended: bool = False) -> OpenGroup:
    return OpenGroup(pages[0].group, tuple(page.page for page in pages), ended)


def _bucket(dataset: Dataset, pages: Sequence[Answered]) -> int:
    """How fresh the pages are: the bucket they were asked in, or the later one in which the first arrived."""
    return max(pages[0].group.bucket, slot(dataset, min(page.received_at for page in pages)))


def _listing(dataset: Dataset, pages: Sequence[Answered]) -> Coverage:
    """A snapshot tells of the slot in which its first page arrived, whichever it was asked for. Where rows moved down
    while it was read, one may have moved up unseen: it is asked for once more, as far down as it shifted."""
    if not ended(dataset, pages):
        return Coverage((), _going_on(pages))
    grows = dataset.paging is not None and dataset.paging.newest_first
    shift = None if grows or pages[0].group.again else shifted(pages)
    if shift:
        return Coverage((), _going_on(pages[: shift.pages], ended=True))
    seen = slot(dataset, pages[0].received_at)
    return Coverage(tuple(Covered(key, seen, seen, seen, True) for key in pages[0].group.keys))


def _scroll(dataset: Dataset, pages: Sequence[Answered], elsewhere: Set[Cell]) -> Coverage:
    """An undated listing read from its newest row: each key is known back to the oldest row seen of it, and all keys
    are where rows come in order, also a key that has none."""
    group, over = pages[0].group, ended(dataset, pages)
    present, times = _present(pages), _times(dataset, pages)
    oldest = pages[-1].cells[-1:] if newest_first(pages) else ()
    passed = oldest[0][1] + 1 if oldest else group.last + 1
    starts = {key: min((*present.get(key, ()), passed)) for key in group.keys}
    if over:
        starts = dict.fromkeys(group.keys, group.first)
    reached = all(start <= group.first for start in starts.values())
    doubts = doubtful(group, pages, present, elsewhere) if reached else set()
    spans: list[Covered] = []
    for key, start in starts.items():
        slots = [n for n in range(max(group.first, start), group.last + 1) if (key, n) not in doubts]
        spans += _spans(times, key, present.get(key, set()), slots)
    return _judged(pages, spans, doubts, reached)


def _window(dataset: Dataset, pages: Sequence[Answered], elsewhere: Set[Cell]) -> Coverage:
    """A window's cells: those with a row are known, those without once all pages are held and fit together."""
    group, over = pages[0].group, ended(dataset, pages)
    present, times = _present(pages), _times(dataset, pages)
    doubts = doubtful(group, pages, present, elsewhere) if over else set()
    if over and not doubts and group.last <= min(times.moved, times.missed):
        return Coverage(tuple(Covered(key, group.first, group.last, times.bucket, True) for key in group.keys))
    spans: list[Covered] = []
    for key in group.keys:
        own = present.get(key, set())
        slots = [number for number in range(group.first, group.last + 1) if over or number in own]
        spans += _spans(times, key, own, [number for number in slots if (key, number) not in doubts])
    return _judged(pages, spans, doubts, over)


def _judged(pages: Sequence[Answered], spans: Iterable[Covered], doubts: Iterable[Cell], over: bool) -> Coverage:
    """Complete where all pages are held and raise no doubt."""
    uncertain = tuple(sorted(doubts))
    return Coverage(tuple(spans), _going_on(pages, ended=over) if uncertain or not over else None, uncertain)


def _present(pages: Sequence[Answered]) -> dict[str, set[int]]:
    present: dict[str, set[int]] = {}
    for page in pages:
        for key, number in page.cells:
            present.setdefault(key, set()).add(number)
    return present


@dataclass(frozen=True, slots=True)
class _Times:
    """How fresh some pages are: their bucket, and up to which slot a row, or the lack of one, will stay."""

    bucket: int
    moved: int
    missed: int


def _times(dataset: Dataset, pages: Sequence[Answered]) -> _Times:
    """What was answered in words that can't be asked again is settled, too."""
    when, bucket = min(page.received_at for page in pages), _bucket(dataset, pages)
    if pages[0].group.edition == FINAL:
        return _Times(bucket, sys.maxsize, sys.maxsize)
    return _Times(bucket, last_settled(dataset, when), last_closed(dataset, when))


def _spans(times: _Times, key: str, present: set[int], slots: Sequence[int]) -> list[Covered]:
    """Known slots of a key, in order, as spans."""
    runs: list[tuple[int, int, bool]] = []
    for number in slots:
        settled = number <= (times.moved if number in present else times.missed)
        if runs and runs[-1][1] == number - 1 and runs[-1][2] == settled:
            runs[-1] = runs[-1][0], number, settled
        else:
            runs.append((number, number, settled))
    return [Covered(key, first, last, times.bucket, settled) for first, last, settled in runs]
