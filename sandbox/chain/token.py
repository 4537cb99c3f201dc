"""The sandbox's two EIP-3009 tokens, deployed from one source, and the first blocks of a new world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from sandbox.chain.chain import LocalChain
from sandbox.chain.contracts import contract
from sandbox.chain.rpc import NodeRpc
from sandbox.keys import CHAIN_ID, DEPLOYER_KEY, MULTICALL3, RELAYER_KEY, WALLET_KEY

_GAS_PRICE = 3_000_000_000
TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A token's symbol in policy, its name and version in EIP-712, and its decimals."""

    symbol: str
    eip712_name: str
    eip712_version: str
    decimals: int


USDC = TokenSpec("USDC", "USD Coin", "2", 6)
TMAI = TokenSpec("TMAI", "Token Metrics AI", "1", 18)


class Deployer:
    """Send the owner's transactions, one at a time, directly to the node."""

    def __init__(self, rpc: NodeRpc) -> None:
        self._rpc, self._account = rpc, Account.from_key(DEPLOYER_KEY)
        self.address: str = self._account.address

    def send(self, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        """Mine a transaction and return its receipt. Raises RuntimeError where it failed."""
        tx: dict[str, Any] = {
            "nonce": int(self._rpc.call("eth_getTransactionCount", [self.address, "pending"]), 16),
            "gas": 5_000_000 if to is None else 200_000,
            "gasPrice": _GAS_PRICE,
            "value": value,
            "data": data,
            "chainId": CHAIN_ID,
            **({"to": to} if to else {}),
        }
        signed = self._account.sign_transaction(tx)
        tx_hash = self._rpc.call("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
        receipt = self._rpc.call("eth_getTransactionReceipt", [tx_hash])
        if receipt is None:
            self._rpc.call("evm_mine", [])
            receipt = self._rpc.call("eth_getTransactionReceipt", [tx_hash])
        if receipt["status"] != "0x1":
            raise RuntimeError(f"transaction {tx_hash} reverted")
        mined: dict[str, Any] = receipt
        return mined


class TokenContract:
    def __init__(self, rpc: NodeRpc, address: str, spec: TokenSpec) -> None:
        self._rpc, self.address, self.spec = rpc, address, spec

    @classmethod
    def deploy(cls, rpc: NodeRpc, deployer: Deployer, spec: TokenSpec) -> TokenContract:
        code = bytes.fromhex(contract("Eip3009Token")["bytecode"][2:])
        arguments = encode(
            ["string", "string", "string", "uint8"], [spec.eip712_name, spec.eip712_version, spec.symbol, spec.decimals]
        )
        receipt = deployer.send(None, code + arguments)
        return cls(rpc, receipt["contractAddress"], spec)

    def mint(self, deployer: Deployer, to: str, amount_atomic: int) -> None:
        deployer.send(
            self.address, _selector("mint(address,uint256)") + encode(["address", "uint256"], [to, amount_atomic])
        )

    def submit(self, sender: Deployer, authorization: Mapping[str, str], signature: str) -> dict[str, Any]:
        """Settle an authorization (in x402's wire form) without a facilitator, as anyone who sees it can."""
        types = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes"]
        numbers = [int(authorization[name]) for name in ("value", "validAfter", "validBefore")]
        words = [bytes.fromhex(text[2:]) for text in (authorization["nonce"], signature)]
        data = encode(types, [authorization["from"], authorization["to"], *numbers, *words])
        return sender.send(self.address, _selector(f"transferWithAuthorization({','.join(types)})") + data)

    def cancel(self, sender: Deployer, payer_key: str, nonce: str) -> dict[str, Any]:
        """Make a nonce unusable, as only the payer's signature can."""
        payer, word = Account.from_key(payer_key), bytes.fromhex(nonce[2:])
        kinds = {
            "CancelAuthorization": [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}]
        }
        signed = payer.sign_typed_data(self.domain, kinds, {"authorizer": payer.address, "nonce": word})
        data = encode(["address", "bytes32", "bytes"], [payer.address, word, bytes(signed.signature)])
        return sender.send(self.address, _selector("cancelAuthorization(address,bytes32,bytes)") + data)

    @property
    def domain(self) -> dict[str, Any]:
        """The EIP-712 domain, as eth_account takes it."""
        return {
            "name": self.spec.eip712_name,
            "version": self.spec.eip712_version,
            "chainId": CHAIN_ID,
            "verifyingContract": self.address,
        }

    def balance(self, owner: str, block: str = "latest") -> int:
        data = _selector("balanceOf(address)") + encode(["address"], [owner])
        return int(decode(["uint256"], self._call(data, block))[0])

    def used(self, payer: str, nonce: str, block: str = "latest") -> bool:
        """`authorizationState`: true for a used and for a cancelled nonce."""
        data = _selector("authorizationState(address,bytes32)")
        data += encode(["address", "bytes32"], [payer, bytes.fromhex(nonce[2:])])
        return bool(decode(["bool"], self._call(data, block))[0])

    def transfers(self, sender: str) -> list[dict[str, Any]]:
        """Every Transfer out of `sender`, oldest first: {to, value, tx_hash, block_number}."""
        topic = "0x" + "00" * 12 + sender[2:].lower()
        wanted = {"address": self.address, "fromBlock": "0x0", "toBlock": "latest", "topics": [TRANSFER, topic]}
        return [
            {
                "to": to_checksum_address(log["topics"][2][-40:]),
                "value": int(log["data"], 16),
                "tx_hash": log["transactionHash"],
                "block_number": int(log["blockNumber"], 16),
            }
            for log in self._rpc.call("eth_getLogs", [wanted])
        ]

    def _call(self, data: bytes, block: str) -> bytes:
        answer: str = self._rpc.call("eth_call", [{"to": self.address, "data": "0x" + data.hex()}, block])
        return bytes.fromhex(answer[2:])


@cache
def _selector(signature: str) -> bytes:
    return bytes(keccak(text=signature)[:4])


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
