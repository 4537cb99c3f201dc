"""A year of a seller's bad days, in memory: planner and coverage against a model seller. Seeded.

`python -m tests.sources.bad_year SEED …` prints what became of every cell, and the calls beside the fewest possible.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sources import registry
from sources.coverage.absences import AbsentSpan, KeyAbsences
from sources.coverage.cover import CoveredSpan, absences_of, cover, held_cells
from sources.coverage.delivered_page import Cell, DeliveredPage
from sources.model import Dataset, Feed
from sources.planner.held import Absence, HeldCells, OpenGroup, Span, held_before, merged, union
from sources.planner.pieces import Piece
from sources.planner.plan import plan
from sources.slots import slot, wanted_slots

SNAPSHOT, HISTORY = registry.dataset("tm-grade"), registry.dataset("tm-grade-history")
SIGNALS = replace(registry.dataset("trading-signals"), restated_for=10, look_again=5)
"""As if the seller restated its signals for ten days: they are looked at again every five."""

FEEDS = (Feed("grades", ("tm-grade",), repairs=True), Feed("signals", ("trading-signals",)))
BEGIN = datetime(2026, 1, 5, 6, 15, tzinfo=UTC)
DAYS, QUIET = 365, 40
"""Days with faults, and the good days after them in which what is due is asked for again."""

KEYS = tuple(str(number) for number in range(3000, 3008))
SHARE = 0.06
"""Chance that a day without a fault is followed by one with."""

RESTATED = 0.03
"""Signals that are restated, one in ten of them later than is declared."""

KINDS = ("empty", "short", "capped", "missing tokens", "outage", "failed")


def declared(name: str) -> Dataset:
    """A dataset as this year has it."""
    return SIGNALS if name == SIGNALS.name else registry.dataset(name)


@dataclass(frozen=True)
class Market:
    """The truth: which cells have a row. Some keys are listed late, some end, one never had a row; a few days lack.

    `restated`: of a signal that changes after it had settled, the day on which it does.
    """

    rows: frozenset[Cell]
    days: range
    restated: Mapping[Cell, int]

    @staticmethod
    def of(seed: int, *, whole: bool = False) -> Market:
        dice, first = random.Random(f"market {seed}"), slot(SIGNALS, BEGIN)
        days = range(first - 40, first + DAYS + QUIET + 1)
        rows: set[Cell] = set()
        for number, key in enumerate(KEYS):
            begin = first + dice.randrange(200) if number in (1, 5) else days.start
            end = first + 120 + dice.randrange(150) if number in (2, 6) else days.stop
            absent = {dice.randrange(days.start, days.stop) for _ in range(2 * (number % 5 == 4))}
            if number or whole:
                rows |= {(key, day) for day in days if whole or (begin <= day < end and day not in absent)}
        restated = {
            (key, day): day + dice.choice((*range(2, SIGNALS.restated_for + 1), 30))
            for key, day in sorted(rows)
            if not whole and dice.random() < RESTATED
        }
        return Market(frozenset(rows), days, restated)


@dataclass
class Weather:
    """The faults of each day. An outage lasts some days; pages are cut for a week."""

    kinds: dict[int, str]

    @staticmethod
    def of(seed: int, share: float) -> Weather:
        dice, kinds = random.Random(f"weather {seed}"), dict[int, str]()
        first = slot(SIGNALS, BEGIN)
        for day in range(first, first + DAYS):
            if day not in kinds and dice.random() < share:
                kind = dice.choice(KINDS)
                length = {"outage": dice.randrange(1, 6), "capped": 7}.get(kind, 1)
                kinds.update(dict.fromkeys(range(day, day + length), kind))
        return Weather(kinds)


@dataclass
class Store:
    """The cover of one dataset's answers, as the cache keeps it."""

    dataset: Dataset
    settled: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    moving: dict[str, list[CoveredSpan]] = field(default_factory=dict)
    absent: dict[str, dict[str, tuple[AbsentSpan, ...]]] = field(default_factory=dict)
    pages: dict[str, list[DeliveredPage]] = field(default_factory=dict)
    open_groups: dict[str, OpenGroup] = field(default_factory=dict)
    proved: tuple[int, int] | None = None
    judged: dict[str, tuple[object, KeyAbsences]] = field(default_factory=dict)
    version: Counter[str] = field(default_factory=Counter)
    newest: Counter[str] = field(default_factory=Counter)
    seen: dict[Cell, int] = field(default_factory=dict)
    """Where rows may be restated: the day on which each settled cell was looked at last."""

    def add(self, page: DeliveredPage) -> None:
        group = page.group.id
        pages = self.pages.setdefault(group, [])
        pages.append(page)
        found = cover(self.dataset, pages)
        self.open_groups.pop(group, None)
        if found.open_group:
            self.open_groups[group] = found.open_group
        elif found.page_rows:
            self.proved = slot(self.dataset, page.received_at), found.page_rows
        for span in found.spans:
            if span.settled:
                if self.dataset.restated_for:
                    self.seen |= {(span.key, number): span.bucket for number in range(span.first, span.last + 1)}
                self.settled[span.key] = merged((*self.settled.get(span.key, ()), (span.first, span.last)))
            else:
                self.moving.setdefault(span.key, []).append(span)
        lacking: dict[str, list[AbsentSpan]] = {}
        for absent in found.absent:
            lacking.setdefault(absent.key, []).append(absent)
        for key, facts in lacking.items():
            self.absent.setdefault(key, {})[group] = tuple(facts)
            self.version[key] += 1
            self.newest[key] = max(self.newest[key], *(fact.last for fact in facts))

    def held(self, at: datetime, others: Store | None) -> HeldCells:
        current = slot(self.dataset, at)
        spans = [
            span for key, own in self.settled.items() for a, b in own for span in self._looked_at(key, a, b, current)
        ]
        spans += [span for own in self.moving.values() for span in own if span.bucket >= current - 1]
        edges = {key: (own[0][0], own[-1][1]) for key, own in (others.settled if others else {}).items()}
        size = self.proved[1] if self.proved and self.proved[0] > current - 28 else None
        groups = [part for part in self.open_groups.values() if part.group.bucket >= current]
        absences = {key: self._absences(key, edges.get(key)) for key in self.absent}
        return held_cells(self.dataset, spans, at, groups, absences=absences, page_rows=size)

    def _looked_at(self, key: str, first: int, last: int, current: int) -> Iterator[CoveredSpan]:
        """Settled cells with the day of the last look at them, as far as that matters still."""
        if not self.dataset.restated_for:
            yield CoveredSpan(key, first, last, 0, True)
            return
        past = current - 3 * (self.dataset.restated_for + self.dataset.look_again)
        if first < past:
            yield CoveredSpan(key, first, min(last, past - 1), current, True)
        for number in range(max(first, past), last + 1):
            yield CoveredSpan(key, number, number, self.seen[key, number], True)

    def _absences(self, key: str, elsewhere: Span | None) -> KeyAbsences:
        """Those of one key, judged again only when something new is known of it: of rows after its newest absent cell
        counts only that there are some."""
        end = self.newest[key] + 1
        settled = tuple((a, min(b, end)) for a, b in self.settled.get(key, ()) if a <= end)
        edges = (elsewhere[0], min(elsewhere[1], end)) if elsewhere else None
        known = self.version[key], settled, edges
        if key not in self.judged or self.judged[key][0] != known:
            facts = [span for own in self.absent[key].values() for span in own]
            spans = [CoveredSpan(key, a, b, 0, True) for a, b in settled]
            self.judged[key] = known, absences_of(self.dataset, facts, spans, edges)
        return self.judged[key][1]

    def has(self, cell: Cell) -> bool:
        return any(a <= cell[1] <= b for a, b in self.settled.get(cell[0], ()))


