"""The absent cells of one key: where its rows begin and end, which cells wait for others, and what is doubted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sources import registry
from sources.coverage.absences import AbsentSpan, key_absences
from sources.coverage.cell_state import NEVER, Ask
from sources.planner.held import Absence, AbsentCells, Span
from sources.slots import start_of, unix
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys
from tests.sources.coverage.test_cell_state import DAY0, GRADE, SIGNALS, TODAY, ask

HISTORY = registry.dataset("tm-grade-history")


def lacking(first: int, last: int, *days: int) -> list[AbsentSpan]:
    return [AbsentSpan("1", first, last, ask(TODAY + day)) for day in days]


def states(cells: Iterable[AbsentCells]) -> list[tuple[int, int, str, int]]:
    return [(cell.first - DAY0, cell.last - DAY0, cell.absence.value, cell.due) for cell in cells]


def test_of_the_days_before_the_first_row_only_the_nearest_is_asked_for_again() -> None:
    found = key_absences(SIGNALS, lacking(DAY0, DAY0 + 9, 0), [], (DAY0 + 10, DAY0 + 20))
    assert states(found.cells) == [(0, 8, "unconfirmed", NEVER), (9, 9, "unconfirmed", TODAY + 1)]
    assert all(cell.before_first for cell in found.cells)


def test_once_the_nearest_is_confirmed_all_days_before_it_are() -> None:
    facts = [*lacking(DAY0, DAY0 + 9, 0), *lacking(DAY0 + 9, DAY0 + 9, 1, 4, 13)]
    found = key_absences(SIGNALS, facts, [], (DAY0 + 10, DAY0 + 20))
    assert states(found.cells) == [(0, 9, "confirmed empty", NEVER)]
    assert found.resting is None


def test_a_row_where_none_was_said_to_be_puts_the_whole_answer_in_doubt() -> None:
    """A window that came empty by mistake: its last day, asked for again, has a row. Now all its days are due."""
    found = key_absences(SIGNALS, lacking(DAY0, DAY0 + 9, 0), [(DAY0 + 9, DAY0 + 9)], (DAY0 + 9, DAY0 + 20))
    assert states(found.cells) == [(0, 8, "unconfirmed", TODAY + 1)]


def test_a_hole_between_rows_is_asked_for_on_its_own() -> None:
    found = key_absences(SIGNALS, lacking(DAY0 + 3, DAY0 + 4, 0), [], (DAY0, DAY0 + 20))
    assert states(found.cells) == [(3, 4, "unconfirmed", TODAY + 1)]
    assert not found.cells[0].before_first


def test_a_key_whose_rows_have_ended_is_looked_for_every_nine_days() -> None:
    facts = [*lacking(DAY0 + 21, DAY0 + 21, 0, 1, 4, 13), *lacking(DAY0 + 22, DAY0 + 30, 13)]
    found = key_absences(SIGNALS, facts, [], (DAY0, DAY0 + 20))
    assert {state for _, _, state, _ in states(found.cells)} == {"confirmed empty"}
    assert found.resting is not None
    assert (found.resting.first, found.resting.due) == (DAY0 + 31, TODAY + 22)


def test_a_key_that_never_had_a_row_is_given_up_by_one_of_its_days() -> None:
    """Each day brings a new cell, and yet one of them alone is asked for again."""
    facts = [*lacking(DAY0, DAY0, 0, 1), *lacking(DAY0 + 1, DAY0 + 1, 1)]
    found = key_absences(SIGNALS, facts, [])
    assert states(found.cells) == [(0, 0, "unconfirmed", TODAY + 4), (1, 1, "unconfirmed", NEVER)]
    given_up = key_absences(SIGNALS, [*facts, *lacking(DAY0, DAY0, 4, 13)], [])
    assert {cell.absence for cell in given_up.cells} == {Absence.EMPTY}
    assert given_up.resting is not None


def test_the_order_of_the_facts_does_not_matter() -> None:
    facts = [*lacking(DAY0, DAY0 + 9, 0), *lacking(DAY0 + 4, DAY0 + 9, 1, 4), *lacking(DAY0 + 9, DAY0 + 12, 13)]
    rows: list[Span] = [(DAY0 + 2, DAY0 + 2), (DAY0 + 11, DAY0 + 11)]
    assert key_absences(SIGNALS, facts, rows) == key_absences(SIGNALS, facts[::-1], rows[::-1])


def test_days_of_a_snapshot_are_confirmed_by_the_days_after_them() -> None:
    """They can't be asked for again; that the key is still missing says as much."""
    facts = [AbsentSpan("1", day, day, ask(day)) for day in range(TODAY - 20, TODAY + 1)]
    found = key_absences(GRADE, facts, [], (TODAY - 30, TODAY - 21))
    assert {cell.last - TODAY for cell in found.cells if cell.absence is Absence.UNCONFIRMED} == set()
    assert found.resting is not None
    few = key_absences(GRADE, facts[:5], [], (TODAY - 30, TODAY - 21))
    assert {cell.absence for cell in few.cells} == {Absence.UNCONFIRMED}


def test_a_hole_in_a_snapshot_stays_unconfirmed() -> None:
    [cell] = key_absences(GRADE, [AbsentSpan("1", TODAY - 5, TODAY - 5, ask(TODAY - 5))], [], (TODAY - 9, TODAY)).cells
    assert (cell.absence, cell.before_first) == (Absence.UNCONFIRMED, False)


def test_a_row_that_had_not_settled_does_not_end_the_question() -> None:
    """Today's row was there, and a later answer has none of that day: it is asked for until that is settled."""
    rows = dense(keys(1), TODAY - 5, TODAY)
    buyer = Buyer(SellerListing(SIGNALS, rows))
    buyer.fill(keys(1), TODAY - 5, TODAY)
    buyer.market.rows -= {(keys(1)[0], TODAY)}
    days = [
        day
        for day in range(1, 40)
        if buyer.fill(keys(1), TODAY - 5, TODAY, AT + day * (start_of(SIGNALS, 1) - start_of(SIGNALS, 0)))
    ]
    assert 4 <= len(days) <= 7
    assert max(days) < 30


def test_restated_days_are_looked_at_again_as_declared() -> None:
    """For six days after its own a row may change: each second day it is looked at, the last time when that is over."""
    dataset = replace(HISTORY, restated_for=6, look_again=2)
    buyer = Buyer(SellerListing(dataset, dense(keys(2), TODAY - 20, TODAY + 30)))
    step = start_of(SIGNALS, 1) - start_of(SIGNALS, 0)
    buyer.fill(keys(2), TODAY - 10, TODAY - 1)
    editions = {piece.edition for piece in buyer.market.asked if piece.last < TODAY - 6}
    assert editions <= {"final", f"day:{AT:%Y-%m-%d}"}
    bought = {day: buyer.fill(keys(2), TODAY - 10, TODAY - 1, AT + day * step) for day in range(1, 20)}
    looked = [day for day, calls in bought.items() if calls]
    assert looked == [2, 4, 6]


def test_what_an_answer_said_is_kept_as_a_fact() -> None:
    assert ask(TODAY) == Ask(TODAY, unix(AT), False)
