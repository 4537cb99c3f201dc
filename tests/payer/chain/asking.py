"""A chain asked over a real socket: the real reader, and a chain on paper behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from payer.chain.reader import RpcChain
from payer.values.chain_view import ChainView
from payer.values.errors import ChainUnreachable
from tests.payer.chain.paper_chain import PaperChain
from tests.payer.loopback import OwnClock, serving
from tests.payer.offers import POLICY_TOML, WALLET, policy

T = TypeVar("T")
ASSET = policy().assets["USDC"]
NONCE = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32


def ask(paper: PaperChain, question: Callable[[RpcChain], Awaitable[T]], network: str = "", late: float = 5) -> T:
    """Ask a chain over a real socket; our clock is `late` seconds after its head."""

    async def run() -> T:
        async with serving(paper.serve) as server:
            text = POLICY_TOML.replace('"https://mainnet.base.org"', f'"{server.url}"\n{network}')
            clock = OwnClock()
            clock.time = datetime.fromtimestamp(paper.time_of(paper.head) + late, UTC)
            chain = RpcChain(policy(text), clock)
            try:
                return await question(chain)
            finally:
                await chain.aclose()

    return asyncio.run(run())


def look(paper: PaperChain, *nonces: str, start: int | None = 900, network: str = "") -> Mapping[str, ChainView]:
    starts = dict.fromkeys(nonces or (NONCE,), start)
    return ask(paper, lambda chain: chain.look(ASSET, WALLET.address, starts), network)


def one(paper: PaperChain, **settings: Any) -> ChainView:
    return look(paper, **settings)[NONCE]


def unreachable(paper: PaperChain, **settings: Any) -> ChainUnreachable:
    """Every lie ends as "unknown", never as a state."""
    with pytest.raises(ChainUnreachable) as caught:
        one(paper, **settings)
    return caught.value
