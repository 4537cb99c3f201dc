"""One of several RPC servers lies, for as long as faults strike: each process meets one lie, told about every nonce."""

from __future__ import annotations

import hashlib
from typing import Any

from payer.chain.logs import CANCELLED, TRANSFER, USED
from payer.wire.addresses import address_word
from tests.simulation import terms
from tests.simulation.chain import SimChain, View
from tests.simulation.seller import BASE_PRICE

LIES = ("unused", "dust", "paid", "stolen", "cancelled", "ahead")
"""Nothing was used; all settled for one atomic unit, as signed, to a thief, or is cancelled, finally; blocks ahead."""

AHEAD_SECONDS = 14
_ZERO, _ONE = f"0x{0:064x}", f"0x{1:064x}"
_FORGED = {"dust": (1, terms.PAYEE), "paid": (BASE_PRICE, terms.PAYEE), "stolen": (1, terms.THIEF)}


class Liar:
    """Changes honest answers of one server."""

    def __init__(self, lie: str, chain: SimChain) -> None:
        self.lie = lie
        self._chain = chain
        self._forged: dict[str, list[dict[str, Any]]] = {}

    def flag(self, honest: str) -> str:
        """The token's flag of a nonce."""
        return honest if self.lie == "ahead" else _ZERO if self.lie == "unused" else _ONE

    def block(self, honest: dict[str, str] | None) -> dict[str, str] | None:
        """A block's number, time and hash."""
        if honest is None or self.lie != "ahead":
            return honest
        return {**honest, "timestamp": hex(int(honest["timestamp"], 16) + AHEAD_SECONDS)}

    def logs(self, query: dict[str, Any], view: View, honest: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The logs of nonces, or of transfers."""
        if self.lie == "ahead":
            return honest
        if self.lie == "unused" or len(query["topics"]) < 3 or not isinstance(query["topics"][2], list):
            return []
        first, last = int(query["fromBlock"], 16), min(int(query["toBlock"], 16), view.head)
        block = min(view.final, last)
        if block < first:
            return []
        return [self._forge(query, nonce, block)[0] for nonce in query["topics"][2]]

    def receipt(self, tx_hash: str, honest: dict[str, Any] | None) -> dict[str, Any] | None:
        """A transaction's receipt."""
        logs = self._forged.get(tx_hash)
        if logs is None:
            return None if self.lie == "unused" else honest
        return {"status": "0x1", "blockHash": logs[0]["blockHash"], "logs": logs}

    def _forge(self, query: dict[str, Any], nonce: str, block: int) -> list[dict[str, Any]]:
        tx_hash = "0x" + hashlib.sha256(f"{self.lie} {nonce} {block}".encode()).hexdigest()
        payer = query["topics"][1]
        place = {
            "address": query["address"],
            "transactionHash": tx_hash,
            "blockHash": self._chain.hash_of(block),
            "blockNumber": hex(block),
            "removed": False,
        }
        event = CANCELLED if self.lie == "cancelled" else USED
        logs = [{**place, "topics": [event, payer, nonce], "data": "0x", "logIndex": "0x0"}]
        if self.lie in _FORGED:
            value, payee = _FORGED[self.lie]
            topics = [TRANSFER, payer, "0x" + address_word(payee).hex()]
            logs.append({**place, "topics": topics, "data": f"0x{value:064x}", "logIndex": "0x1"})
        self._forged[tx_hash] = logs
        return logs
