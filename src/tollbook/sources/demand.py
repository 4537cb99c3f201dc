"""A demand on one dataset, and the groups that meet it under the seller's limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tollbook.sources.grid import Span, gaps, grid
from tollbook.sources.model import Dataset, Kind
from tollbook.sources.pieces import Group
from tollbook.sources.rectangles import Limits, cover, split
from tollbook.sources.slots import FINAL, edition, slot, slots_per_step

FREE_PAGES = 8
"""Pages of a free listing of unknown length that are asked for at once."""

ENDLESS = 1 << 30
"""Rows of a page where the seller doesn't page."""

Spans = Mapping[str, Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Demand:
    """Keys × first…last of one dataset, wanted at a scheduled time. All of it can be bought."""

    dataset: Dataset
    keys: tuple[str, ...]
    first: int
    last: int
    at: datetime
    max_rows: int | None = None

    @property
    def limit(self) -> int | None:
        """Rows of a page, None where the seller doesn't page."""
        paging = self.dataset.paging
        return min(paging.rows, self.max_rows or paging.rows) if paging else None

    def edition(self, first: int, last: int) -> str:
        return edition(self.dataset, first, last, self.at)

    def missing(self, key: str, spans: Spans) -> int:
        """Demanded slots of a key that the spans leave open."""
        return sum(b - a + 1 for a, b in gaps(spans.get(key, ()), self.first, self.last))

    def lacks(self, group: Group, spans: Spans) -> bool:
        """Something demanded of the group is not in the spans."""
        first, last = max(group.first, self.first), min(group.last, self.last)
        return any(gaps(spans.get(key, ()), first, last) for key in group.keys)

    def pages(self, group: Group, start: int, listing_rows: int | None) -> range:
        """Pages from `start` that the group is thought to have, one at least."""
        rows = group.rows if group.rows is not None else listing_rows
        count = -(-rows // group.limit) if rows and group.limit else 1
        if group.rows is None and self.dataset.free:
            count = max(count, start - group.first_page + FREE_PAGES)
        paging = self.dataset.paging
        if paging and paging.depth:
            count = min(count, paging.depth)
        return range(start, max(start + 1, group.first_page + count))

    def ready(self, group: Group) -> int:
        """How many pages may be bought at once: of a free listing several, else the next alone."""
        return FREE_PAGES if self.dataset.free and group.rows is None else 1

    def groups(self, spans: Spans, spent: Collection[str] = ()) -> list[Group]:
        """Groups for every demanded cell that the spans leave open. `spent` ones can't be asked for in those words
        again: their answer is known already."""
        dataset = self.dataset
        if dataset.kind is not Kind.SERIES:
            found = self._snapshots(spans)
        elif dataset.window is None:
            found = self._listings(spans)
        else:
            found = self._windows(spans)
        return [part for group in found for part in (self._halves(group) if group.id in spent else (group,))]

    def _snapshots(self, spans: Spans) -> Iterator[Group]:
        """The slot that is now, as many keys a call as fit a page."""
        wanted = [key for key in self.keys if self.missing(key, spans)]
        each = self.dataset.rows_per_cell
        size = self._ids if each is None else max(1, min(self._ids, (self.limit or ENDLESS) // each))
        for start in range(0, len(wanted), size):
            yield self._group(tuple(wanted[start : start + size]), self.first, self.last)

    def _listings(self, spans: Spans) -> Iterator[Group]:
        """Undated listings, newest first: deep enough for the oldest slot that is missing."""
        wanted = [key for key in self.keys if self.missing(key, spans)]
        if not wanted:
            return
        first = min(gaps(spans.get(key, ()), self.first, self.last)[0][0] for key in wanted)
        start = 0
        for size in split(self._limits(1), len(wanted), self.last - first + 1):
            yield self._group(tuple(wanted[start : start + size]), first, self.last)
            start += size

    def _windows(self, spans: Spans) -> Iterator[Group]:
        per_step = slots_per_step(self.dataset)
        cells = grid(self.keys, self.first, self.last, per_step, spans)
        names: dict[tuple[int, ...], tuple[str, ...]] = {}
        for block in cover(cells.missing, self._limits(per_step)):
            if block.keys not in names:
                names[block.keys] = tuple(self.keys[row] for row in block.keys)
            first = (cells.origin + block.first) * per_step
            last = (cells.origin + block.last + 1) * per_step - 1
            yield self._group(names[block.keys], first, min(last, self.last) if per_step > 1 else last)

    @property
    def _ids(self) -> int:
        return self.dataset.packing.ids if self.dataset.packing else 1

    def _limits(self, per_step: int) -> Limits:
        window = self.dataset.window
        width = window.days * (86400 // self.dataset.grain) // per_step if window else 1
        rows = (self.dataset.rows_per_cell or 1) * per_step
        return Limits(self.limit or ENDLESS, rows, width, self._ids)

    def _group(self, keys: tuple[str, ...], first: int, last: int) -> Group:
        dataset = self.dataset
        rows = dataset.rows_per_cell and dataset.rows_per_cell * len(keys) * (last - first + 1)
        start = dataset.paging.first if dataset.paging else 1
        name = self.edition(first, last)
        bucket = last if name == FINAL else slot(dataset, self.at)
        return Group(dataset.name, name, bucket, keys, first, last, self.limit, rows or None, start)

    def _halves(self, group: Group) -> tuple[Group, ...]:
        """The same cells in two groups, cut between keys or, of one key, in time."""
        if len(group.keys) > 1:
            middle = len(group.keys) // 2
            parts = [(group.keys[:middle], group.first, group.last), (group.keys[middle:], group.first, group.last)]
        elif group.last - group.first >= slots_per_step(self.dataset):
            step = slots_per_step(self.dataset)
            cut = (group.first // step + ((group.last - group.first) // step + 1) // 2) * step
            parts = [(group.keys, group.first, cut - 1), (group.keys, cut, group.last)]
        else:
            return ()
        return tuple(self._group(*part) for part in parts)
