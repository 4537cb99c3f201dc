"""An outside judge of x402 clients, `hostile-facilitator`, in two of its modes; `make bench ARGS=judges` has them all.

Takes the seconds that a world in a process of its own needs to start: the judge's server stands between its facilitator
and a seller of the official SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.judges_court import Court, court
from bench.payer_desk import Tollbook


@pytest.fixture(scope="module")
def place() -> Iterator[Court]:
    with court() as opened:
        yield opened


async def buy(place: Court) -> str:
    async with Tollbook(place) as buyer:
        await buyer.try_hard(place.pieces(1)[0], 2)
        return buyer.address


@pytest.mark.parametrize("mode", ["double_402", "reconcile_truncated"])
def test_a_judge_that_settles_and_denies_it_counts_one_payment(place: Court, mode: str) -> None:
    """I1: also while what the chain server says breaks off in the middle."""
    with place.judged(mode) as judge:
        wallet = asyncio.run(buy(place))
    assert (judge.distinct_payments, place.paid(wallet)) == (1, 1)
    assert bool(judge.reconcile_calls) is (mode == "reconcile_truncated")
