"""From what is wanted and what is held to the fewest requests. Pure and deterministic.

A plan's pieces can be bought now, in any order. Further pages of a listing follow once the pages before them are
held: buy, load, plan again, until there are no pieces. `Plan.calls` counts them all, as far as is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sources.model import EVERYTHING, Dataset, Kind, Seller
from sources.planner.demand import Demand
from sources.planner.grid import Span, gaps, in_order
from sources.planner.held import NOTHING, Held, OpenGroup, before, together
from sources.planner.pieces import AGAIN, Group, Piece, Requests
from sources.slots import earliest, slot

__all__ = ["NOTHING", "Gone", "Group", "Held", "OpenGroup", "Piece", "Plan", "before", "plan", "together"]


@dataclass(frozen=True, slots=True)
class Gone:
    """Slots of a snapshot that were missed and nobody sells any more, and the dataset whose history has the like."""

    dataset: str
    first: int
    last: int
    keys: tuple[str, ...]
    repaired_by: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`pieces` to buy now, `later` pages that follow them, `avoided` calls the cache saved, `gone` slots, and how many
    buyable cells are missing. `open_ended`: a listing of unknown length is in it, there may be more pages."""

    pieces: tuple[Piece, ...]
    later: tuple[Piece, ...] = ()
    avoided: tuple[Piece, ...] = ()
    gone: tuple[Gone, ...] = ()
    missing_cells: int = 0
    open_ended: bool = False

    @property
    def calls(self) -> int:
        return len(self.pieces) + len(self.later)


def plan(
    dataset: Dataset,
    seller: Seller,
    keys: Iterable[str],
    first: int,
    last: int,
    held: Held,
    at: datetime,
    now: datetime,
    max_rows: int | None = None,
) -> Plan:
    """What to buy so that every cell of keys × first…last is held.

    `at` is the scheduled time: editions come from it, and nothing after its slot is asked for. `now` is the clock: a
    snapshot whose slot has passed is gone. `max_rows` lowers the rows of a page.
    """
    wanted = in_order(keys) if dataset.key_column else (EVERYTHING,)
    gone = _gone(dataset, wanted, first, min(last, slot(dataset, now) - 1), held, slot(dataset, at))
    first, last = _buyable(dataset, first, last, at, now)
    if first > last or not wanted:
        return Plan((), gone=gone)
    demand = Demand(dataset, wanted, first, last, at, max_rows)
    whole = demand.groups({})
    going_on = _going_on(demand, held)
    groups = _from_pages(demand, whole, held, going_on)
    own = [part for part in going_on if demand.contains(part.group)]
    if len(own) < len(going_on):
        groups = min(groups, _from_pages(demand, whole, held, own), key=_calls)
    return _as_plan(demand, Requests(dataset, seller), held, whole, groups, gone)


def _from_pages(demand: Demand, whole: list[Group], held: Held, going_on: list[OpenGroup]) -> list[tuple[Group, int]]:
    """What to buy, each group from the page that is due: first the rest of listings that were begun."""
    promised = together(held, *(Held(_cells(part.group)) for part in going_on)).spans if going_on else held.spans
    groups = [(part.group, part.group.first_page + len(part.pages)) for part in going_on]
    return groups + [(group, group.first_page) for group in _least(demand, whole, held, promised)]


def _least(demand: Demand, whole: list[Group], held: Held, spans: Mapping[str, Sequence[Span]]) -> list[Group]:
    """Groups for what is missing. What a shift may have hidden is asked for by itself where that takes no more calls:
    read page by page, it mostly ends at the first."""
    repairs = _repairs(demand, held, spans)
    if not repairs:
        return _fewest(demand, whole, held, spans)
    promised = together(Held(spans), *(Held(_cells(group)) for group in repairs)).spans
    apart = repairs + _fewest(demand, whole, held, promised)
    if demand.dataset.kind is not Kind.SERIES:
        return apart
    return min(apart, _fewest(demand, whole, held, spans), key=_pages)


def _repairs(demand: Demand, held: Held, spans: Mapping[str, Sequence[Span]]) -> list[Group]:
    """Groups that ask again for what is open of listings that shifted, in words not used before."""
    ended = [part for part in held.open_groups if part.ended and demand.meets(part.group)]
    ended = [part for part in ended if part.group.dataset == demand.dataset.name]
    lacking = demand.lacking([part.group for part in ended], spans)
    spent = {demand.words(part.group) for part in held.open_groups}
    found = [
        demand.repair(part.group, len(part.pages), spans) for part, wanted in zip(ended, lacking, strict=True) if wanted
    ]
    return [group for group in dict.fromkeys(found) if demand.words(group) not in spent]


