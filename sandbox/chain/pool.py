"""Transactions that wait for a block, and those that can run next."""

from __future__ import annotations

from collections.abc import Iterable

from eth.abc import SignedTransactionAPI, StateAPI
from eth_typing import Address

from sandbox.keys import CHAIN_ID


class Rejected(Exception):
    """Raised for a transaction that the pool refuses, with the message that other nodes give."""


class TransactionPool:
    """Pooled transactions in order of arrival. States are passed in, never kept."""

    def __init__(self, waiting: Iterable[SignedTransactionAPI] = ()) -> None:
        self._waiting: dict[bytes, SignedTransactionAPI] = {tx.hash: tx for tx in waiting}

    def add(self, tx: SignedTransactionAPI, sender: Address, state: StateAPI) -> None:
        """Add a transaction. Raises Rejected for one that could never run, or has the nonce of a pooled one."""
        if tx.chain_id != CHAIN_ID:
            raise Rejected(f"invalid chain id for signer: have {tx.chain_id} want {CHAIN_ID}")
        if tx.hash in self._waiting:
            raise Rejected("already known")
        if tx.nonce < state.get_nonce(sender):
            raise Rejected(f"nonce too low: next nonce {state.get_nonce(sender)}, tx nonce {tx.nonce}")
        price = tx.max_fee_per_gas if (tx.type_id or 0) >= 2 else tx.gas_price
        if state.get_balance(sender) < tx.value + tx.gas * price:
            raise Rejected("insufficient funds for gas * price + value")
        if tx.gas < tx.intrinsic_gas:
            raise Rejected("intrinsic gas too low")
        if any(other.sender == sender and other.nonce == tx.nonce for other in self._waiting.values()):
            raise Rejected("replacement transaction underpriced")
        self._waiting[tx.hash] = tx

    def get(self, tx_hash: bytes) -> SignedTransactionAPI | None:
        return self._waiting.get(tx_hash)

    def all(self) -> list[SignedTransactionAPI]:
        return list(self._waiting.values())

    def remove(self, hashes: Iterable[bytes]) -> None:
        for tx_hash in hashes:
            self._waiting.pop(tx_hash, None)

    def next_nonce(self, sender: Address, state: StateAPI) -> int:
        nonce = state.get_nonce(sender)
        waiting = {tx.nonce for tx in self._waiting.values() if tx.sender == sender}
        while nonce in waiting:
            nonce += 1
        return nonce

    def executable(self, state: StateAPI) -> list[SignedTransactionAPI]:
        """Transactions with consecutive nonces, each sender's in order, and those whose nonce is already used."""
        expected: dict[Address, int] = {}
        ready = []
        for tx in sorted(self._waiting.values(), key=lambda tx: int(tx.nonce)):
            nonce = expected.setdefault(tx.sender, state.get_nonce(tx.sender))
            if tx.nonce <= nonce:
                ready.append(tx)
                expected[tx.sender] = max(nonce, tx.nonce + 1)
        return ready
