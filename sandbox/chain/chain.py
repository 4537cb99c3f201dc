"""The chain: transaction pool, blocks, time, tags, snapshots and reorgs. One lock guards all of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import rlp  # type: ignore[import-untyped]
from eth.abc import BlockHeaderAPI, SignedTransactionAPI, StateAPI
from eth_keys.exceptions import BadSignature
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from sandbox.chain import encode
from sandbox.chain.evm import Built, Called, Evm
from sandbox.chain.pool import Rejected, TransactionPool
from sandbox.chain.store import BlockRow, ChainStore, LogRow, TxRow
from sandbox.clock import WorldClock
from sandbox.keys import CHAIN_ID


@dataclass(frozen=True, slots=True)
class BlockPace:
    """Seconds between blocks.

    `block_time` 0 mines each transaction as it arrives; else at most one block per `block_time`, with the whole pool.
    `heartbeat`: a call to an idle chain makes an empty block after so long. `safe` and `finalized` are the newest
    blocks that are at least `safe_lag` and `finalized_lag` old.
    """

    block_time: float = 0.0
    heartbeat: int = 2
    safe_lag: int = 2
    finalized_lag: int = 4


class LocalChain:
    """Blocks 0 to head in `store`, a file, and what waits in `pool`. Methods that write take the lock themselves."""

    def __init__(self, path: Path, clock: WorldClock, pace: BlockPace | None = None) -> None:
        self.clock, self.pace = clock, pace or BlockPace()
        self.lock = threading.RLock()
        self.automine = True
        self.follows_clock = True
        self.time_offset = 0
        self.next_time: int | None = None
        self.store = ChainStore(path)
        self._evm = Evm(self.store.state)
        self.pool = TransactionPool()
        self._snapshots: list[tuple[int, list[SignedTransactionAPI]]] = []
        self._head: BlockRow | None = self.store.head()
        self._wake = threading.Condition(self.lock)
        self._closed = False
        if self._head is not None:
            chain_id = self.store.get_meta("chain_id")
            if chain_id != str(CHAIN_ID):
                self.store.close()
                raise ValueError(f"this chain file is for chain id {chain_id}; the sandbox serves {CHAIN_ID} only")
            self._evm.open()
        if self.pace.block_time:
            threading.Thread(target=self._mine_at_pace, name="miner", daemon=True).start()

    def close(self) -> None:
        with self.lock:
            self._closed = True
            self._wake.notify_all()
            self.store.close()

    @property
    def is_new(self) -> bool:
        return self._head is None

    def genesis(self, time: int, balances: Mapping[bytes, int], code: Mapping[bytes, bytes]) -> None:
        with self.lock:
            header = self._evm.genesis(time, balances, code)
            self.store.set_meta("chain_id", str(CHAIN_ID))
            block = self._evm.empty_block(header)
            self._keep(Built(block, (), (), ()))

    @property
    def head(self) -> BlockRow:
        if self._head is None:
            raise RuntimeError("the chain has no genesis yet")
        return self._head

    def block(self, number: int) -> BlockRow | None:
        return self.head if number == self.head.number else self.store.block(number)

    def lagging(self, seconds: int) -> BlockRow:
        """The newest block that is at least so many seconds old: the meaning of `safe` and `finalized` here."""
        row = self.store.newest_until(max(self.now(), self.head.time) - seconds)
        genesis = self.store.block(0)
        assert genesis is not None
        return row or genesis

    def header(self, row: BlockRow) -> BlockHeaderAPI:
        return self._evm.header(row.header)

    def state(self, row: BlockRow) -> StateAPI:
        """The accounts after that block."""
        return self._evm.state(self.header(row))

    def base_fee(self) -> int:
        return self._evm.next_header(self.header(self.head), self.block_time_now()).base_fee_per_gas or 0

    def call(self, row: BlockRow | None, *, sender: bytes, to: bytes, data: bytes, value: int, gas: int) -> Called:
        """Call on a block's state at its time; for None, on the head's state at the time of the next block."""
        with self.lock:
            header = self.header(row or self.head)
            if row is None:
                header = self._evm.next_header(header, self.block_time_now())
            return self._evm.call(header, sender=sender, to=to, data=data, value=value, gas=gas)

    def now(self) -> int:
        """The time of a block made now: world time plus the chain's own offset."""
        return int(self.clock.time()) + self.time_offset

    def block_time_now(self) -> int:
        return self.next_time if self.next_time is not None else max(self.head.time, self.now())

    def keep_up(self) -> None:
        """Make empty blocks for the time that passed, so that `latest`, `safe` and `finalized` follow the clock."""
        if not (self.automine and self.follows_clock) or self.next_time is not None:
            return
        now = self.now()
        if now - self.head.time < self.pace.heartbeat:
            return
        with self.lock:
            for time in sorted({now - self.pace.finalized_lag, now - self.pace.safe_lag, now}):
                if time > self.head.time:
                    self._mine_one(time if time < now else None)

    def send(self, raw: bytes) -> bytes:
        """Add a transaction to the pool, and mine it where `block_time` is 0. Raises Rejected."""
        with self.lock:
            try:
                tx = self._evm.decode(raw)
                sender = tx.sender
            except (ValueError, ValidationError, BadSignature) as problem:
                raise Rejected(str(problem)) from problem
            if self.store.tx(tx.hash) is not None:
                raise Rejected("already known")
            self.pool.add(tx, sender, self.state(self.head))
            if self.automine and not self.pace.block_time:
                self.mine()
            self._wake.notify_all()
            return tx.hash

    def next_nonce(self, sender: Address) -> int:
        """The account's nonce with its executable pool transactions counted."""
        return self.pool.next_nonce(sender, self.state(self.head))

    def drop(self, tx_hash: bytes | None = None) -> int:
        """Remove one transaction from the pool, or all; returns how many were removed."""
        with self.lock:
            gone = [tx.hash for tx in self.pool.all() if tx_hash in (None, tx.hash)]
            self.pool.remove(gone)
            return len(gone)

    def restore(self) -> None:
        """Empty the pool and mine by the clock again; blocks stay."""
        with self.lock:
            self.automine, self.follows_clock = True, True
            self.time_offset, self.next_time = 0, None
            self.pool = TransactionPool()
            self._snapshots.clear()

    def mine(self, blocks: int = 1, extra: bytes = b"") -> int:
        """Make blocks; the first takes every executable transaction of the pool. Returns the new head's number."""
        with self.lock:
            for _ in range(blocks):
                self._mine_one(None, extra)
            return self.head.number

    def _mine_one(self, time: int | None, extra: bytes = b"") -> None:
        at = self.block_time_now() if time is None else time
        built = self._evm.build(
            self.header(self.head), at, self.pool.executable(self.state(self.head)) if time is None else [], extra
        )
        self.next_time = None if time is None else self.next_time
        self._keep(built)
        self.pool.remove(tx.hash for tx in (*built.block.transactions, *(tx for tx, _ in built.rejected)))

    def _keep(self, built: Built) -> None:
        block = built.block
        base_fee = block.header.base_fee_per_gas or 0
        txs: list[TxRow] = []
        logs: list[LogRow] = []
        gas_before = 0
        for index, (tx, receipt, computation) in enumerate(
            zip(block.transactions, built.receipts, built.computations, strict=True)
        ):
            place = encode.place_of(block, index)
            said = encode.logs_json(receipt, tx, place, len(logs))
            receipt_text = encode.receipt_json(receipt, computation, tx, place, gas_before, base_fee, said)
            gas_before = receipt.gas_used
            txs.append(
                TxRow(tx.hash, index, tx.encode(), _json(encode.tx_json(tx, place, base_fee)), _json(receipt_text))
            )
            logs += [
                LogRow(len(logs) + at, log.address, tuple(encode.word(topic) for topic in log.topics), _json(text))
                for at, (log, text) in enumerate(zip(receipt.logs, said, strict=True))
            ]
        row = BlockRow(
            block.number, block.hash, block.header.timestamp, rlp.encode(block.header), _json(encode.block_json(block))
        )
        self.store.append(row, txs, logs)
        self._head = row

    def _mine_at_pace(self) -> None:
        with self.lock:
            while not self._closed:
                self._wake.wait(timeout=self.pace.block_time)
                if not self._closed and self.automine and self._executable_waits():
                    self.mine()

    def _executable_waits(self) -> bool:
        return bool(self.pool.all()) and self.clock.time() + self.time_offset >= self.head.time + self.pace.block_time

    def snapshot(self) -> int:
        with self.lock:
            self._snapshots.append((self.head.number, self.pool.all()))
            return len(self._snapshots)

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot; it and all later ones can't be used again. Returns False for an unknown one."""
        with self.lock:
            if not 1 <= snapshot <= len(self._snapshots):
                return False
            number, pool = self._snapshots[snapshot - 1]
            del self._snapshots[snapshot - 1 :]
            self._truncate(number)
            self.pool = TransactionPool(pool)
            return True

    def reorg(self, depth: int, keep: bool) -> int:
        """Replace the last `depth` blocks by `depth` + 1 others; their transactions are mined again or lost."""
        with self.lock:
            bottom = max(self.head.number - depth, 0)
            lost = [self._evm.decode(tx.raw) for tx in self.store.txs_above(bottom)]
            self._truncate(bottom)
            if keep:
                self.pool = TransactionPool([*lost, *self.pool.all()])
            return self.mine(depth + 1, extra=b"reorg %d" % self.head.number)

    def _truncate(self, number: int) -> None:
        self.store.truncate(number)
        self._head = self.store.head()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
