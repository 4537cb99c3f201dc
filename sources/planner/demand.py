"""The demand on one dataset, as groups of pages under the seller's limits. Pure.

A closed window is bought as `final` once. Cells of it that came back without a row are asked for again in the bucket of
the run, as live data is; what an operator asks for again is bought in an edition of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from itertools import chain

from sources.model import DAY, Dataset, Kind
from sources.planner.held import Span, gaps
from sources.planner.pieces import AGAIN, Group
from sources.planner.rectangles import CallLimits, Grid, covering_blocks, grid, split
from sources.slots import FINAL, edition, final_until, slot, slots_per_step

FREE_PAGES = 8
"""Pages of a free listing of unknown length that are fetched at once."""

ENDLESS = 1 << 30
"""Rows per page where the seller doesn't page."""

Spans = Mapping[str, Sequence[Span]]

RequestKey = tuple[str, tuple[str, ...], int, int]
"""Edition, keys, and the first and last step that dates are written for: equal for groups with equal requests."""


def again_edition(edition: str, at: datetime) -> str:
    """The edition in which an operator asks again on the UTC day of `at`: however often that is begun on a day, each
    request is paid for once."""
    return f"{edition}+again-{at:%Y-%m-%d}"


class Demand:
    """Keys × first…last (slots, both inclusive) of one dataset at a scheduled time. All of it is on sale.

    `asked` are cells that were asked for before, in vain. `again`: an operator asks for all of it again.
    """

    def __init__(
        self,
        dataset: Dataset,
        keys: tuple[str, ...],
        first: int,
        last: int,
        at: datetime,
        max_rows: int | None = None,
        asked: Spans | None = None,
        again: bool = False,
    ) -> None:
        self.dataset = dataset
        self.asked = asked or {}
        self.again = again
        self.keys = keys
        self.first = first
        self.last = last
        self.at = at
        paging = dataset.paging
        self.limit = min(paging.rows, max_rows or paging.rows) if paging else None
        self.first_page = paging.first if paging else 1
        self.per_step = slots_per_step(dataset)
        self._keys = frozenset(keys)
        self._last_missing: tuple[Sequence[Group], Spans, list[bool]] = ((), {}, [])
        self._last_grid: tuple[Spans, Grid | None] = ({}, None)
        self._bucket = slot(dataset, at)
        self._live = edition(dataset, self._bucket, self._bucket, at)
        self._final = final_until(dataset, at)

    def may_continue(self, group: Group) -> bool:
        """Tell whether a group that was begun is in an edition that the demand buys its cells in."""
        closed = group.last <= self._final
        editions = {FINAL, self._live} if closed else {self._live}
        if self.again:
            editions = {again_edition(edition, self.at) for edition in editions}
        return group.edition.removesuffix(AGAIN) in editions

    def _edition(self, keys: tuple[str, ...], first: int, last: int) -> tuple[str, int]:
        """Edition and freshness bucket of a group of these cells."""
        closed = last <= self._final
        if self.again:
            return again_edition(FINAL if closed else self._live, self.at), self._bucket
        if closed and not self._was_asked(keys, first, last):
            return FINAL, last
        return self._live, self._bucket

    def _was_asked(self, keys: tuple[str, ...], first: int, last: int) -> bool:
        return bool(self.asked) and any(
            start <= last and end >= first for key in keys for start, end in self.asked.get(key, ())
        )

    def overlaps(self, group: Group) -> bool:
        """Tell whether the demand wants some cell of the group."""
        inside = group.first <= self.last and group.last >= self.first
        return inside and not self._keys.isdisjoint(group.keys)

    def contains(self, group: Group) -> bool:
        """Tell whether the demand wants every cell of the group."""
        return self.first <= group.first and group.last <= self.last and self._keys.issuperset(group.keys)

    def missing(self, spans: Spans) -> int:
        """Count the wanted cells that no span covers."""
        if self.per_step == 1:
            return int(self._grid(spans).missing.sum())
        return sum(b - a + 1 for key in self.keys for a, b in gaps(spans.get(key, ()), self.first, self.last))

    def has_missing(self, groups: Sequence[Group], spans: Spans) -> list[bool]:
        """Per group, True where a wanted cell of it is in no span. Each group overlaps the demand."""
        if not spans or not groups:
            return [bool(groups)] * len(groups)
        last_groups, last_spans, missing = self._last_missing
        if last_groups is not groups or last_spans is not spans:
            missing = self._has_missing(groups, spans)
            self._last_missing = groups, spans, missing
        return missing

    def _has_missing(self, groups: Sequence[Group], spans: Spans) -> list[bool]:
        import numpy as np

        cells = self._grid(spans)
        row_of = {key: row for row, key in enumerate(self.keys)}
        sums = np.zeros((len(self.keys) + 1, cells.missing.shape[1] + 1), dtype=np.int32)
        np.cumsum(cells.missing, axis=1, out=sums[:-1, 1:])
        sizes = np.array([len(group.keys) for group in groups])
        names = chain.from_iterable(group.keys for group in groups)
        rows = np.fromiter((row_of.get(name, -1) for name in names), dtype=np.int64, count=int(sizes.sum()))
        starts = np.array([max(group.first, self.first) // self.per_step for group in groups]) - cells.origin
        stops = np.array([min(group.last, self.last) // self.per_step for group in groups]) - cells.origin
        lacking = sums[rows, np.repeat(np.maximum(starts, stops) + 1, sizes)] - sums[rows, np.repeat(starts, sizes)]
        edges = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        missing: list[bool] = ((np.add.reduceat(lacking, edges) > 0) & (starts <= stops)).tolist()
        return missing

    def pages(self, group: Group, start: int, listing_rows: int | None) -> range:
        """The group's pages from `start` on, at least one. Where its rows are unknown, `listing_rows` is assumed."""
        rows = group.rows if group.rows is not None else listing_rows
        if not rows or not group.limit or rows <= group.limit:
            return range(start, start + 1)
        paging, count = self.dataset.paging, -(-rows // group.limit)
        if paging and paging.depth:
            count = min(count, paging.depth)
        return range(start, max(start + 1, group.first_page + count))

    def at_once(self, group: Group, pages: range) -> range:
        """The pages that can be fetched now: the first of them, or FREE_PAGES of a free listing of unknown length."""
        if self.dataset.free and group.rows is None and not (self.dataset.paging and self.dataset.paging.depth):
            return range(pages.start, max(pages.stop, pages.start + FREE_PAGES))
        return pages[:1]

    def groups(self, spans: Spans) -> list[Group]:
        """Groups for every wanted cell that no span covers."""
        if self.dataset.kind is not Kind.SERIES:
            return list(self._snapshots(spans))
        return list(self._listings(spans) if self.dataset.window is None else self._windows(spans))

    def request_key(self, group: Group) -> RequestKey:
        """Identify the group's requests: groups with equal keys get the same answers."""
        step = self.per_step
        window = (group.first // step, group.last // step) if self.dataset.window else (0, 0)
        return group.edition, group.keys, *window

    def split_made(self, groups: Iterable[Group], made: Set[RequestKey]) -> list[Group]:
        """Cut in two every group whose requests were `made` before: the same requests would get the same answers."""
        if not made:
            return list(groups)
        return [
            part for group in groups for part in (self._halves(group) if self.request_key(group) in made else (group,))
        ]

    def repair(self, group: Group, pages: int, spans: Spans) -> Group:
        """One group for the unknown cells of a group that shifted while it was read.

        Of a snapshot, the same listing again, as many `pages` of it as shifted.
        """
        if self.dataset.kind is not Kind.SERIES:
            rows = pages * (group.limit or 0)
            return replace(group, edition=group.edition + AGAIN, rows=rows)
        first, last = max(group.first, self.first), min(group.last, self.last)
        unknown = {key: gaps(spans.get(key, ()), first, last) for key in group.keys if key in self._keys}
        keys = tuple(key for key, slots in unknown.items() if slots)
        begin, end = min(unknown[key][0][0] for key in keys), max(unknown[key][-1][1] for key in keys)
        step = self.per_step
        return self._group(keys, begin // step * step, min((end // step + 1) * step - 1, self.last))

    def _snapshots(self, spans: Spans) -> Iterator[Group]:
        """Groups for the current slot, with as many keys a call as fill a page."""
        wanted = self._wanted(spans)
        each = self.dataset.rows_per_cell
        size = self._ids if each is None else max(1, min(self._ids, (self.limit or ENDLESS) // each))
        for start in range(0, len(wanted), size):
            yield self._group(tuple(wanted[start : start + size]), self.first, self.last)

    def _listings(self, spans: Spans) -> Iterator[Group]:
        """Groups for listings without dates, newest first, deep enough for the oldest missing slot."""
        wanted = self._wanted(spans)
        if not wanted:
            return
        oldest = {key: gaps(spans.get(key, ()), self.first, self.last)[0][0] for key in wanted}
        for keys in self._by_depth(wanted, oldest):
            first = min(oldest[key] for key in keys)
            start = 0
            for size in split(self._limits(1), len(keys), self.last - first + 1):
                yield self._group(tuple(keys[start : start + size]), first, self.last)
                start += size

    def _by_depth(self, wanted: Sequence[str], oldest: Mapping[str, int]) -> list[list[str]]:
        """The keys as one part or two, the deeper apart where that takes fewer pages: what is missing of one key far
        down is no reason to read all keys down to there."""
        limits, slots = self._limits(1), sorted(set(oldest.values()))

        def pages(keys: Sequence[str]) -> int:
            steps = self.last - min(oldest[key] for key in keys) + 1
            return sum(limits.pages(size, steps) for size in split(limits, len(keys), steps))

        best = [list(wanted)]
        fewest = pages(wanted)
        for slot_of_rest in slots[1:]:
            deep = [key for key in wanted if oldest[key] < slot_of_rest]
            rest = [key for key in wanted if oldest[key] >= slot_of_rest]
            if (count := pages(deep) + pages(rest)) < fewest:
                best, fewest = [deep, rest], count
        return best

    def _windows(self, spans: Spans) -> Iterator[Group]:
        """Groups for windows: the fewest pages under the seller's limits."""
        step, cells = self.per_step, self._grid(spans)
        names: dict[tuple[int, ...], tuple[str, ...]] = {}
        for block in covering_blocks(cells.missing, self._limits(step)):
            keys = names.get(block.keys)
            if keys is None:
                keys = names[block.keys] = tuple(self.keys[row] for row in block.keys)
            last = (cells.origin + block.last + 1) * step - 1
            yield self._group(keys, (cells.origin + block.first) * step, min(last, self.last) if step > 1 else last)

    def _grid(self, spans: Spans) -> Grid:
        last_spans, cells = self._last_grid
        if cells is None or last_spans is not spans:
            cells = grid(self.keys, self.first, self.last, self.per_step, spans)
            self._last_grid = spans, cells
        return cells

    def _wanted(self, spans: Spans) -> list[str]:
        return [key for key in self.keys if gaps(spans.get(key, ()), self.first, self.last)]

    @property
    def _ids(self) -> int:
        return self.dataset.packing.ids if self.dataset.packing else 1

    def _limits(self, per_step: int) -> CallLimits:
        window, grain = self.dataset.window, self.dataset.grain
        width = max(1, window.days * DAY // grain // per_step) if window else 1
        return CallLimits(self.limit or ENDLESS, (self.dataset.rows_per_cell or 1) * per_step, width, self._ids)

    def _group(self, keys: tuple[str, ...], first: int, last: int) -> Group:
        each = self.dataset.rows_per_cell
        rows = each * len(keys) * (last - first + 1) if each else None
        name, bucket = self._edition(keys, first, last)
        return Group(self.dataset.name, name, bucket, keys, first, last, self.limit, rows, self.first_page)

    def _halves(self, group: Group) -> tuple[Group, ...]:
        """The same cells in two groups: cut between keys or, for one key, in time where requests carry dates."""
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
