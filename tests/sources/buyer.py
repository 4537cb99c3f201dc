"""A seller's listing in memory, and a buyer that plans, gets answers and records coverage until nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sources.coverage.absences import AbsentSpan
from sources.coverage.cover import CoveredSpan, absences_of, cover, held_cells
from sources.coverage.delivered_page import Cell, DeliveredPage
from sources.model import Dataset
from sources.planner.held import HeldCells, OpenGroup
from sources.planner.pieces import Piece
from sources.planner.plan import Plan, plan
from sources.slots import slot

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
"""The scheduled time of most tests: a Sunday morning, after the day's rows have settled."""


def keys(count: int, start: int = 3000) -> tuple[str, ...]:
    return tuple(str(number) for number in range(start, start + count))


@dataclass
class SellerListing:
    """A seller's rows by key and slot, newest first, then by key. `between` runs after each answer."""

    dataset: Dataset
    rows: set[Cell]
    between: Callable[[SellerListing, Piece], None] | None = None
    asked: list[Piece] = field(default_factory=list)

    def listing(self, piece: Piece) -> list[Cell]:
        """Every row that the piece's parameters match, in the seller's order."""
        wanted = set(piece.keys)
        first = piece.first if self.dataset.window else -1
        last = piece.last if self.dataset.window else 1 << 60
        found = [cell for cell in self.rows if cell[0] in wanted and first <= cell[1] <= last]
        return sorted(found, key=lambda cell: (-cell[1], cell[0]))

    def answer(self, piece: Piece, received_at: datetime) -> DeliveredPage:
        limit = piece.group.limit or 1 << 30
        start = (piece.page - piece.group.first_page) * limit
        page = self.listing(piece)[start : start + limit]
        self.asked.append(piece)
        if self.between:
            self.between(self, piece)
        return DeliveredPage(piece.group, piece.page, received_at, len(page), tuple(page))


@dataclass
class Buyer:
    """A buyer's coverage, open groups and purchases."""

    market: SellerListing
    spans: dict[str, tuple[CoveredSpan, ...]] = field(default_factory=dict)
    absent: dict[str, tuple[AbsentSpan, ...]] = field(default_factory=dict)
    page_rows: int | None = None
    open_groups: dict[str, OpenGroup] = field(default_factory=dict)
    answers: dict[str, list[DeliveredPage]] = field(default_factory=dict)
    bought: set[tuple[object, ...]] = field(default_factory=set)

    @property
    def dataset(self) -> Dataset:
        return self.market.dataset

    def held(self, at: datetime) -> HeldCells:
        own = [span for spans in self.spans.values() for span in spans]
        asked: dict[str, list[AbsentSpan]] = {}
        for spans in self.absent.values():
            for span in spans:
                asked.setdefault(span.key, []).append(span)
        absences = {
            key: absences_of(self.dataset, facts, [span for span in own if span.key == key])
            for key, facts in asked.items()
        }
        groups = self.open_groups.values()
        return held_cells(self.dataset, own, at, groups, absences=absences, page_rows=self.page_rows)

    def plan(
        self, wanted: Iterable[str], first: int, last: int, at: datetime = AT, now: datetime | None = None
    ) -> Plan:
        now = now or at
        return plan(self.dataset, wanted, first, last, self.held(at), at, now)

    def take(self, piece: Piece, received_at: datetime) -> None:
        """Buy one piece and learn from its answer. The same request in the same edition is never bought twice."""
        identity = (piece.path, piece.params, piece.body, piece.edition)
        assert identity not in self.bought, f"bought twice: {identity}"
        self.bought.add(identity)
        group = piece.group.id
        self.answers.setdefault(group, []).append(self.market.answer(piece, received_at))
        ended = [name for name, part in self.open_groups.items() if part.ended]
        for name in (group, *ended):
            self._judge(name)

    def _judge(self, group: str) -> None:
        """The group's part of the story, beside all others."""
        elsewhere = {cell for name, own in self.answers.items() if name != group for one in own for cell in one.cells}
        found = cover(self.dataset, self.answers[group], elsewhere)
        self.spans[group], self.absent[group] = found.spans, found.absent
        self.page_rows = found.page_rows or self.page_rows
        self.open_groups.pop(group, None)
        if found.open_group:
            self.open_groups[group] = found.open_group

    def fill(self, wanted: Iterable[str], first: int, last: int, at: datetime = AT, now: datetime | None = None) -> int:
        """Buy until nothing is missing; the number of calls."""
        now = now or at
        before = len(self.bought)
        wanted = tuple(wanted)
        for _ in range(200):
            found = self.plan(wanted, first, last, at, now)
            if not found.pieces:
                return len(self.bought) - before
            for piece in found.pieces:
                self.take(piece, now + timedelta(seconds=1))
        raise AssertionError("planning does not come to an end")

    def knows(self, at: datetime = AT) -> set[Cell]:
        """Every cell that is held at a time, or confirmed empty."""
        spans = self.held(at).counted_by_others().spans
        return {(key, number) for key, own in spans.items() for a, b in own for number in range(a, b + 1)}


def dense(wanted: Iterable[str], first: int, last: int) -> set[Cell]:
    return {(key, number) for key in wanted for number in range(first, last + 1)}


def today(dataset: Dataset, at: datetime = AT) -> int:
    return slot(dataset, at)
