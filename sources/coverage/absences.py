"""The absent cells of one key: their state, whether its rows begin or end there, and when they are asked for. Pure.

Days before a key's first row, or after its last, are not asked for one by one: the one that is nearest to the rows is,
and what is further away follows it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sources.coverage.cell_state import (
    NEVER,
    Ask,
    CellState,
    Place,
    cell_state,
    closed_until,
    expected_until,
    is_closed,
    pause,
    spaced,
)
from sources.model import Dataset, Kind
from sources.planner.held import Absence, AbsentCells, Span, gaps, merged

ENDLESS = 1 << 40
"""Later than any slot."""


@dataclass(frozen=True, slots=True)
class AbsentSpan:
    """One answer had no row of a key's slots first…last: a fact, kept per group of pages."""

    key: str
    first: int
    last: int
    ask: Ask


@dataclass(frozen=True, slots=True)
class Resting:
    """The rows of a key have ended: slots from `first` on are not asked for before the bucket `due`."""

    first: int
    due: int


@dataclass(frozen=True, slots=True)
class KeyAbsences:
    """Absent cells of one key by state, in order; `resting` where its rows have ended."""

    cells: tuple[AbsentCells, ...]
    resting: Resting | None = None


def key_absences(
    dataset: Dataset, asked: Sequence[AbsentSpan], rows: Iterable[Span], alive: Span | None = None
) -> KeyAbsences:
    """Judge all absent cells of one key. `rows` are spans of the dataset's own settled rows of it; `alive` is its first
    and last slot with a row of any dataset that fills the table, None where it has none."""
    with_row = merged(rows)
    parts = [part for part in _parts(dataset, asked) for part in _without(part, with_row)]
    doubted = frozenset(span.ask for span in asked if _is_doubted(dataset, span, with_row))
    judge = _Judge(dataset, parts, alive, doubted)
    first_row, last_row = alive or (ENDLESS, -ENDLESS)
    begun = next((part.last for part in reversed(parts) if part.last < first_row and judge.is_empty(part)), -ENDLESS)
    ended = next((part.first for part in parts if part.first > last_row and judge.is_empty(part)), ENDLESS)
    nearest = judge.nearest(begun)
    key, follow, left = asked[0].key, list[_Part](), list[_Part]()
    for part in parts:
        beyond = part.last <= begun or part.first >= ended
        (follow if beyond and judge.follows(part) else left).append(part)
    empty = CellState(Absence.EMPTY, NEVER)
    cells = [_cells(dataset, part, key, empty, first_row) for part in _joined(follow)]
    for part in _split(left, nearest):
        place = Place.INSIDE
        if part.last <= begun or part.first >= ended:
            place = Place.BEYOND
        elif part.last < first_row and part.last != nearest:
            place = Place.WAITING
        cells.append(_cells(dataset, part, key, judge.state(part, place), first_row))
    cells.sort(key=lambda each: each.first)
    return KeyAbsences(tuple(cells)) if ended == ENDLESS else _at_rest(dataset, cells, ended)


@dataclass(frozen=True, slots=True)
class _Part:
    """Slots first…last, of which the same answers (in order) had no row."""

    first: int
    last: int
    asks: tuple[Ask, ...]


def _parts(dataset: Dataset, asked: Sequence[AbsentSpan]) -> Iterator[_Part]:
    """The asked slots as parts in which all answers, closed or not, say the same."""
    begins: dict[int, list[Ask]] = {}
    ends: dict[int, list[Ask]] = {}
    points = set[int]()
    for span in asked:
        begins.setdefault(span.first, []).append(span.ask)
        ends.setdefault(span.last + 1, []).append(span.ask)
        points |= {span.first, span.last + 1}
        if dataset.kind is Kind.SERIES:
            limits = (closed_until(dataset, span.ask) + 1, expected_until(dataset, span.ask) + 1)
            points |= {limit for limit in limits if span.first < limit <= span.last}
    active: list[Ask] = []
    ordered = sorted(points)
    for point, following in pairwise(ordered):
        for ask in ends.get(point, ()):
            active.remove(ask)
        active += begins.get(point, ())
        if active:
            yield _Part(point, following - 1, tuple(sorted(active)))


def _without(part: _Part, rows: Sequence[Span]) -> Iterator[_Part]:
    if not rows or part.last < rows[0][0] or part.first > rows[-1][1]:
        yield part
        return
    for first, last in gaps(rows, part.first, part.last):
        yield replace(part, first=first, last=last)


def _is_doubted(dataset: Dataset, span: AbsentSpan, rows: Sequence[Span]) -> bool:
    """Tell whether the answer lacked a row of this key that another answer has."""
    return any(
        first <= span.last and last >= span.first and is_closed(dataset, max(first, span.first), span.ask)
        for first, last in rows
    )


