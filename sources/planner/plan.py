"""From wanted cells and held cells to the fewest requests. Pure and deterministic.

A plan's pieces can be bought now, in any order. Further pages of a group follow once the pages before them are
loaded: buy, load, plan again, until there are no pieces. `Plan.calls` counts them all, as far as is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sources.model import EVERYTHING, Dataset, Kind
from sources.planner.demand import Demand
from sources.planner.held import Absence, AbsentCells, HeldCells, OpenGroup, Span, gaps, in_order, union
from sources.planner.pieces import Group, Piece, write_piece
from sources.slots import earliest, is_listing, slot


@dataclass(frozen=True, slots=True)
class LostCells:
    """Keys × slots of a snapshot that were missed and that no seller sells any more."""

    first: int
    last: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests to buy `pieces` now and `later` the pages that follow them.

    `avoided` are calls that held cells save. `missing_cells` counts wanted cells that can be bought and are not held.
    `open_ended`: it has a listing of unknown length, which may take more pages; `may_grow`: also one of known length,
    whose rows may move while it is read. `most_calls` is the declared limit of either, None without one.
    `unconfirmed` are wanted cells that were asked for and not delivered, also those not due again yet, `pending` those
    whose row was not due either; `confirmed_empty` counts those that enough answers agree on.
    """

    pieces: tuple[Piece, ...]
    later: tuple[Piece, ...] = ()
    avoided: tuple[Piece, ...] = ()
    lost: tuple[LostCells, ...] = ()
    missing_cells: int = 0
    open_ended: bool = False
    may_grow: bool = False
    most_calls: int | None = None
    unconfirmed: tuple[AbsentCells, ...] = ()
    pending: tuple[AbsentCells, ...] = ()
    confirmed_empty: int = 0

    @property
    def calls(self) -> int:
        return len(self.pieces) + len(self.later)


def plan(
    dataset: Dataset,
    keys: Iterable[str],
    first: int,
    last: int,
    held: HeldCells,
    at: datetime,
    now: datetime,
    max_rows: int | None = None,
    again: bool = False,
) -> Plan:
    """Plan what to buy so that every cell of keys × first…last (slots, both inclusive) is held.

    `at` is the scheduled time: editions come from it, and no later slot is bought. `now` is the clock: a snapshot's
    slot that has passed is lost. `max_rows` lowers the rows of a page. `again`: an operator asks for all cells once
    more, held or not.
    """
    wanted = in_order(keys) if dataset.key_column else (EVERYTHING,)
    lost = _lost_cells(dataset, wanted, first, min(last, slot(dataset, now) - 1), held, slot(dataset, at))
    absent = _absent_in(held, wanted, first, last)
    first, last = _on_sale(dataset, first, last, at, now)
    if first > last or not wanted:
        return _counted(Plan((), lost=lost), absent)
    sizes = [size for size in (max_rows, held.page_rows) if size is not None]
    demand = Demand(dataset, wanted, first, last, at, min(sizes, default=None), _asked(held), again)
    found = _all_again(demand, held) if again else _missing(demand, held, lost)
    return _counted(found, absent)


def _missing(demand: Demand, held: HeldCells, lost: tuple[LostCells, ...]) -> Plan:
    """The plan for cells that are not held."""
    whole = demand.groups({})
    begun = _begun(demand, held)
    groups = _with_begun(demand, whole, held, begun)
    inside = [part for part in begun if demand.contains(part.group)]
    if len(inside) < len(begun):
        groups = min(groups, _with_begun(demand, whole, held, inside), key=_calls)
    return _as_plan(demand, held, whole, groups, lost)


def _all_again(demand: Demand, held: HeldCells) -> Plan:
    """The plan from nothing, in the edition of the day, without the groups that are complete in it."""
    begun = {part.group.id: part for part in held.open_groups}
    groups = [group for group in demand.groups({}) if group.id not in held.complete]
    groups = [group for group in groups if group.id not in begun or not begun[group.id].ended]
    pages = [(group, group.first_page + (len(begun[group.id].pages) if group.id in begun else 0)) for group in groups]
    found = _as_plan(demand, HeldCells(), [], pages, ())
    cells = sum(len(group.keys) * (group.last - group.first + 1) for group in groups)
    return replace(found, missing_cells=cells)


