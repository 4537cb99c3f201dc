"""The fewest pages: every missing cell covered, within the limits, and compared to an integer program's optimum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.planner_exact import Least, fewest_pages, lower_bound
from sources.planner.rectangles import PAGES, Block, CallLimits, call_tables, calls_of, covering_blocks, split
from tests.scale import LONG

Mask = npt.NDArray[np.bool_]
DAILY = CallLimits(page_rows=100, step_rows=1, width=29, ids=100)
HOURLY = CallLimits(page_rows=100, step_rows=24, width=29, ids=100)


def calls(missing: Mask, limits: CallLimits = DAILY) -> int:
    return sum(calls_of(limits, block) for block in covering_blocks(missing, limits))


def full(keys: int, steps: int) -> Mask:
    return np.ones((keys, steps), dtype=np.bool_)


@st.composite
def masks(draw: st.DrawFn, keys: int = 12, steps: int = 70) -> Mask:
    """Holes of every density, some keys and days whole."""
    shape = draw(st.integers(1, keys)), draw(st.integers(1, steps))
    seed, density = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.02, 0.1, 0.3, 0.7, 1.0]))
    missing = np.random.default_rng(seed).random(shape) < density
    missing[:, draw(st.integers(0, shape[1])) :] |= draw(st.booleans())
    return missing


@settings(max_examples=40, deadline=None)
@given(
    masks(),
    st.sampled_from([DAILY, HOURLY, CallLimits(100, 1, 29, 4), CallLimits(10, 1, 7, 100), CallLimits(50, 1, 365, 1)]),
)
def test_every_missing_cell_is_covered_inside_the_limits(missing: Mask, limits: CallLimits) -> None:
    covered = np.zeros_like(missing)
    for block in covering_blocks(missing, limits):
        assert 1 <= block.steps <= limits.width
        assert len(block.keys) <= limits.ids
        covered[list(block.keys), block.first : block.last + 1] = True
    assert covered[missing].all()


@settings(max_examples=25, deadline=None)
@given(masks())
def test_the_same_mask_always_makes_the_same_blocks(missing: Mask) -> None:
    assert covering_blocks(missing, DAILY) == covering_blocks(missing.copy(), DAILY)


@settings(max_examples=40, deadline=None)
@given(masks())
def test_never_fewer_calls_than_the_lower_bound(missing: Mask) -> None:
    assert lower_bound(missing, DAILY) <= calls(missing)


@settings(max_examples=40, deadline=None)
@given(masks())
def test_never_worse_than_asking_token_by_token(missing: Mask) -> None:
    alone = sum(calls(row[None]) for row in missing)
    assert calls(missing) <= alone


@pytest.mark.parametrize("keys", [1, 2, 3, 4, 5, 7, 10, 13, 17, 29, 34, 50, 67, 100, 101, 333])
@pytest.mark.parametrize("steps", [1, 2, 7, 29, 30, 90, 365])
def test_dense_demands_cost_at_most_a_twentieth_over_the_bound(keys: int, steps: int) -> None:
    least = max(-(-keys * steps // 100), -(-steps // 29))
    assert calls(full(keys, steps)) <= max(least, int(least * 1.05))


@pytest.mark.parametrize(("keys", "steps"), [(10, 10), (50, 365), (4, 25), (100, 3)])
def test_pages_stand_alone_where_chained_ones_save_nothing(keys: int, steps: int) -> None:
    """A page that no other page can shift is worth more than a full group."""
    assert all(calls_of(DAILY, block) == 1 for block in covering_blocks(full(keys, steps), DAILY))


def test_pages_are_chained_where_that_saves_a_call() -> None:
    assert calls(full(13, 29)) == 4
    assert max(calls_of(DAILY, block) for block in covering_blocks(full(13, 29), DAILY)) > 1


def test_hours_asked_for_by_the_day_fill_their_pages() -> None:
    assert calls(full(4, 1), HOURLY) == 1
    assert calls(full(25, 25), HOURLY) == 150


@pytest.mark.parametrize("limits", [DAILY, HOURLY, CallLimits(100, 1, 29, 7)])
@pytest.mark.parametrize("steps", [1, 3, 9, 23, 29])
def test_prices_of_the_table_are_what_the_groups_cost(limits: CallLimits, steps: int) -> None:
    table, _ = call_tables(limits, 300, 29)
    for keys in range(1, 301):
        sizes = split(limits, keys, steps)
        assert sum(sizes) == keys
        assert max(sizes) <= limits.ids
        assert sum(limits.pages(size, steps) for size in sizes) == table[steps - 1, keys]
        assert max(limits.pages(size, steps) for size in sizes) <= max(PAGES, limits.pages(1, steps))


def holes(seed: int, keys: int, steps: int, density: float) -> Mask:
    return np.random.default_rng(seed).random((keys, steps)) < density


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(holes(1, 4, 30, 0.2), id="four tokens with holes"),
        pytest.param(holes(2, 6, 24, 0.1), id="six tokens with few holes"),
        pytest.param(holes(3, 9, 20, 0.5), id="nine tokens, half missing"),
        pytest.param(full(7, 15), id="seven tokens dense"),
        pytest.param(full(13, 20), id="thirteen tokens dense"),
    ],
)
def test_small_demands_reach_the_optimum_of_an_integer_program(missing: Mask) -> None:
    least = fewest_pages(missing, DAILY, seconds=120)
    assert least.proven
    assert calls(missing) == least.pages


@pytest.mark.parametrize(
    ("missing", "proven"),
    [
        pytest.param(np.triu(full(8, 40), 10), 3, id="listed one after another"),
        pytest.param(holes(0, 13, 45, 0.03) | (np.arange(45) >= 29), 4, id="old strays and a new fortnight"),
    ],
)
def test_demands_that_take_the_program_seconds_reach_the_optimum_that_it_has_proven(missing: Mask, proven: int) -> None:
    """With SCALE it proves them again."""
    assert calls(missing) == proven
    if LONG:
        assert fewest_pages(missing, DAILY, seconds=120) == Least(proven, proven)


def test_pages_with_room_left_reach_back_for_ten_keys_new_to_a_watch_list() -> None:
    """The lower bound, 38 calls: by whole windows alone it would be 39."""
    missing = np.zeros((60, 365), dtype=np.bool_)
    missing[50:] = True
    missing[:, -2:] = True
    assert calls(missing) == lower_bound(missing, DAILY) == 38


def test_a_last_page_with_room_reaches_back_for_the_keys_that_miss_most_there() -> None:
    """Fourteen keys × nine days leave room on the second page: three keys of them can be asked for over 29 days."""
    missing = np.zeros((14, 40), dtype=np.bool_)
    missing[:, -9:] = True
    missing[[5, 10], [20, 13]] = True
    assert covering_blocks(missing, DAILY) == [
        Block(13, 39, (5, 10, 13)),
        Block(31, 39, (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12)),
    ]


def test_windows_are_shared_by_all_keys_where_reaching_back_saves_no_call() -> None:
    missing = np.zeros((14, 60), dtype=np.bool_)
    missing[:, -9:] = True
    missing[[2, 5], [3, 45]] = True
    missing[9, 5] = True
    assert [block.first for block in covering_blocks(missing, DAILY)] == [3, 45, 51, 51]


@pytest.mark.parametrize("limits", [DAILY, HOURLY, CallLimits(100, 1, 29, 7)])
@pytest.mark.parametrize("steps", [1, 3, 9, 23, 29])
def test_the_longest_window_for_the_same_pages_is_one_step_short_of_another_page(
    limits: CallLimits, steps: int
) -> None:
    for keys in range(1, limits.ids + 1):
        longest = limits.longest(keys, steps)
        assert steps <= longest <= limits.width
        assert limits.pages(keys, longest) == limits.pages(keys, steps)
        assert longest == limits.width or limits.pages(keys, longest + 1) > limits.pages(keys, steps)