class _Judge:
    """The states of a key's parts, each computed when it is asked for."""

    def __init__(self, dataset: Dataset, parts: Sequence[_Part], alive: Span | None, doubted: frozenset[Ask]) -> None:
        self.dataset, self.parts, self.alive, self.doubted = dataset, parts, alive, doubted
        self.first_row, self.last_row = alive or (ENDLESS, -ENDLESS)
        self._inside: dict[_Part, CellState] = {}
        self._later: dict[int, Ask] = {}
        if dataset.kind is Kind.SNAPSHOT:
            trailing = (ask for part in parts if part.first > self.last_row for ask in part.asks if not ask.failed)
            self._later = {ask.bucket: ask for ask in trailing}
        self._buckets = sorted(self._later)

    def is_empty(self, part: _Part) -> bool:
        """Tell whether the part's own answers confirm that it has no row."""
        return self.state(part, Place.INSIDE).absence is Absence.EMPTY

    def state(self, part: _Part, place: Place) -> CellState:
        if place is not Place.INSIDE:
            return cell_state(self.dataset, part.last, self._asks(part), place, self.doubted)
        if part not in self._inside:
            self._inside[part] = cell_state(self.dataset, part.last, self._asks(part), place, self.doubted)
        return self._inside[part]

    def follows(self, part: _Part) -> bool:
        """Tell whether one answer is enough for a part that lies beyond a confirmed one."""
        return self._is_believed(part.asks[0], part)

    def nearest(self, begun: int) -> int | None:
        """The one slot before the first row, and after `begun`, that is asked for again in place of all before it.

        Of a key without any row it is the one that was asked for most.
        """
        leading = [part for part in reversed(self.parts) if begun < part.first and part.last < self.first_row]
        if self.alive:
            return next((part.last for part in leading if self._times(part)), None)
        counts = {part.last: self._times(part) for part in leading}
        most = max(counts.values(), default=0)
        return next((last for last, count in counts.items() if count == most), None) if most else None

    def _asks(self, part: _Part) -> Sequence[Ask]:
        """The part's answers; of a snapshot, later ones without the key say as much about the days since its last
        row."""
        if part.first <= self.last_row or not self._buckets:
            return part.asks
        later = spaced(self._buckets, self.dataset.asked_again + 1, bisect_left(self._buckets, part.last))
        return sorted({*part.asks, *(self._later[bucket] for bucket in (*later, self._buckets[-1]))})

    def _is_believed(self, ask: Ask, part: _Part) -> bool:
        return not ask.failed and ask not in self.doubted and is_closed(self.dataset, part.last, ask)

    def _times(self, part: _Part) -> int:
        return len(spaced([ask.bucket for ask in part.asks if self._is_believed(ask, part)], NEVER))


def _split(parts: Iterable[_Part], at: int | None) -> Iterator[_Part]:
    """The parts, with the slot `at`, the last of its part, as a part of its own."""
    for part in parts:
        if part.last == at and part.first < part.last:
            yield replace(part, last=at - 1)
            yield replace(part, first=at)
        else:
            yield part


def _cells(dataset: Dataset, part: _Part, key: str, state: CellState, first_row: int) -> AbsentCells:
    last = part.asks[-1]
    return AbsentCells(
        key=key,
        first=part.first,
        last=part.last,
        absence=state.absence,
        asked=len(part.asks),
        last_bucket=last.bucket,
        last_asked_at=last.asked_at,
        due=state.due,
        closed=any(is_closed(dataset, part.last, ask) for ask in part.asks),
        before_first=part.last < first_row < ENDLESS,
        never=first_row == ENDLESS,
    )


def _joined(parts: Sequence[_Part]) -> Iterator[_Part]:
    """Parts that touch as one, with the answers of the one that was asked for last."""
    start = 0
    for end in range(1, len(parts) + 1):
        if end == len(parts) or parts[end].first != parts[end - 1].last + 1:
            newest = max(parts[start:end], key=lambda part: part.asks[-1])
            yield _Part(parts[start].first, parts[end - 1].last, newest.asks)
            start = end


def _at_rest(dataset: Dataset, cells: Sequence[AbsentCells], ended: int) -> KeyAbsences:
    """The absences of a key whose rows have ended at the slot `ended`: looked for again after the longest pause."""
    last = max(cell.last_bucket for cell in cells if cell.last >= ended)
    due = last + pause(max(1, dataset.asked_again))
    at_rest = [
        replace(cell, due=due) if cell.first >= ended and cell.absence == Absence.PENDING else cell for cell in cells
    ]
    newest = max(cell.last for cell in cells)
    return KeyAbsences(tuple(at_rest), Resting(newest + 1, due))
