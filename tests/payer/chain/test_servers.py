"""Several chain servers: reads go to the next, nonces are looked up at all, and no word of one alone frees money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from payer.chain.reader import RpcChain
from payer.policy.file import parse_policy
from payer.policy.rules import Policy
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import ChainUnreachable, Misconfigured
from tests.payer.chain.chain_reads import ASSET, NONCE
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.loopback import OwnClock, serving
from tests.payer.offers import POLICY_TOML, WALLET, policy

T = TypeVar("T")
DEAD = FakeChain(chain_id=1)


def ask(fakes: list[FakeChain], question: Callable[[RpcChain], Awaitable[T]]) -> T:
    """Ask the chain over one real socket for each server."""

    async def run() -> T:
        async with AsyncExitStack() as stack:
            urls = [(await stack.enter_async_context(serving(fake.serve))).url for fake in fakes]
            listed = "[" + ", ".join(f'"{url}/k3y"' for url in urls) + "]"
            text = POLICY_TOML.replace('rpc_url = "https://mainnet.base.org"', f"rpc_urls = {listed}")
            clock = OwnClock()
            clock.time = datetime.fromtimestamp(fakes[-1].time_of(fakes[-1].head), UTC)
            chain = RpcChain(policy(text), clock)
            try:
                return await question(chain)
            finally:
                await chain.aclose()

    return asyncio.run(run())


def look(*fakes: FakeChain) -> ChainView:
    return ask(list(fakes), lambda chain: chain.look(ASSET, WALLET.address, {NONCE: 900}))[NONCE]  # type: ignore[no-any-return]


def settled(value: int = 20_000) -> FakeChain:
    fake = FakeChain()
    fake.settle(NONCE, 950, value=value)
    return fake


def test_reads_go_to_the_next_server_that_answers() -> None:
    balance = ask([DEAD, FakeChain(balance=7)], lambda chain: chain.balance(ASSET, WALLET.address))
    head = ask([DEAD, FakeChain(head=990, final=980)], lambda chain: chain.head())
    assert (balance, head.number) == (7, 990)


def test_with_no_server_left_the_error_names_each_by_its_host_and_no_key() -> None:
    with pytest.raises(ChainUnreachable, match="none of 2 chain servers can be read") as caught:
        ask([DEAD, DEAD], lambda chain: chain.head())
    assert caught.value.what.count("127.0.0.1:") == 2
    assert "k3y" not in caught.value.what + caught.value.fix


def test_one_answer_of_two_servers_is_a_view_on_which_nothing_is_freed() -> None:
    view = look(DEAD, FakeChain())
    assert (view.state, view.agreed) == (NonceState.UNUSED, False)
    both = look(FakeChain(), FakeChain())
    assert (both.state, both.agreed) == (NonceState.UNUSED, True)


def test_a_settlement_that_another_server_has_not_is_not_shown() -> None:
    """I3: whichever of them lies."""
    assert (look(settled(), FakeChain()).state, look(settled(), FakeChain()).settlement) == (NonceState.USED, None)
    assert look(settled(1), settled()).settlement is None


def test_a_settlement_that_both_show_is_final_and_one_alone_is_not() -> None:
    both, alone = look(settled(), settled()), look(DEAD, settled())
    assert both.settlement is not None
    assert alone.settlement is not None
    assert (both.settlement.final, alone.settlement.final) == (True, False)


def test_a_server_whose_blocks_are_ahead_of_time_counts_as_silent() -> None:
    view = look(FakeChain(head=1_100, final=1_090), FakeChain())
    assert (view.agreed, view.head_number) == (False, 1_000)


def test_each_server_says_for_itself_how_it_is() -> None:
    heads = ask([DEAD, FakeChain()], lambda chain: chain.heads())
    first, second = heads.values()
    assert isinstance(first, ChainUnreachable)
    assert "serves chain 1" in first.what
    assert not isinstance(second, ChainUnreachable)
    assert second.number == 1_000
    assert all(name.startswith("127.0.0.1:") and "k3y" not in name for name in heads)


def rules(network: str) -> Policy:
    return parse_policy(POLICY_TOML.replace('rpc_url = "https://mainnet.base.org"', network))


def test_rpc_url_and_rpc_urls_are_one_list_and_neither_is_shown() -> None:
    one = rules('rpc_url = "https://a.example/k3y"\nrpc_urls = ["https://b.example/s3cret", "https://a.example/k3y"]')
    assert one.servers == ("https://a.example/k3y", "https://b.example/s3cret")
    assert rules('rpc_urls = ["https://b.example/s3cret"]').servers == ("https://b.example/s3cret",)
    assert "k3y" not in repr(one)
    assert "s3cret" not in repr(one)


WRONG = {
    "one host twice": ('rpc_urls = ["https://a.example/k3y", "https://a.example/s3cret"]', "names a host twice"),
    "one host twice, once in rpc_url": (
        'rpc_url = "https://a.example/k3y"\nrpc_urls = ["https://A.example:443/s3cret"]',
        "names a host twice",
    ),
    "none": ("rpc_urls = []", "rpc_url is missing"),
    "not a list": ('rpc_urls = "https://a.example/k3y"', "is not a list"),
    "plain http": ('rpc_urls = ["http://a.example/k3y"]', "rpc_urls is not a usable address"),
    "not text": ("rpc_urls = [7]", "rpc_urls is not a usable address"),
}


@pytest.mark.parametrize(("network", "what"), WRONG.values(), ids=WRONG)
def test_servers_that_are_no_list_of_different_hosts_are_refused(network: str, what: str) -> None:
    with pytest.raises(Misconfigured, match=what) as caught:
        rules(network)
    assert "k3y" not in caught.value.what + caught.value.fix


@pytest.mark.parametrize(
    ("payment", "network", "what"),
    [
        ("", "max_head_ahead = 16", "max_head_ahead is 16"),
        ("validity_seconds = 60", "max_head_ahead = 8", "max_head_ahead is 8"),
        ("", "max_head_ahead = 0", "max_head_ahead is 0"),
        ("", "max_head_ahead = 120", "max_head_ahead is 120"),
    ],
)
def test_blocks_may_be_ahead_of_our_clock_by_far_less_than_a_signature_lives(
    payment: str, network: str, what: str
) -> None:
    text = POLICY_TOML.replace("[network]", f"[network]\n{network}") + f"\n[payment]\n{payment}\n"
    with pytest.raises(Misconfigured, match=what):
        parse_policy(text)


@pytest.mark.parametrize(("validity", "ahead"), [(300, 15), (120, 15), (60, 7), (10, 1)])
def test_the_default_follows_the_window_that_is_signed(validity: int, ahead: int) -> None:
    text = POLICY_TOML + f"\n[payment]\nvalidity_seconds = {validity}\n"
    assert parse_policy(text).max_head_ahead == ahead
