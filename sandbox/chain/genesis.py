"""The first blocks of a new world: ether for the senders, Multicall3, both tokens, and the wallet's funds."""

from __future__ import annotations

from eth_account import Account

from sandbox.chain.chain import LocalChain
from sandbox.chain.contracts import contract
from sandbox.chain.rpc import NodeRpc
from sandbox.chain.token import TMAI, USDC, Deployer, TokenContract
from sandbox.keys import DEPLOYER_KEY, MULTICALL3, RELAYER_KEY, WALLET_KEY

_ETHER = 10**18
_GENESIS_AGE, _TOKENS_AGE = 3600, 1800


def make_genesis(chain: LocalChain, rpc: NodeRpc, deployer: Deployer, funds: int) -> dict[str, str]:
    """Make the genesis and the token blocks; returns the tokens' addresses. They are old enough to be final at once."""
    senders = [bytes.fromhex(Account.from_key(key).address[2:]) for key in (DEPLOYER_KEY, RELAYER_KEY)]
    code = {bytes.fromhex(MULTICALL3[2:]): bytes.fromhex(contract("Multicall3")["runtime"][2:])}
    now = int(chain.clock.time())
    chain.follows_clock = False
    chain.genesis(now - _GENESIS_AGE, dict.fromkeys(senders, 1_000_000 * _ETHER), code)
    wallet = Account.from_key(WALLET_KEY).address
    addresses = {}
    for spec in (USDC, TMAI):
        chain.next_time = now - _TOKENS_AGE
        token = TokenContract.deploy(rpc, deployer, spec)
        chain.next_time = now - _TOKENS_AGE
        token.mint(deployer, wallet, funds * 10**spec.decimals)
        addresses[spec.symbol] = token.address
    chain.follows_clock = True
    return addresses
