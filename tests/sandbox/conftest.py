"""A node without servers, for tests of the chain alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from sandbox.chain.chain import BlockPace, LocalChain
from sandbox.chain.http import add_control
from sandbox.chain.rpc import NodeRpc
from sandbox.chain.token import USDC, Deployer, TokenContract
from sandbox.clock import WorldClock
from sandbox.keys import DEPLOYER_KEY, RELAYER_KEY, WALLET_KEY


class Node:
    """A chain, its methods, and a token whose wallet holds 1000 USDC."""

    def __init__(self, path: Path, pace: BlockPace | None = None) -> None:
        self.clock = WorldClock()
        self.chain = LocalChain(path, self.clock, pace)
        self.rpc = NodeRpc(self.chain)
        add_control(self.rpc, self.chain)
        self.owner = Deployer(self.rpc)
        accounts = [bytes.fromhex(Account.from_key(key).address[2:]) for key in (DEPLOYER_KEY, RELAYER_KEY)]
        if self.chain.is_new:
            self.chain.genesis(int(self.clock.time()) - 100, dict.fromkeys(accounts, 10**24), {})
        self.wallet = str(Account.from_key(WALLET_KEY).address)
        self.token = TokenContract.deploy(self.rpc, self.owner, USDC)
        self.token.mint(self.owner, self.wallet, 1000 * 10**6)

    def call(self, method: str, *params: object) -> object:
        return self.rpc.call(method, list(params))

    def number(self, tag: str = "latest") -> int:
        return int(self.rpc.call("eth_getBlockByNumber", [tag])["number"], 16)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "chain.db")
    yield made
    made.chain.close()