@dataclass
class Year:
    """One year of daily runs. `calls` counts what was paid; `rows` are cells whose rows came."""

    market: Market
    weather: Weather
    dice: random.Random
    stores: dict[str, Store]
    calls: Counter[str] = field(default_factory=Counter)
    rows: set[tuple[str, Cell]] = field(default_factory=set)
    bought: set[tuple[object, ...]] = field(default_factory=set)
    told: dict[Cell, bool] = field(default_factory=dict)
    """Of each signal that came, whether its newest row says what it was restated to, or it was not restated."""

    @staticmethod
    def of(seed: int, share: float, *, whole: bool) -> Year:
        stores = {dataset.name: Store(dataset) for dataset in (SNAPSHOT, HISTORY, SIGNALS)}
        return Year(Market.of(seed, whole=whole), Weather.of(seed, share), random.Random(f"answers {seed}"), stores)

    def run(self) -> None:
        for day in range(DAYS + QUIET):
            at = BEGIN + timedelta(days=day)
            if self.weather.kinds.get(slot(SIGNALS, at)) != "outage":
                for feed in FEEDS:
                    self._flow(feed, at)

    def _flow(self, feed: Feed, at: datetime) -> None:
        for want in wanted_slots(feed, at, declared):
            dataset = declared(want.dataset)
            for _ in range(50):
                held = self.held(dataset, at)
                found = plan(dataset, KEYS, want.first, want.last, held, at, at)
                if not found.pieces:
                    break
                for piece in found.pieces:
                    self._buy(piece, at)
                if not self.stores[dataset.name].open_groups:
                    break
            else:
                raise AssertionError("planning does not come to an end")

    def held(self, dataset: Dataset, at: datetime) -> HeldCells:
        own, twin = self.stores[dataset.name], self.twin(dataset)
        held = own.held(at, twin)
        if twin is None:
            return held
        other = twin.held(at, own).counted_by_others()
        return union(held, held_before(other, slot(dataset, at)) if dataset is SNAPSHOT else other)

    def twin(self, dataset: Dataset) -> Store | None:
        names = {SNAPSHOT.name: HISTORY.name, HISTORY.name: SNAPSHOT.name}
        return self.stores[names[dataset.name]] if dataset.name in names else None

    def _buy(self, piece: Piece, at: datetime) -> None:
        identity = (piece.path, piece.params, piece.edition)
        assert identity not in self.bought, f"paid for twice: {identity}"
        self.bought.add(identity)
        self.calls[piece.dataset] += 1
        page = self._answer(piece, at)
        self.rows |= {(piece.dataset, cell) for cell in page.cells}
        if piece.dataset == SIGNALS.name:
            today, restated = slot(SIGNALS, at), self.market.restated
            self.told |= {cell: restated.get(cell, today) <= today for cell in page.cells}
        self.stores[piece.dataset].add(page)

    def _answer(self, piece: Piece, at: datetime) -> DeliveredPage:
        kind, limit = self.weather.kinds.get(slot(SIGNALS, at)), piece.group.limit or 100
        wanted = set(piece.keys)
        first, last = (piece.first, piece.last) if piece.dataset != SNAPSHOT.name else (slot(SNAPSHOT, at),) * 2
        listed = sorted(
            (-day, key) for key in wanted for day in range(first, last + 1) if (key, day) in self.market.rows
        )
        cells = [(key, -day) for day, key in listed]
        if kind == "short":
            cells = [cell for cell in cells if self.dice.random() > 0.3]
        if kind == "missing tokens":
            gone = set(self.dice.sample(KEYS, 8))
            cells = [cell for cell in cells if cell[0] not in gone]
        if kind == "empty":
            cells = []
        size = min(limit, 20) if kind == "capped" else limit
        start = (piece.page - piece.group.first_page) * size
        page = [] if kind == "failed" else cells[start : start + size]
        received = at + timedelta(seconds=5)
        return DeliveredPage(piece.group, piece.page, received, len(page), tuple(page), readable=kind != "failed")

    def restatements(self) -> Counter[str]:
        """Signals that were restated in the declared time, or later, by what the newest row of each says."""
        began, found = slot(SIGNALS, BEGIN), Counter[str]()
        for cell, changed in self.market.restated.items():
            if cell in self.told and began <= cell[1] < began + DAYS:
                when = "in time" if changed <= cell[1] + SIGNALS.restated_for else "late"
                found[f"{when}, {'seen' if self.told[cell] else 'not seen'}"] += 1
        return found

    def states(self, dataset: Dataset) -> dict[Cell, str]:
        """Every cell that was to be kept fresh, by what is known of it at the end."""
        at = BEGIN + timedelta(days=DAYS + QUIET - 1)
        store, twin, first = self.stores[dataset.name], self.twin(dataset), slot(dataset, BEGIN)
        empty: set[Cell] = set()
        for name in {dataset.name, *((twin.dataset.name,) if twin and dataset is SNAPSHOT else ())}:
            for own in self.held(declared(name), at).absent.values():
                for cells in own:
                    if cells.absence is Absence.EMPTY:
                        empty |= {(cells.key, number) for number in range(cells.first, cells.last + 1)}
        found: dict[Cell, str] = {}
        for key in KEYS:
            for number in range(first, first + DAYS):
                cell = (key, number)
                held = store.has(cell) or (twin is not None and twin.has(cell))
                found[cell] = "held" if held else "confirmed empty" if cell in empty else "gap"
        return found


def lived(seed: int, share: float = SHARE, *, whole: bool = False) -> Year:
    """A year that was run to its end. `whole`: every key has a row on every day."""
    year = Year.of(seed, share, whole=whole)
    year.run()
    return year


def least() -> Year:
    """The year with the fewest possible calls: nothing is ever missing."""
    return lived(0, 0.0, whole=True)


def report(seed: int, year: Year, fewest: Year) -> str:
    """The fate of the cells, and the calls beside the fewest possible."""
    cells = Counter(state for dataset in (SNAPSHOT, SIGNALS) for state in year.states(dataset).values())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(cells.items()))
    bad, paid, possible = len(year.weather.kinds), year.calls.total(), fewest.calls.total()
    restated = ", ".join(f"{count} {how}" for how, count in sorted(year.restatements().items()))
    calls = f"{paid} calls, {possible} at least ({paid / possible:.2f} times)"
    return f"seed {seed}, {bad} bad days: {counts}; restated {restated}; {calls}"


if __name__ == "__main__":
    possible = least()
    for each in map(int, sys.argv[1:] or ("1", "2", "3")):
        print(report(each, lived(each), possible))
