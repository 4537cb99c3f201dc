"""The state of one cell that was asked for in vain: the table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sources import registry
from sources.coverage.cell_state import NEVER, Ask, CellState, Place, cell_state, spaced
from sources.planner.held import Absence
from sources.slots import start_of, unix
from tests.sources.buyer import today

SIGNALS = registry.dataset("trading-signals")
GRADE = registry.dataset("tm-grade")
TODAY = today(SIGNALS)
DAY0 = TODAY - 40
"""A day that was closed long ago."""


def ask(day: int, hour: int = 9, *, failed: bool = False) -> Ask:
    return Ask(day, unix(start_of(SIGNALS, day) + timedelta(hours=hour)), failed)


def closed(*days: int) -> list[Ask]:
    """Answers so many days after the first one of a day that was closed by then."""
    return [ask(TODAY + day) for day in days]


CASES = {
    "today's row is not due yet": (TODAY, [ask(TODAY)], Absence.PENDING, TODAY + 1),
    "yesterday's row was due at six": (TODAY - 1, [ask(TODAY)], Absence.UNCONFIRMED, TODAY + 1),
    "at five yesterday's row was not due": (TODAY - 1, [ask(TODAY, 5)], Absence.PENDING, TODAY + 1),
    "within patience it is asked for daily": (TODAY - 2, [ask(TODAY - 1), ask(TODAY)], Absence.UNCONFIRMED, TODAY + 1),
    "closed, asked once: due on the next day": (DAY0, closed(0), Absence.UNCONFIRMED, TODAY + 1),
    "asked twice: due after three more days": (DAY0, closed(0, 1), Absence.UNCONFIRMED, TODAY + 4),
    "asked three times: due after nine more days": (DAY0, closed(0, 1, 4), Absence.UNCONFIRMED, TODAY + 13),
    "asked four times: confirmed": (DAY0, closed(0, 1, 4, 13), Absence.EMPTY, NEVER),
    "answers of one day count once": (DAY0, [ask(TODAY), ask(TODAY, 12)], Absence.UNCONFIRMED, TODAY + 1),
    "answers too close together count once": (DAY0, closed(0, 1, 2, 3), Absence.UNCONFIRMED, TODAY + 4),
    "answers before it was closed don't count": (TODAY - 3, closed(-2, -1, 0), Absence.UNCONFIRMED, TODAY + 1),
    "a failed answer waits for an operator": (DAY0, [ask(TODAY, failed=True)], Absence.FAILED, NEVER),
    "an answer after a failed one counts": (
        DAY0,
        [ask(TODAY, failed=True), ask(TODAY + 1)],
        Absence.UNCONFIRMED,
        TODAY + 2,
    ),
    "a failed answer before it was closed is asked for again": (
        TODAY - 1,
        [ask(TODAY, failed=True)],
        Absence.UNCONFIRMED,
        TODAY + 1,
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_state_follows_from_the_answers(case: str) -> None:
    number, asks, absence, due = CASES[case]
    assert cell_state(SIGNALS, number, asks) == CellState(absence, due)


@pytest.mark.parametrize(
    ("place", "asks", "state"),
    [
        (Place.WAITING, closed(0), CellState(Absence.UNCONFIRMED, NEVER)),
        (Place.BEYOND, closed(0), CellState(Absence.EMPTY, NEVER)),
        (Place.WAITING, closed(0, 1, 4, 13), CellState(Absence.EMPTY, NEVER)),
        (Place.WAITING, [ask(TODAY - 38)], CellState(Absence.UNCONFIRMED, TODAY - 37)),
    ],
    ids=["waits for its neighbour", "follows its neighbour", "confirmed itself", "not closed: waits for nobody"],
)
def test_a_cell_beyond_the_rows_follows_the_one_that_is_nearest(
    place: Place, asks: list[Ask], state: CellState
) -> None:
    assert cell_state(SIGNALS, DAY0, asks, place) == state


def test_an_answer_that_lacked_another_row_proves_nothing() -> None:
    asks = closed(0, 1, 4, 13)
    doubted = frozenset(asks[3:])
    assert cell_state(SIGNALS, DAY0, asks, doubted=doubted) == CellState(Absence.UNCONFIRMED, TODAY + 14)
    assert cell_state(SIGNALS, DAY0, asks, Place.WAITING, frozenset(asks)).due == TODAY + 14


def test_a_snapshot_that_lacks_a_row_was_due_at_once() -> None:
    assert cell_state(GRADE, TODAY, [ask(TODAY)]) == CellState(Absence.UNCONFIRMED, TODAY + 1)


@pytest.mark.parametrize("most", [0, 1, 3, 5])
def test_a_dataset_says_how_often_a_cell_is_asked_for_again(most: int) -> None:
    dataset, day, asks = replace(SIGNALS, asked_again=most), TODAY, list[Ask]()
    while True:
        asks.append(ask(day))
        state = cell_state(dataset, DAY0, asks)
        if state.absence is Absence.EMPTY:
            break
        day = state.due
    assert len(asks) == most + 1
    assert state.due == NEVER


def test_answers_count_that_lie_ever_further_apart() -> None:
    assert spaced(range(100, 200), 5) == [100, 101, 104, 113, 140]
    assert spaced([100, 100, 102], 5) == [100, 102]
    assert spaced([], 5) == []