def _absent_in(held: HeldCells, keys: Iterable[str], first: int, last: int) -> tuple[AbsentCells, ...]:
    """The cells of keys × first…last that were asked for and not delivered."""
    return tuple(
        replace(cells, first=max(cells.first, first), last=min(cells.last, last))
        for key in keys
        for cells in held.absent.get(key, ())
        if cells.first <= last and cells.last >= first
    )


def _asked(held: HeldCells) -> dict[str, list[Span]]:
    """Cells whose absence was closed when it was answered: the same request as `final` would get the same answer."""
    return {
        key: spans
        for key, cells in held.absent.items()
        if (spans := [(each.first, each.last) for each in cells if each.closed])
    }


def _counted(plan: Plan, absent: Iterable[AbsentCells]) -> Plan:
    """The plan with the absent cells of its demand: those to be confirmed, and how many are confirmed."""
    cells = tuple(absent)
    unconfirmed = tuple(each for each in cells if each.absence in (Absence.UNCONFIRMED, Absence.FAILED))
    empty = sum(each.slots for each in cells if each.absence is Absence.EMPTY)
    pending = tuple(each for each in cells if each.absence is Absence.PENDING)
    return replace(plan, unconfirmed=unconfirmed, pending=pending, confirmed_empty=empty)


def _with_begun(demand: Demand, whole: list[Group], held: HeldCells, begun: list[OpenGroup]) -> list[tuple[Group, int]]:
    """Groups to buy and the page each starts from: first the rest of groups that were begun, then what they leave."""
    promised = union(held, *(HeldCells(_cells(part.group)) for part in begun)).spans if begun else held.spans
    groups = [(part.group, part.group.first_page + len(part.pages)) for part in begun]
    return groups + [(group, group.first_page) for group in _for_missing(demand, whole, held, promised)]


def _for_missing(
    demand: Demand, whole: list[Group], held: HeldCells, spans: Mapping[str, Sequence[Span]]
) -> list[Group]:
    """Groups for missing cells.

    Cells that a shift may have hidden get groups of their own where that takes no more calls: read page by page, such
    a group mostly ends at its first page.
    """
    repairs = _repairs(demand, held, spans)
    if not repairs:
        return _fewest(demand, whole, held, spans)
    promised = union(HeldCells(spans), *(HeldCells(_cells(group)) for group in repairs)).spans
    apart = repairs + _fewest(demand, whole, held, promised)
    if demand.dataset.kind is not Kind.SERIES:
        return apart
    return min(apart, _fewest(demand, whole, held, spans), key=_pages)


def _repairs(demand: Demand, held: HeldCells, spans: Mapping[str, Sequence[Span]]) -> list[Group]:
    """Groups that ask again for the unknown cells of listings that shifted, by requests that were not made before."""
    ended = [part for part in held.open_groups if part.ended and demand.overlaps(part.group)]
    ended = [part for part in ended if part.group.dataset == demand.dataset.name]
    missing = demand.has_missing([part.group for part in ended], spans)
    made = {demand.request_key(part.group) for part in held.open_groups}
    repairs = [
        demand.repair(part.group, len(part.pages), spans)
        for part, is_missing in zip(ended, missing, strict=True)
        if is_missing
    ]
    return [group for group in dict.fromkeys(repairs) if demand.request_key(group) not in made]


def _on_sale(dataset: Dataset, first: int, last: int, at: datetime, now: datetime) -> Span:
    """The part of first…last that is on sale: no slot to come, none before the first one sold, and of a snapshot only
    the current slot. A listing's answer reaches to now: late runs find what the first of them brought."""
    current = slot(dataset, now)
    last = current if is_listing(dataset) and last >= slot(dataset, at) else min(last, slot(dataset, at), current)
    return max(first, earliest(dataset) if dataset.kind is Kind.SERIES else slot(dataset, now)), last


def _lost_cells(
    dataset: Dataset, keys: tuple[str, ...], first: int, last: int, held: HeldCells, scheduled: int
) -> tuple[LostCells, ...]:
    """A snapshot's slots missed since a key was first held, and the scheduled one if the run came too late for it."""
    if dataset.kind is not Kind.SNAPSHOT or first > last:
        return ()
    lost: dict[Span, list[str]] = {}
    for key in keys:
        spans = held.spans.get(key, ())
        for span in gaps(spans, min((scheduled, *(max(start, first) for start, _ in spans))), last):
            lost.setdefault(span, []).append(key)
    return tuple(LostCells(*span, tuple(missed)) for span, missed in sorted(lost.items()))


