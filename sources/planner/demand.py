"""A demand on one dataset, and the groups that meet it under the seller's limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from itertools import chain

from sources.model import DAY, Dataset, Kind
from sources.planner.grid import Grid, Span, gaps, grid
from sources.planner.limits import Limits, split
from sources.planner.pieces import AGAIN, Group
from sources.planner.rectangles import cover
from sources.slots import FINAL, edition, final_until, slot, slots_per_step

FREE_PAGES = 8
"""Pages of a free listing of unknown length that are asked for at once."""

ENDLESS = 1 << 30
"""Rows of a page where the seller doesn't page."""

Spans = Mapping[str, Sequence[Span]]

Words = tuple[str, tuple[str, ...], int, int]
"""Edition, keys, and the steps that dates are written for."""


class Demand:
    """Keys × first…last of one dataset, wanted at a scheduled time. All of it can be bought."""

    def __init__(
        self,
        dataset: Dataset,
        keys: tuple[str, ...],
        first: int,
        last: int,
        at: datetime,
        max_rows: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.keys = keys
        self.first = first
        self.last = last
        self.at = at
        paging = dataset.paging
        self.limit = min(paging.rows, max_rows or paging.rows) if paging else None
        self.first_page = paging.first if paging else 1
        self.per_step = slots_per_step(dataset)
        self._keys = frozenset(keys)
        self._lacked: tuple[Sequence[Group], Spans, list[bool]] = ((), {}, [])
        self._last_grid: tuple[Spans, Grid | None] = ({}, None)
        self._bucket = slot(dataset, at)
        self._live = edition(dataset, self._bucket, self._bucket, at)
        self._final = final_until(dataset, at)

    def edition(self, last: int) -> str:
        """The edition of a group whose newest slot is `last`."""
        return FINAL if last <= self._final else self._live

    def meets(self, group: Group) -> bool:
        """Some cell of the group is demanded."""
        inside = group.first <= self.last and group.last >= self.first
        return inside and not self._keys.isdisjoint(group.keys)

    def contains(self, group: Group) -> bool:
        """Every cell of the group is demanded."""
        return self.first <= group.first and group.last <= self.last and self._keys.issuperset(group.keys)

    def missing(self, spans: Spans) -> int:
        """Demanded cells that the spans leave open."""
        if self.per_step == 1:
            return int(self._grid(spans).missing.sum())
        return sum(b - a + 1 for key in self.keys for a, b in gaps(spans.get(key, ()), self.first, self.last))

    def lacking(self, groups: Sequence[Group], spans: Spans) -> list[bool]:
        """Per group whether something demanded of it is not in the spans. Each group meets the demand."""
        if not spans or not groups:
            return [bool(groups)] * len(groups)
        asked, told, answer = self._lacked
        if asked is not groups or told is not spans:
            answer = self._lacking(groups, spans)
            self._lacked = groups, spans, answer
        return answer

    def _lacking(self, groups: Sequence[Group], spans: Spans) -> list[bool]:
        import numpy as np

        cells = self._grid(spans)
        row_of = {key: row for row, key in enumerate(self.keys)}
        sums = np.zeros((len(self.keys) + 1, cells.missing.shape[1] + 1), dtype=np.int32)
        np.cumsum(cells.missing, axis=1, out=sums[:-1, 1:])
        sizes = np.array([len(group.keys) for group in groups])
        names = chain.from_iterable(group.keys for group in groups)
        rows = np.fromiter((row_of.get(name, -1) for name in names), dtype=np.int64, count=int(sizes.sum()))
        a = np.array([max(group.first, self.first) // self.per_step for group in groups]) - cells.origin
        b = np.array([min(group.last, self.last) // self.per_step for group in groups]) - cells.origin
        lost = sums[rows, np.repeat(np.maximum(a, b) + 1, sizes)] - sums[rows, np.repeat(a, sizes)]
        edges = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        wanted: list[bool] = ((np.add.reduceat(lost, edges) > 0) & (a <= b)).tolist()
        return wanted

    def pages(self, group: Group, start: int, listing_rows: int | None) -> range:
        """Pages from `start` that the group is thought to have, one at least."""
        rows = group.rows if group.rows is not None else listing_rows
        if not rows or not group.limit or rows <= group.limit:
            return range(start, start + 1)
        paging, count = self.dataset.paging, -(-rows // group.limit)
        if paging and paging.depth:
            count = min(count, paging.depth)
        return range(start, max(start + 1, group.first_page + count))

    def at_once(self, group: Group, pages: range) -> range:
        """Those of the pages that may be bought together: the next alone, or of a free listing several at a guess."""
        if self.dataset.free and group.rows is None and not (self.dataset.paging and self.dataset.paging.depth):
            return range(pages.start, max(pages.stop, pages.start + FREE_PAGES))
        return pages[:1]

    def groups(self, spans: Spans) -> list[Group]:
        """Groups for every demanded cell that the spans leave open."""
        if self.dataset.kind is not Kind.SERIES:
            return list(self._snapshots(spans))
        return list(self._listings(spans) if self.dataset.window is None else self._windows(spans))

    def words(self, group: Group) -> Words:
        """What its requests say: groups of the same words would have the same answers."""
        step = self.per_step
        window = (group.first // step, group.last // step) if self.dataset.window else (0, 0)
        return group.edition, group.keys, *window

    def otherwise(self, groups: Iterable[Group], spent: Set[Words]) -> list[Group]:
        """The groups, those in `spent` cut in two: in those words their answer is known already."""
        if not spent:
            return list(groups)
        return [p for group in groups for p in (self._halves(group) if self.words(group) in spent else (group,))]

    def repair(self, group: Group, pages: int, spans: Spans) -> Group:
        """What is open of a group that shifted while it was read, in one listing: its first page is all there is above
        the shift but for the rows that were hidden. A snapshot is read again, as many pages of it as shifted."""
        if self.dataset.kind is not Kind.SERIES:
            rows = pages * (group.limit or 0)
            return replace(group, edition=group.edition + AGAIN, rows=rows)
        first, last = max(group.first, self.first), min(group.last, self.last)
        open_ = {key: gaps(spans.get(key, ()), first, last) for key in group.keys if key in self._keys}
        keys = tuple(key for key, own in open_.items() if own)
        begin, end = min(open_[key][0][0] for key in keys), max(open_[key][-1][1] for key in keys)
        step = self.per_step
        return self._group(keys, begin // step * step, min((end // step + 1) * step - 1, self.last))

    def _snapshots(self, spans: Spans) -> Iterator[Group]:
        """The slot that is now, as many keys a call as fit a page."""
        wanted = self._wanted(spans)
        each = self.dataset.rows_per_cell
        size = self._ids if each is None else max(1, min(self._ids, (self.limit or ENDLESS) // each))
        for start in range(0, len(wanted), size):
            yield self._group(tuple(wanted[start : start + size]), self.first, self.last)

    def _listings(self, spans: Spans) -> Iterator[Group]:
        """Undated listings, newest first: deep enough for the oldest slot that is missing."""
        wanted = self._wanted(spans)
        if not wanted:
            return
        first = min(gaps(spans.get(key, ()), self.first, self.last)[0][0] for key in wanted)
        start = 0
        for size in split(self._limits(1), len(wanted), self.last - first + 1):
            yield self._group(tuple(wanted[start : start + size]), first, self.last)
            start += size

    def _windows(self, spans: Spans) -> Iterator[Group]:
        """The fewest rectangles of keys and windows."""
        step, cells = self.per_step, self._grid(spans)
        names: dict[tuple[int, ...], tuple[str, ...]] = {}
        for block in cover(cells.missing, self._limits(step)):
            keys = names.get(block.keys)
            if keys is None:
                keys = names[block.keys] = tuple(self.keys[row] for row in block.keys)
            last = (cells.origin + block.last + 1) * step - 1
            yield self._group(keys, (cells.origin + block.first) * step, min(last, self.last) if step > 1 else last)

    def _grid(self, spans: Spans) -> Grid:
        told, cells = self._last_grid
        if cells is None or told is not spans:
            cells = grid(self.keys, self.first, self.last, self.per_step, spans)
            self._last_grid = spans, cells
        return cells

    def _wanted(self, spans: Spans) -> list[str]:
        return [key for key in self.keys if gaps(spans.get(key, ()), self.first, self.last)]

    @property
    def _ids(self) -> int:
        return self.dataset.packing.ids if self.dataset.packing else 1

    def _limits(self, per_step: int) -> Limits:
        window, grain = self.dataset.window, self.dataset.grain
        width = max(1, window.days * DAY // grain // per_step) if window else 1
        return Limits(self.limit or ENDLESS, (self.dataset.rows_per_cell or 1) * per_step, width, self._ids)

    def _group(self, keys: tuple[str, ...], first: int, last: int) -> Group:
        each = self.dataset.rows_per_cell
        rows = each * len(keys) * (last - first + 1) if each else None
        final = last <= self._final
        name, bucket = (FINAL, last) if final else (self._live, self._bucket)
        return Group(self.dataset.name, name, bucket, keys, first, last, self.limit, rows, self.first_page)

    def _halves(self, group: Group) -> tuple[Group, ...]:
        """The same cells in two groups, cut between keys or, of one key, in time if it can be asked for."""
        steps = (group.last - group.first) // self.per_step + 1
        if len(group.keys) > 1:
            middle = len(group.keys) // 2
            parts = [(group.keys[:middle], group.first, group.last), (group.keys[middle:], group.first, group.last)]
        elif steps > 1 and self.dataset.window:
            middle = (group.first // self.per_step + steps // 2) * self.per_step
            parts = [(group.keys, group.first, middle - 1), (group.keys, middle, group.last)]
        else:
            return ()
        return tuple(self._group(*part) for part in parts)
