"""A fake chain behind a real JSON-RPC socket: blocks, one token's logs and receipts, and lies on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_abi import decode, encode

from payer.chain.logs import CANCELLED, TRANSFER, USED
from payer.chain.nonces import MULTICALL3
from tests.payer.loopback import Wire, http
from tests.payer.offers import PAYEE, USDC, WALLET

GENESIS = 1_800_000_000
BLOCK_SECONDS = 2
Lie = Callable[[str, list[Any], Any], Any]


def word(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")


@dataclass
class FakeChain:
    """`head` and `final` are block numbers. A lie sees each honest answer (method, params, result), may change it."""

    chain_id: int = 8453
    head: int = 1000
    final: int = 990
    token: str = USDC
    balance: int = 5_000_000
    lie: Lie = lambda _method, _params, result: result
    widest_page: int = 10_000
    multicall: bool = True
    logs: list[dict[str, Any]] = field(default_factory=list)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    posts: int = 0
    sizes: list[int] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)
    refusal: str = "query returned more than 10000 results"
    state_blocks: int | None = None

    def time_of(self, number: int) -> int:
        return GENESIS + BLOCK_SECONDS * number

    def hash_of(self, number: int) -> str:
        return "0x" + f"b{number:x}".rjust(64, "0")

    def settle(self, nonce: str, block: int, *, value: int = 20_000, to: str = PAYEE, **changes: Any) -> str:
        """One settled authorization: AuthorizationUsed, then Transfer, in a transaction of its own."""
        return self.mine(block, self.used(nonce), self.transfer(value, to), **changes)

    def cancel(self, nonce: str, block: int) -> str:
        return self.mine(block, [CANCELLED, word(WALLET.address), nonce])

    def used(self, nonce: str) -> list[str]:
        return [USED, word(WALLET.address), nonce]

    def transfer(self, value: int, to: str = PAYEE, sender: str = WALLET.address) -> list[str]:
        return [TRANSFER, word(sender), word(to), "0x" + f"{value:064x}"]

    def mine(self, block: int, *events: list[str], status: int = 1, address: str | None = None) -> str:
        """A transaction with these events: topics, and a fourth entry is the data. Returns its hash."""
        tx_hash = "0x" + f"a{len(self.receipts):x}".rjust(64, "0")
        logs = [self._log(block, tx_hash, event, address or self.token) for event in events]
        self.receipts[tx_hash] = {
            "transactionHash": tx_hash,
            "status": hex(status),
            "blockNumber": hex(block),
            "blockHash": self.hash_of(block),
            "logs": logs,
        }
        if status == 1 and address is None:
            self.spent.update({event[2]: block for event in events if event[0] != TRANSFER})
        return tx_hash

    def _log(self, block: int, tx_hash: str, event: list[str], address: str) -> dict[str, Any]:
        log = {
            "address": address,
            "topics": event[:3],
            "data": event[3] if len(event) > 3 else "0x",
            "blockNumber": hex(block),
            "blockHash": self.hash_of(block),
            "transactionHash": tx_hash,
            "logIndex": hex(len(self.logs)),
            "removed": False,
        }
        self.logs.append(log)
        return log

    def answer(self, method: str, params: list[Any]) -> Any:
        self.calls.append((method, params))
        honest = getattr(self, "_" + method)(*params)
        return self.lie(method, params, honest)

    def _eth_chainId(self) -> str:
        return hex(self.chain_id)

    def _eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, Any]:
        number = {"latest": self.head, "safe": self.final, "finalized": self.final}.get(tag)
        number = int(tag, 16) if number is None else number
        return {"number": hex(number), "timestamp": hex(self.time_of(number)), "hash": self.hash_of(number)}

    def _eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any] | None:
        return self.receipts.get(tx_hash)

    def _eth_getCode(self, address: str, _block: str) -> str:
        return "0x6080" if address.lower() == self.token.lower() else "0x"

    def _eth_call(self, call: dict[str, str], block: str) -> str:
        data, at = call["data"], self.head if block == "latest" else int(block, 16)
        if self.state_blocks is not None and at < self.head - self.state_blocks:
            raise ValueError("missing trie node 2e2a (path ) state 0x2e2a is not available")
        if call["to"] == MULTICALL3 and self.multicall:
            return self._aggregate(bytes.fromhex(data[10:]), block)
        if call["to"].lower() != self.token.lower():
            return "0x"
        if data.startswith("0x70a08231"):
            return "0x" + f"{self.balance:064x}"
        if data.startswith("0x3644e515"):
            return "0x" + "cd" * 32
        nonce = "0x" + data[-64:]
        spent = self.spent.get(nonce, at + 1) <= at
        return "0x" + f"{int(spent):064x}"

    def _aggregate(self, arguments: bytes, block: str) -> str:
        must, calls = decode(["bool", "(address,bytes)[]"], arguments)
        assert must
        words = [self._eth_call({"to": to, "data": "0x" + data.hex()}, block) for to, data in calls]
        return "0x" + encode(["(bool,bytes)[]"], [[(True, bytes.fromhex(one[2:])) for one in words]]).hex()

    def _eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        if last - first >= self.widest_page:
            raise ValueError(self.refusal)
        return [
            log
            for log in self.logs
            if first <= int(log["blockNumber"], 16) <= last
            and log["address"] == query["address"]
            and _wanted(log["topics"], query["topics"])
        ]

    async def serve(self, wire: Wire) -> None:
        """The script of a Loopback server."""
        while True:
            raw = await wire.request()
            self.posts += 1
            if self.broken:
                await wire.send(self.broken.pop(0))
                return
            entries = json.loads(raw.partition(b"\r\n\r\n")[2])
            self.sizes.append(len(entries))
            await wire.send(http(200, json.dumps([self._entry(entry) for entry in entries]).encode()))

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        answer = {"jsonrpc": "2.0", "id": entry["id"]}
        try:
            return answer | {"result": self.answer(entry["method"], entry["params"])}
        except ValueError as error:
            return answer | {"error": {"code": -32000, "message": str(error)}}


def _wanted(topics: list[str], pattern: list[Any]) -> bool:
    return all(
        want is None or (have in want if isinstance(want, list) else have == want)
        for have, want in zip(topics, pattern, strict=False)
    )