def _begun(demand: Demand, held: HeldCells) -> list[OpenGroup]:
    """Groups that were begun in this edition, are not ended, and have missing cells of the demand."""
    begun = [
        part
        for part in held.open_groups
        if not part.ended
        and part.group.dataset == demand.dataset.name
        and demand.may_continue(part.group)
        and demand.overlaps(part.group)
    ]
    missing = demand.has_missing([part.group for part in begun], held.spans)
    return [part for part, is_missing in zip(begun, missing, strict=True) if is_missing]


def _cells(group: Group) -> dict[str, tuple[Span, ...]]:
    return dict.fromkeys(group.keys, ((group.first, group.last),))


def _fewest(demand: Demand, whole: list[Group], held: HeldCells, spans: Mapping[str, Sequence[Span]]) -> list[Group]:
    """Groups for missing cells: what is left of the plan from nothing, unless a fresh plan takes fewer calls.

    An interrupted backfill therefore goes on with the very requests it began with, and never costs more than its bill.
    """
    if not spans:
        return whole
    left = [group for group, is_missing in zip(whole, demand.has_missing(whole, spans), strict=True) if is_missing]
    if not left:
        return []
    made = {demand.request_key(part.group) for part in held.open_groups}
    fresh = demand.split_made(demand.groups(spans), made)
    if made and any(demand.request_key(group) in made for group in left):
        return fresh
    return min(left, fresh, key=_pages)


def _pages(groups: Iterable[Group]) -> int:
    return sum(group.pages for group in groups)


def _calls(groups: Iterable[tuple[Group, int]]) -> int:
    """Calls for each group from its page on, as far as is known; at least one each."""
    return sum(max(1, group.first_page + group.pages - page) for group, page in groups)


def _as_plan(
    demand: Demand, held: HeldCells, whole: list[Group], groups: list[tuple[Group, int]], lost: tuple[LostCells, ...]
) -> Plan:
    """The pieces of groups, each from its page on."""
    pieces: list[Piece] = []
    later: list[Piece] = []
    for group, page in groups:
        pages = demand.pages(group, page, held.listing_rows)
        ready = demand.at_once(group, pages)
        pieces += [write_piece(demand.dataset, group, number) for number in ready]
        later += [write_piece(demand.dataset, group, number) for number in pages[len(ready) :]]
    avoided = _avoided(demand, held, whole, len(pieces) + len(later)) if held.spans else ()
    paging = demand.dataset.paging
    open_ended = paging is not None and paging.depth != 1 and any(piece.group.rows is None for piece in pieces)
    may_grow = open_ended or (is_listing(demand.dataset) and bool(pieces))
    most = max(paging.depth * len(groups), len(pieces) + len(later)) if paging and paging.depth else None
    missing = demand.missing(held.spans)
    return Plan(tuple(pieces), tuple(later), avoided, lost, missing, open_ended, may_grow, most)


def _avoided(demand: Demand, held: HeldCells, whole: list[Group], calls: int) -> tuple[Piece, ...]:
    """As many pieces of the plan from nothing as calls are saved: first those that are wholly held.

    A call that is left out because its cells are not due again yet has saved nothing.
    """
    missing = demand.has_missing(whole, held.spans)
    if held.absent and held.known is not None:
        unknown = demand.has_missing(whole, held.known)
        kept = [index for index, is_unknown in enumerate(unknown) if missing[index] or not is_unknown]
        whole, missing = [whole[index] for index in kept], [missing[index] for index in kept]
    pages = [
        (is_missing, group, list(demand.pages(group, group.first_page, held.listing_rows)))
        for is_missing, group in zip(missing, whole, strict=True)
    ]
    spare = sum(len(numbers) for _, _, numbers in pages) - calls
    avoided: list[Piece] = []
    for _, group, numbers in sorted(pages, key=lambda part: part[0]):
        if len(avoided) >= spare:
            break
        avoided += [write_piece(demand.dataset, group, number) for number in numbers[: spare - len(avoided)]]
    return tuple(avoided)
