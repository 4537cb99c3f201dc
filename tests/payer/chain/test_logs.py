"""A token's logs: where they are searched, which count, and which transfer belongs to which nonce."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payer.chain.chain import PAGE_BLOCKS
from payer.chain.logs import read_log
from payer.chain.reader import RpcChain
from payer.values.chain_view import ChainView, NonceState, TransferOut
from payer.values.errors import ChainUnreachable
from tests.payer.chain.chain_reads import ASSET, NONCE, OTHER, ask, look, one
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.offers import PAYEE, STRANGER, USDC, WALLET

LOG_FIELDS = ("address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex", "removed")


def _foreign(change: dict[str, Any]) -> FakeChain:
    """A chain whose server adds a log that was not asked for, changed thus, and whose nonce is unused."""
    fake = FakeChain()
    fake.settle(OTHER, 950)
    extra = {**fake.logs[0], "topics": [*fake.logs[0]["topics"][:2], NONCE], **change}
    fake.lie = lambda method, _params, result: [extra, *result] if method == "eth_getLogs" else result
    return fake


@pytest.mark.parametrize(
    "change",
    [{"address": STRANGER}, {"blockNumber": hex(10)}, {"removed": True}, {"topics": ["0x" + "11" * 32]}],
    ids=["another contract", "outside the page", "removed", "another event"],
)
def test_a_log_that_was_not_asked_for_proves_nothing(change: dict[str, Any]) -> None:
    views = look(_foreign(change), NONCE, OTHER)
    assert (views[NONCE].state, views[NONCE].settlement) == (NonceState.UNUSED, None)
    assert views[OTHER].settlement is not None


def test_logs_that_come_twice_count_once() -> None:
    fake = FakeChain(lie=lambda method, _params, result: result * 2 if method == "eth_getLogs" else result)
    fake.settle(NONCE, 950)
    settlement = one(fake).settlement
    assert settlement is not None
    assert len(ask(fake, lambda chain: chain.transfers(ASSET, WALLET.address, 0, 1000))) == 1


class TestSeveralInOneTransaction:
    """A facilitator may batch: each authorization keeps its own transfer."""

    def test_each_nonce_gets_the_transfer_that_follows_it(self) -> None:
        fake = FakeChain()
        fake.mine(950, fake.used(NONCE), fake.transfer(1), fake.used(OTHER), fake.transfer(2, STRANGER))
        views = look(fake, NONCE, OTHER)
        values = {
            name: (view.settlement.value, view.settlement.pay_to) for name, view in views.items() if view.settlement
        }
        assert values == {NONCE: (1, PAYEE), OTHER: (2, STRANGER)}

    def test_a_token_that_transfers_first_is_understood(self) -> None:
        fake = FakeChain()
        fake.mine(950, fake.transfer(7), fake.used(NONCE))
        settlement = one(fake).settlement
        assert settlement is not None
        assert settlement.value == 7

    def test_a_plain_transfer_before_is_not_taken_for_the_payment(self) -> None:
        fake = FakeChain()
        fake.mine(950, fake.transfer(9, STRANGER), fake.used(NONCE), fake.transfer(1))
        settlement = one(fake).settlement
        assert settlement is not None
        assert (settlement.value, settlement.pay_to) == (1, PAYEE)


class TestSearch:
    def test_a_nonce_is_searched_from_the_block_it_was_signed_at(self) -> None:
        fake = FakeChain(head=100_000, final=99_990)
        fake.settle(NONCE, 50_010)
        assert one(fake, start=50_000).settlement is not None
        pages = [params[0] for method, params in fake.calls if method == "eth_getLogs"]
        assert [int(page["fromBlock"], 16) for page in pages] == [50_000]

    def test_a_nonce_whose_block_is_lost_is_searched_from_the_head_down(self) -> None:
        fake = FakeChain(head=100_000, final=99_990)
        fake.settle(NONCE, 85_000)
        assert one(fake, start=None).settlement is not None
        pages = [int(params[0]["toBlock"], 16) for method, params in fake.calls if method == "eth_getLogs"]
        assert pages == sorted(pages, reverse=True)
        assert 2 <= len(pages) <= 3

    def test_no_page_is_wider_than_servers_allow(self) -> None:
        fake = FakeChain(head=100_000, final=99_990)
        fake.settle(NONCE, 60_000)
        one(fake, start=None)
        for method, params in fake.calls:
            if method == "eth_getLogs":
                width = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
                assert 1 <= width <= PAGE_BLOCKS

    def test_a_page_that_the_server_finds_too_large_is_halved(self) -> None:
        fake = FakeChain(head=20_000, final=19_990, widest_page=1000)
        fake.settle(NONCE, 15_000)
        assert one(fake, start=12_000).settlement is not None

    @pytest.mark.parametrize(("multicall", "posts"), [(True, 22), (False, 42)])
    def test_a_thousand_nonces_cost_a_few_round_trips(self, multicall: bool, posts: int) -> None:
        names = ["0x" + f"{number:064x}" for number in range(1, 1001)]
        fake = FakeChain(multicall=multicall)
        for number, name in enumerate(names):
            if number % 2:
                fake.settle(name, 950 + number % 40)
        views = look(fake, *names)
        assert sum(view.settlement is not None for view in views.values()) == 500
        assert {name for name, view in views.items() if view.state is NonceState.UNUSED} == set(names[::2])
        assert max(fake.sizes) <= 100
        assert fake.posts <= posts

    def test_the_size_of_a_batch_is_policys(self) -> None:
        fake = FakeChain(multicall=False)
        look(fake, *("0x" + f"{number:064x}" for number in range(25)), network="rpc_batch = 10")
        assert max(fake.sizes) == 10


class TestTransfers:
    def transfers(self, fake: FakeChain, first: int = 0, last: int = 1000) -> list[TransferOut]:
        return ask(fake, lambda chain: chain.transfers(ASSET, WALLET.address, first, last))

    def test_every_transfer_out_is_listed_with_the_nonce_that_authorized_it(self) -> None:
        fake = FakeChain()
        paid = fake.settle(NONCE, 100, value=5)
        plain = fake.mine(200, fake.transfer(6, STRANGER))
        batch = fake.mine(150, fake.used(OTHER), fake.transfer(7), fake.transfer(8, STRANGER))
        found = [(out.tx_hash, out.block_number, out.value, out.nonce) for out in self.transfers(fake)]
        assert found == [(paid, 100, 5, NONCE), (batch, 150, 7, OTHER), (batch, 150, 8, None), (plain, 200, 6, None)]

    def test_transfers_in_and_of_others_are_not_listed(self) -> None:
        fake = FakeChain()
        fake.mine(100, fake.transfer(5, WALLET.address, sender=STRANGER))
        fake.mine(100, fake.transfer(5), address=STRANGER)
        assert self.transfers(fake) == []

    def test_both_ends_are_included_and_nothing_beyond(self) -> None:
        fake = FakeChain()
        for block in (99, 100, 101, 199, 200, 201):
            fake.mine(block, fake.transfer(block))
        assert [out.block_number for out in self.transfers(fake, 100, 200)] == [100, 101, 199, 200]

    def test_many_pages_are_one_list(self) -> None:
        fake = FakeChain(head=40_000, final=39_990)
        for block in (0, 8_999, 9_000, 17_999, 18_000, 39_999):
            fake.mine(block, fake.transfer(1))
        assert [out.block_number for out in self.transfers(fake, 0, 40_000)] == [0, 8999, 9000, 17999, 18000, 39999]

    def test_a_cancelled_authorization_is_no_transfer(self) -> None:
        fake = FakeChain()
        fake.cancel(NONCE, 100)
        assert self.transfers(fake) == []


def _good_log() -> dict[str, Any]:
    fake = FakeChain()
    fake.settle(NONCE, 950)
    return fake.logs[1]


GOOD_LOG = _good_log()
HEX = st.sampled_from(["0x0", "0x1", "0x3e8", "0x" + "ab" * 32, "0x", "0x-1", "", USDC, NONCE])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HEX | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(LOG_FIELDS), inner, max_size=6),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from(LOG_FIELDS), JSON)
def test_any_log_is_a_log_or_nothing_or_unbelievable(entry: Any, field: str, value: Any) -> None:
    """I9: whatever a server writes, the only error is ChainUnreachable."""
    for candidate in (entry, {**GOOD_LOG, field: value}):
        with contextlib.suppress(ChainUnreachable):
            log = read_log(candidate, ASSET)
            assert log is None or (log.value >= 0 and len(log.topics) == 3)


def test_a_search_says_how_far_it_is_after_each_page() -> None:
    """Downwards from the head, page by page, until every nonce has its log; each server names itself."""
    fake, shown = FakeChain(head=40_000, final=39_990), dict[str, list[tuple[int, int]]]()
    fake.settle(NONCE, 20_000)

    async def search(chain: RpcChain) -> ChainView:
        chain.watch(lambda server: lambda read, of: shown.setdefault(server, []).append((read, of)))
        return (await chain.look(ASSET, WALLET.address, {NONCE: None}))[NONCE]

    assert ask(fake, search, "lookback_blocks = 30000").settlement is not None
    [(server, pages)] = shown.items()
    assert server.startswith("127.0.0.1:")
    assert pages == [(0, 30_001), (3_001, 30_001), (12_001, 30_001), (21_001, 30_001)]
