"""Reads of a fake chain by the real reader, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from payer.chain.reader import RpcChain
from payer.values.chain_view import ChainView
from payer.values.errors import ChainUnreachable
from tests.payer.chain.fake_chain import FakeChain
from tests.payer.loopback import OwnClock, serving
from tests.payer.offers import POLICY_TOML, WALLET, policy

T = TypeVar("T")
ASSET = policy().assets["USDC"]
NONCE = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32


def ask(fake: FakeChain, question: Callable[[RpcChain], Awaitable[T]], network: str = "", late: float = 5) -> T:
    """Ask a chain over a real socket; our clock is `late` seconds after its head."""

    async def run() -> T:
        async with serving(fake.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"\n{network}')
            clock = OwnClock()
            clock.time = datetime.fromtimestamp(fake.time_of(fake.head) + late, UTC)
            chain = RpcChain(policy(text), clock)
            try:
                return await question(chain)
            finally:
                await chain.aclose()

    return asyncio.run(run())


def look(fake: FakeChain, *nonces: str, start: int | None = 900, network: str = "") -> Mapping[str, ChainView]:
    starts = dict.fromkeys(nonces or (NONCE,), start)
    return ask(fake, lambda chain: chain.look(ASSET, WALLET.address, starts), network)


def one(fake: FakeChain, **settings: Any) -> ChainView:
    return look(fake, **settings)[NONCE]


def unreachable(fake: FakeChain, **settings: Any) -> ChainUnreachable:
    """Every lie ends as "unknown", never as a state."""
    with pytest.raises(ChainUnreachable) as caught:
        one(fake, **settings)
    return caught.value
