"""The first block of a day or a month, found by the times of a few blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random

import pytest

from payer.chain.chain import Head
from payer.elsewhere import CLOSE, first_block
from tests.payer.scripted import ScriptedChain


@dataclass
class Times(ScriptedChain):
    """A chain of which only the blocks' times are asked; counts the requests."""

    of: Callable[[int], int] = lambda number: 2 * number
    asked: int = 0

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        self.asked += 1
        return {number: self.of(number) for number in blocks}


def found(head: int, since: int, of: Callable[[int], int]) -> tuple[int, int]:
    chain = Times(lambda: None, of=of)
    return asyncio.run(first_block(chain, Head(head, of(head), head, of(head)), since)), chain.asked


@pytest.mark.parametrize("seed", range(40))
def test_the_block_is_the_first_one_or_a_few_below_it(seed: int) -> None:
    """On chains of any length and pace, whenever the period began."""
    chance = Random(seed)
    head, pace, start = chance.choice((3, 300, 43_200, 40_000_000)), chance.choice((1, 2, 12)), chance.randrange(10**9)
    drift = chance.randrange(1, 1000)

    def of(number: int) -> int:
        return start + pace * number + number // drift

    right = chance.randrange(head + 1)
    block, asked = found(head, of(right), of)
    assert right - CLOSE <= block <= right
    assert of(block - 1) < of(right) or block == 0
    assert asked <= 8


def test_a_month_of_base_takes_four_requests() -> None:
    block, asked = found(40_000_000, 2 * (40_000_000 - 1_296_000), lambda number: 2 * number)
    assert 40_000_000 - 1_296_000 - CLOSE <= block <= 40_000_000 - 1_296_000
    assert asked <= 4


def test_a_chain_younger_than_the_period_is_read_from_its_first_block() -> None:
    assert found(5_000, 0, lambda number: 1_000 + number)[0] == 0


def test_a_period_that_no_block_has_reached_begins_above_the_head() -> None:
    assert found(5_000, 10_001, lambda number: 2 * number) == (5_001, 0)


def test_blocks_of_one_time_and_a_clock_that_steps_back_end_the_search_all_the_same() -> None:
    """A sandbox may mine a thousand blocks in a second; a server may say anything."""
    assert found(100_000, 7, lambda _: 7)[0] == 0
    chance = Random(1)
    block, asked = found(1_000_000, 500, lambda number: 600 if number == 1_000_000 else chance.randrange(1_000))
    assert 0 <= block <= 1_000_000
    assert asked < 20
