"""Cells that a run asked for and did not get: which count, and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sources import registry
from sources.coverage.cell_state import NEVER
from sources.planner.held import Absence, AbsentCells
from tasks.buy.bill import Line
from tasks.buy.outcome_builder import unconfirmed_of
from tests.sources.buyer import AT, today

TODAY = today(registry.dataset("trading-signals"))


def bought(dataset: str, keys: list[str], first: int, last: int) -> Any:
    context = {"keys": keys, "first": first, "last": last}
    return SimpleNamespace(order=SimpleNamespace(dataset=dataset, context=context))


def absent(key: str, first: int, last: int, absence: Absence = Absence.UNCONFIRMED, **more: Any) -> AbsentCells:
    fields = {"due": TODAY + 1, **more}
    return AbsentCells(key, first, last, absence, 1, TODAY, int(AT.timestamp()), **fields)


def line(dataset: str, *cells: AbsentCells) -> Line:
    pending = tuple(each for each in cells if each.absence is Absence.PENDING)
    return Line(dataset, 0, (), unconfirmed=tuple(each for each in cells if each not in pending), pending=pending)


def test_only_what_this_run_asked_for_counts() -> None:
    lines = [line("trading-signals", absent("1", TODAY - 9, TODAY - 5), absent("2", TODAY - 9, TODAY - 5))]
    [found] = unconfirmed_of(lines, [bought("trading-signals", ["1"], TODAY - 6, TODAY)])
    assert (found.cells, found.keys, found.span) == (2, ("1",), "2026-11-16 to 2026-11-17")
    assert found.again == "asked for again from 2026-11-23"
    assert unconfirmed_of(lines, [bought("tm-grade-history", ["1"], TODAY - 9, TODAY)]) == ()


def test_days_before_the_first_row_do_not_count() -> None:
    lines = [line("trading-signals", absent("1", TODAY - 9, TODAY - 5, before_first=True))]
    assert unconfirmed_of(lines, [bought("trading-signals", ["1"], TODAY - 9, TODAY)]) == ()


def test_a_snapshot_is_repaired_by_its_history_and_a_failed_answer_by_an_operator() -> None:
    snapshot, failed = absent("1", TODAY, TODAY), absent("1", TODAY - 1, TODAY - 1, Absence.FAILED, due=NEVER)
    lines = [line("tm-grade", snapshot), line("trading-signals", failed)]
    runs = [bought("tm-grade", ["1"], TODAY, TODAY), bought("trading-signals", ["1"], TODAY - 1, TODAY)]
    one, two = unconfirmed_of(lines, runs)
    assert "tm-grade-history" in one.again
    assert "--again" in two.again


def test_rows_that_are_not_due_yet_count_where_nothing_came_at_all() -> None:
    """Today's row may come late. That no row came of anything is another matter."""
    pending = absent("1", TODAY, TODAY, Absence.PENDING)
    run = bought("trading-signals", ["1"], TODAY - 1, TODAY)
    assert unconfirmed_of([line("trading-signals", pending)], [run]) == ()
    before = absent("1", TODAY - 1, TODAY - 1, Absence.PENDING)
    [found] = unconfirmed_of([line("trading-signals", pending, before)], [run])
    assert found.cells == 2


def test_a_list_that_never_had_a_row_may_be_empty_and_one_that_had_may_not() -> None:
    """An index without members is no fault; one whose members are gone is worth a word."""
    run = bought("indices-holdings", ["9"], TODAY, TODAY)
    assert unconfirmed_of([line("indices-holdings", absent("9", TODAY, TODAY, never=True))], [run]) == ()
    [found] = unconfirmed_of([line("indices-holdings", absent("9", TODAY, TODAY))], [run])
    assert found.again == "they can't be bought any more"
    token = bought("trading-signals", ["9"], TODAY - 1, TODAY - 1)
    assert unconfirmed_of([line("trading-signals", absent("9", TODAY - 1, TODAY - 1, never=True))], [token])
