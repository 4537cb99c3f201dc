"""Counting what the wallet paid elsewhere before a bill is reserved: how far back, how often, and what stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from payer import elsewhere as counting
from payer.buy.approve import approve
from payer.chain.chain import Head
from payer.context import PayerContext
from payer.elsewhere import FRESH, count_elsewhere, period_start
from payer.payer import Payer
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState, TransferOut
from payer.values.errors import ChainUnreachable, OverBudget
from tests.payer import purchases as p
from tests.payer.scripted import FakeClock, ScriptedChain, ScriptedSeller, chain_view, challenge, context, order

NOW = int(p.NOW.timestamp())
MONTH = int(period_start("month", p.NOW).timestamp())
DAY = int(period_start("day", p.NOW).timestamp())
HEAD, FINAL = 4_000_000, 3_999_900


@dataclass
class Chain(ScriptedChain):
    """A chain of two-second blocks that ends now; keeps what was read."""

    head_number: int = HEAD
    final_number: int = FINAL
    moved: list[TransferOut] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    fails_after: int | None = None

    async def head(self) -> Head:
        self._view()
        return Head(self.head_number, self.time(self.head_number), self.final_number, self.time(self.final_number))

    def time(self, block: int) -> int:
        return NOW - 2 * (HEAD - block)

    def block_of(self, time: int) -> int:
        return HEAD - (NOW - time) // 2

    def pays(self, time: int, value: int = p.PRICE, *, to: str = p.PAYEE, nonce: str | None = None) -> None:
        tx_hash = f"0x{len(self.moved):064x}"
        self.moved.append(TransferOut(tx_hash, 1, self.block_of(time), "0x" + "bb" * 32, to, value, nonce))

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        return {block: self.time(block) for block in blocks}

    async def paid(self, asset: object, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        if self.fails_after is not None and len(self.ranges) >= self.fails_after:
            raise ChainUnreachable("scripted: no logs")
        self.ranges.append((from_block, to_block))
        return [one for one in self.moved if from_block <= one.block_number <= to_block]


@dataclass
class Scene:
    """A home with a new ledger over a wallet with a past."""

    chain: Chain
    at: PayerContext

    def count(self, **policy: object) -> None:
        at = replace(self.at, policy=replace(self.at.policy, **policy))  # type: ignore[arg-type]
        asyncio.run(count_elsewhere(at, at.clock.now(), [p.USDC]))

    @property
    def amounts(self) -> dict[str, int]:
        found = self.at.ledger.elsewhere.totals(
            p.USDC, p.run(), "s", self.at.policy.caps["USDC"], self.at.signer().address
        )
        return {scope: amount for (scope, _), amount in found.items() if not scope.startswith("seller")}

    def wait(self, seconds: float) -> None:
        asyncio.run(self.at.clock.sleep(seconds))


def unused() -> ChainView:
    return chain_view(NonceState.UNUSED, final_time=NOW)


@pytest.fixture
def scene() -> Scene:
    chain = Chain(unused)
    return Scene(chain, context(None, ScriptedSeller([challenge()]), chain, FakeClock()))


def test_a_new_ledger_reads_the_wallets_month_and_knows_which_day_each_transfer_was_made(scene: Scene) -> None:
    scene.chain.pays(MONTH - 2)
    scene.chain.pays(MONTH)
    scene.chain.pays(DAY - 2)
    scene.chain.pays(DAY, nonce="0x" + "cc" * 32)
    scene.chain.pays(NOW)
    scene.count()
    assert scene.amounts == {"day": 2 * p.PRICE, "month": 4 * p.PRICE}
    assert min(scene.chain.ranges)[0] <= scene.chain.block_of(MONTH) <= min(scene.chain.ranges)[0] + 256
    assert max(scene.chain.ranges)[1] == HEAD


def test_the_policy_says_how_far_back(scene: Scene) -> None:
    scene.chain.pays(DAY - 3_600)
    scene.chain.pays(DAY)
    scene.count(count_chain_spend="off")
    assert (scene.chain.ranges, scene.amounts) == ([], {})
    scene.count(count_chain_spend="day")
    assert scene.amounts == {"day": p.PRICE, "month": p.PRICE}
    assert len(scene.chain.ranges) == 1
    scene.count(count_chain_spend="month")
    assert scene.amounts == {"day": p.PRICE, "month": 2 * p.PRICE}


def test_what_was_read_is_kept_and_the_next_count_reads_on_from_the_last_final_block(scene: Scene) -> None:
    scene.count()
    before = len(scene.chain.ranges)
    scene.count()
    assert len(scene.chain.ranges) == before, "within seconds one count holds for several bills"
    scene.wait(FRESH.total_seconds())
    scene.chain.pays(NOW)
    scene.count()
    assert scene.chain.ranges[before:] == [(FINAL + 1, HEAD)]
    assert scene.amounts["day"] == p.PRICE


def test_a_count_that_is_interrupted_goes_on_where_it_ended(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "STRETCH", 400_000)
    scene.chain.pays(MONTH)
    scene.chain.fails_after = 1
    with pytest.raises(ChainUnreachable):
        scene.count()
    assert len(scene.chain.ranges) == 1
    scene.chain.fails_after = None
    scene.count()
    first, second = scene.chain.ranges[:2]
    assert second[0] == first[1] + 1
    assert scene.amounts["month"] == p.PRICE


def test_a_home_that_slept_for_months_does_not_read_them(scene: Scene) -> None:
    scene.count()
    scene.wait(90 * 86_400)
    scene.chain.head_number += 90 * 43_200
    scene.chain.final_number += 90 * 43_200
    before = len(scene.chain.ranges)
    scene.count()
    read = sum(last - first + 1 for first, last in scene.chain.ranges[before:])
    assert read <= 31 * 43_200 + 256


def test_blocks_that_are_not_final_are_read_again_and_what_a_reorg_took_back_counts_no_more(scene: Scene) -> None:
    scene.chain.pays(NOW - 20)
    scene.count()
    assert scene.amounts["day"] == p.PRICE
    scene.chain.moved.clear()
    scene.wait(60)
    scene.count()
    assert scene.amounts.get("day", 0) == 0


def test_where_every_block_is_final_the_newest_are_read_again_all_the_same(scene: Scene) -> None:
    scene.chain.final_number = HEAD
    scene.count(finality="latest")
    scene.wait(60)
    before = len(scene.chain.ranges)
    scene.count(finality="latest")
    assert scene.chain.ranges[before:] == [(HEAD - counting.OVERLAP + 1, HEAD)]


def test_what_the_wallet_sends_to_itself_is_not_spent(scene: Scene) -> None:
    scene.chain.pays(NOW, to=scene.at.signer().address)
    scene.chain.pays(NOW, 0)
    scene.count()
    assert scene.amounts == {}


def test_a_chain_whose_transfers_cannot_be_read_stops_the_bill(scene: Scene) -> None:
    """I9: unknown is not zero. Nothing is reserved, nothing is signed, and the message says what may be done."""
    scene.chain.fails_after = 0

    async def bill() -> None:
        payer = Payer(scene.at)
        await approve(scene.at, p.run(), [order(1)], await payer.quote([order(1)]))

    with pytest.raises(ChainUnreachable, match="what this wallet paid elsewhere this month is unknown") as stopped:
        asyncio.run(bill())
    assert 'count_chain_spend to "day" or "off"' in stopped.value.fix
    assert scene.at.ledger.purchases() == []
    scene.at = replace(scene.at, policy=replace(scene.at.policy, count_chain_spend="off"))
    asyncio.run(bill())
    assert len(scene.at.ledger.purchases()) == 1


def test_a_bill_that_the_wallet_has_no_room_for_is_refused_and_says_where_it_went(scene: Scene) -> None:
    scene.chain.pays(NOW, 5_000_000 - p.PRICE + 1)

    async def bill() -> None:
        await approve(scene.at, p.run(), [order(1)], await Payer(scene.at).quote([order(1)]))

    with pytest.raises(OverBudget, match=r"caps\.USDC\.per_day is 5 USDC.*4\.980001 USDC of it this wallet paid elsew"):
        asyncio.run(bill())


def test_the_first_count_shows_its_progress(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "STRETCH", 400_000)
    seen: list[tuple[int, int]] = []
    scene.at = replace(scene.at, progress=lambda read, of: seen.append((read, of)))
    scene.count()
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] == sum(last - first + 1 for first, last in scene.chain.ranges)
    assert len(seen) == len(scene.chain.ranges) + 1


def test_the_periods_are_those_of_the_caps() -> None:
    at = p.NOW.replace(month=1, day=1, hour=0, minute=0) - timedelta(seconds=1)
    assert f"{period_start('month', at):%Y-%m-%d %H:%M}" == f"{at:%Y-%m}-01 00:00"
    assert f"{period_start('day', at):%Y-%m-%d %H:%M}" == f"{at:%Y-%m-%d} 00:00"


def test_the_policy_defaults_to_the_month(scene: Scene) -> None:
    policy: Policy = scene.at.policy
    assert policy.count_chain_spend == "month"
    assert policy.caps["USDC"].counts_elsewhere
