"""A token's logs: where they are searched, which of them count, and which transfer belongs to which nonce."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payer.chain.chain import TransferOut
from payer.chain.logs import PAGE_BLOCKS, read_log
from payer.values.chain_view import NonceState
from payer.values.errors import ChainUnreachable
from tests.payer.chain.asking import ASSET, NONCE, OTHER, ask, look, one
from tests.payer.chain.paper_chain import PaperChain
from tests.payer.offers import PAYEE, STRANGER, USDC, WALLET

LOG_FIELDS = ("address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex", "removed")


def _foreign(change: dict[str, Any]) -> PaperChain:
    """A chain whose server adds a log that was not asked for, changed thus, and whose nonce is unused."""
    paper = PaperChain()
    paper.settle(OTHER, 950)
    extra = {**paper.logs[0], "topics": [*paper.logs[0]["topics"][:2], NONCE], **change}
    paper.lie = lambda method, _params, result: [extra, *result] if method == "eth_getLogs" else result
    return paper


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
    paper = PaperChain(lie=lambda method, _params, result: result * 2 if method == "eth_getLogs" else result)
    paper.settle(NONCE, 950)
    settlement = one(paper).settlement
    assert settlement is not None
    assert len(ask(paper, lambda chain: chain.transfers(ASSET, WALLET.address, 0, 1000))) == 1


class TestSeveralInOneTransaction:
    """A facilitator may batch: each authorization keeps its own transfer."""

    def test_each_nonce_gets_the_transfer_that_follows_it(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.used(NONCE), paper.transfer(1), paper.used(OTHER), paper.transfer(2, STRANGER))
        views = look(paper, NONCE, OTHER)
        values = {
            name: (view.settlement.value, view.settlement.pay_to) for name, view in views.items() if view.settlement
        }
        assert values == {NONCE: (1, PAYEE), OTHER: (2, STRANGER)}

    def test_a_token_that_transfers_first_is_understood(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.transfer(7), paper.used(NONCE))
        settlement = one(paper).settlement
        assert settlement is not None
        assert settlement.value == 7

    def test_a_plain_transfer_before_is_not_taken_for_the_payment(self) -> None:
        paper = PaperChain()
        paper.mine(950, paper.transfer(9, STRANGER), paper.used(NONCE), paper.transfer(1))
        settlement = one(paper).settlement
        assert settlement is not None
        assert (settlement.value, settlement.pay_to) == (1, PAYEE)


class TestSearch:
    def test_a_nonce_is_searched_from_the_block_it_was_signed_at(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 50_010)
        assert one(paper, start=50_000).settlement is not None
        pages = [params[0] for method, params in paper.calls if method == "eth_getLogs"]
        assert [int(page["fromBlock"], 16) for page in pages] == [50_000]

    def test_a_nonce_whose_block_is_lost_is_searched_from_the_head_down(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 85_000)
        assert one(paper, start=None).settlement is not None
        pages = [int(params[0]["toBlock"], 16) for method, params in paper.calls if method == "eth_getLogs"]
        assert pages == sorted(pages, reverse=True)
        assert 2 <= len(pages) <= 3

    def test_no_page_is_wider_than_servers_allow(self) -> None:
        paper = PaperChain(head=100_000, final=99_990)
        paper.settle(NONCE, 60_000)
        one(paper, start=None)
        for method, params in paper.calls:
            if method == "eth_getLogs":
                width = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
                assert 1 <= width <= PAGE_BLOCKS

    def test_a_page_that_the_server_finds_too_large_is_halved(self) -> None:
        paper = PaperChain(head=20_000, final=19_990, widest_page=1000)
        paper.settle(NONCE, 15_000)
        assert one(paper, start=12_000).settlement is not None

    @pytest.mark.parametrize(("multicall", "posts"), [(True, 22), (False, 42)])
    def test_a_thousand_nonces_cost_a_few_round_trips(self, multicall: bool, posts: int) -> None:
        names = ["0x" + f"{number:064x}" for number in range(1, 1001)]
        paper = PaperChain(multicall=multicall)
        for number, name in enumerate(names):
            if number % 2:
                paper.settle(name, 950 + number % 40)
        views = look(paper, *names)
        assert sum(view.settlement is not None for view in views.values()) == 500
        assert {name for name, view in views.items() if view.state is NonceState.UNUSED} == set(names[::2])
        assert max(paper.sizes) <= 100
        assert paper.posts <= posts

    def test_the_size_of_a_batch_is_policys(self) -> None:
        paper = PaperChain(multicall=False)
        look(paper, *("0x" + f"{number:064x}" for number in range(25)), network="rpc_batch = 10")
        assert max(paper.sizes) == 10


class TestTransfers:
    def transfers(self, paper: PaperChain, first: int = 0, last: int = 1000) -> list[TransferOut]:
        return ask(paper, lambda chain: chain.transfers(ASSET, WALLET.address, first, last))

    def test_every_transfer_out_is_listed_with_the_nonce_that_authorized_it(self) -> None:
        paper = PaperChain()
        paid = paper.settle(NONCE, 100, value=5)
        plain = paper.mine(200, paper.transfer(6, STRANGER))
        batch = paper.mine(150, paper.used(OTHER), paper.transfer(7), paper.transfer(8, STRANGER))
        found = [(out.tx_hash, out.block_number, out.value, out.nonce) for out in self.transfers(paper)]
        assert found == [(paid, 100, 5, NONCE), (batch, 150, 7, OTHER), (batch, 150, 8, None), (plain, 200, 6, None)]

    def test_transfers_in_and_of_others_are_not_listed(self) -> None:
        paper = PaperChain()
        paper.mine(100, paper.transfer(5, WALLET.address, sender=STRANGER))
        paper.mine(100, paper.transfer(5), address=STRANGER)
        assert self.transfers(paper) == []

    def test_both_ends_are_included_and_nothing_beyond(self) -> None:
        paper = PaperChain()
        for block in (99, 100, 101, 199, 200, 201):
            paper.mine(block, paper.transfer(block))
        assert [out.block_number for out in self.transfers(paper, 100, 200)] == [100, 101, 199, 200]

    def test_many_pages_are_one_list(self) -> None:
        paper = PaperChain(head=40_000, final=39_990)
        for block in (0, 8_999, 9_000, 17_999, 18_000, 39_999):
            paper.mine(block, paper.transfer(1))
        assert [out.block_number for out in self.transfers(paper, 0, 40_000)] == [0, 8999, 9000, 17999, 18000, 39999]

    def test_a_cancelled_authorization_is_no_transfer(self) -> None:
        paper = PaperChain()
        paper.cancel(NONCE, 100)
        assert self.transfers(paper) == []


def _good_log() -> dict[str, Any]:
    paper = PaperChain()
    paper.settle(NONCE, 950)
    return paper.logs[1]


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