def _buyable(dataset: Dataset, first: int, last: int, at: datetime, now: datetime) -> Span:
    """The part of first…last that is on sale: nothing to come, nothing before the first day there is, and of a snapshot
    only the slot that is now."""
    last = min(last, slot(dataset, at), slot(dataset, now))
    return max(first, earliest(dataset) if dataset.kind is Kind.SERIES else slot(dataset, now)), last


def _gone(
    dataset: Dataset, keys: tuple[str, ...], first: int, last: int, held: Held, scheduled: int
) -> tuple[Gone, ...]:
    """Slots missed since a key was first held, and the scheduled one if the run came too late for it."""
    if dataset.kind is not Kind.SNAPSHOT or first > last:
        return ()
    lost: dict[Span, list[str]] = {}
    for key in keys:
        own = held.spans.get(key, ())
        for span in gaps(own, min((scheduled, *(max(a, first) for a, _ in own))), last):
            lost.setdefault(span, []).append(key)
    return tuple(Gone(dataset.name, a, b, tuple(own), dataset.repaired_by) for (a, b), own in sorted(lost.items()))


def _going_on(demand: Demand, held: Held) -> list[OpenGroup]:
    """Listings begun in this edition that still have something to tell of what is wanted."""
    begun = [
        part
        for part in held.open_groups
        if not part.ended
        and part.group.dataset == demand.dataset.name
        and part.group.edition.removesuffix(AGAIN) == demand.edition(part.group.last)
        and demand.meets(part.group)
    ]
    lacking = demand.lacking([part.group for part in begun], held.spans)
    return [part for part, wanted in zip(begun, lacking, strict=True) if wanted]


def _cells(group: Group) -> dict[str, tuple[Span, ...]]:
    return dict.fromkeys(group.keys, ((group.first, group.last),))


def _fewest(demand: Demand, whole: list[Group], held: Held, spans: Mapping[str, Sequence[Span]]) -> list[Group]:
    """Groups for what is missing: what is left of the plan from nothing, unless planning anew takes fewer calls.

    So an interrupted backfill goes on with the very requests it began with, and never costs more than it said.
    """
    if not spans:
        return whole
    left = [group for group, wanted in zip(whole, demand.lacking(whole, spans), strict=True) if wanted]
    if not left:
        return []
    spent = {demand.words(part.group) for part in held.open_groups}
    anew = demand.otherwise(demand.groups(spans), spent)
    if spent and any(demand.words(group) in spent for group in left):
        return anew
    return min(left, anew, key=_pages)


def _pages(groups: Iterable[Group]) -> int:
    return sum(group.pages for group in groups)


def _calls(groups: Iterable[tuple[Group, int]]) -> int:
    """Pages from those that are due on; one at least, as far as is known."""
    return sum(max(1, group.first_page + group.pages - page) for group, page in groups)


def _as_plan(
    demand: Demand,
    requests: Requests,
    held: Held,
    whole: list[Group],
    groups: list[tuple[Group, int]],
    gone: tuple[Gone, ...],
) -> Plan:
    """Pieces of groups, each from the page that is due."""
    pieces: list[Piece] = []
    later: list[Piece] = []
    for group, page in groups:
        pages = demand.pages(group, page, held.listing_rows)
        ready = demand.at_once(group, pages)
        pieces += [requests.piece(group, number) for number in ready]
        later += [requests.piece(group, number) for number in pages[len(ready) :]]
    saved = _avoided(demand, requests, held, whole, len(pieces) + len(later)) if held.spans else ()
    paging = demand.dataset.paging
    unknown = paging is not None and paging.depth != 1 and any(piece.group.rows is None for piece in pieces)
    return Plan(tuple(pieces), tuple(later), saved, gone, demand.missing(held.spans), unknown)


def _avoided(demand: Demand, requests: Requests, held: Held, whole: list[Group], calls: int) -> tuple[Piece, ...]:
    """Of the plan from nothing, as many calls as are saved: first those of which all is held."""
    lacking = demand.lacking(whole, held.spans)
    pages = [
        (wanted, group, list(demand.pages(group, group.first_page, held.listing_rows)))
        for wanted, group in zip(lacking, whole, strict=True)
    ]
    spare = sum(len(numbers) for _, _, numbers in pages) - calls
    saved: list[Piece] = []
    for _, group, numbers in sorted(pages, key=lambda part: part[0]):
        if len(saved) >= spare:
            break
        saved += [requests.piece(group, number) for number in numbers[: spare - len(saved)]]
    return tuple(saved)
