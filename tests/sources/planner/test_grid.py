"""Spans and masks: the arithmetic under the planner."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sources.planner.held import gaps, in_order, merged
from sources.planner.rectangles import grid

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def cells(found: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> set[int]:
    return {number for first, last in found for number in range(first, last + 1)}


@given(spans)
def test_merged_spans_hold_the_same_slots_and_never_touch(found: list[tuple[int, int]]) -> None:
    joined = merged(found)
    assert cells(joined) == cells(found)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(joined))


@given(spans, st.integers(0, 60), st.integers(0, 30))
def test_gaps_are_exactly_what_the_spans_leave_open(found: list[tuple[int, int]], first: int, length: int) -> None:
    last = first + length
    assert cells(gaps(found, first, last)) == set(range(first, last + 1)) - cells(found)


@given(spans, st.integers(0, 60), st.integers(0, 40), st.integers(1, 5))
def test_a_step_is_missing_when_any_demanded_slot_of_it_is(
    found: list[tuple[int, int]], first: int, length: int, step: int
) -> None:
    last = first + length
    made = grid(("7",), first, last, step, {"7": merged(found)})
    lost = {number // step for number in set(range(first, last + 1)) - cells(found)}
    assert {made.origin + int(t) for t in made.missing[0].nonzero()[0]} == lost


def test_keys_come_once_each_and_numbers_by_value() -> None:
    assert in_order(["3375", "99", "3375", "btc", "100"]) == ("99", "100", "3375", "btc")
