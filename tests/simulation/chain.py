"""The chain itself: blocks by the clock, one token with EIP-3009, a pool, reorgs. What it holds is the truth."""

from __future__ import annotations

import asyncio
import hashlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from payer.values.money import Asset
from payer.values.terms import Authorization
from tests.simulation.dice import Dice
from tests.simulation.loop import VirtualLoop

BLOCK_SECONDS = 2
FIRST_BLOCK = 1_000_000


@dataclass(slots=True, eq=False)
class Tx:
    """One transaction. `block` None: in the pool, or never to be mined (`lost`)."""

    number: int
    tx_hash: str
    authorization: Authorization
    cancels: bool = False
    block: int | None = None
    was_in: int | None = None
    reverted: bool = False
    mined: asyncio.Future[bool] | None = None

    @property
    def moved(self) -> int:
        return 0 if self.cancels else self.authorization.value


@dataclass(frozen=True, slots=True)
class View:
    """The chain as one RPC backend sees it: up to `head`, with `final` vouched for."""

    head: int
    final: int


class SimChain:
    """Mines by virtual time. `used` is the token's map of (payer, nonce), the wallet's only."""

    def __init__(self, loop: VirtualLoop, dice: Dice, chance: Random, epoch: int, finality: int) -> None:
        self._loop = loop
        self._dice = dice
        self._chance = chance
        self._finality = finality
        self.epoch = epoch
        self.used: dict[str, Tx] = {}
        self.log: list[Tx] = []
        self.by_hash: dict[str, Tx] = {}
        self.balance = 10**12
        self.past: list[Tx] = []
        self._orphans: list[Tx] = []
        self._forks: list[tuple[int, int]] = [(0, 0)]
        self._count = 0
        self.on_mined: Callable[[Tx], None] = lambda tx: None
        self.on_undone: Callable[[Tx], None] = lambda tx: None

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """Unix seconds, true time."""
        return self.epoch + self._loop.time()

    @property
    def head(self) -> int:
        return FIRST_BLOCK + int(self._loop.time()) // BLOCK_SECONDS

    def view(self, behind: int = 0) -> View:
        head = self.head - behind
        return View(head, head - self._finality)

    def time_of(self, block: int) -> int:
        return self.epoch + (block - FIRST_BLOCK) * BLOCK_SECONDS

    def hash_of(self, block: int) -> str:
        fork = self._forks[bisect_right(self._forks, (block, 1 << 60)) - 1][1]
        return "0x" + hashlib.sha256(b"%d/%d" % (block, fork)).hexdigest()

    def balance_at(self, block: int) -> int:
        """The wallet's balance once a block was mined."""
        return self.balance + sum(tx.moved for tx in self.log if tx.block is not None and tx.block > block)

    def paid_before(self, block: int, pay_to: str, value: int, asset: Asset, payer: str) -> None:
        """A payment of the wallet before the world began, by a ledger that nobody has any more."""
        self._count += 1
        nonce = "0x" + hashlib.sha256(b"past %d" % self._count).hexdigest()
        at = self.time_of(block)
        authorization = Authorization(asset, payer, pay_to, value, at - 60, at + 60, nonce)
        tx_hash = "0x" + hashlib.sha256(b"tx %d" % self._count).hexdigest()
        self.past.append(Tx(self._count, tx_hash, authorization, block=block))

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, authorization: Authorization, *, cancels: bool = False, not_before: float = 0.0) -> Tx:
        """Hand a transaction to the pool; it is mined in the next block, or one soon after."""
        self._count += 1
        tx_hash = "0x" + hashlib.sha256(b"tx %d" % self._count).hexdigest()
        tx = Tx(self._count, tx_hash, authorization, cancels, mined=self._loop.create_future())
        self.by_hash[tx_hash] = tx
        self._queue(tx, max(not_before, self._loop.time()))
        return tx

    def _queue(self, tx: Tx, at: float) -> None:
        block = FIRST_BLOCK + int(at) // BLOCK_SECONDS + 1
        if self._dice.hit("slow_block"):
            block += self._dice.of("slow_block").randint(1, 90)
        self._loop.call_at((block - FIRST_BLOCK) * BLOCK_SECONDS, self._mine, tx)

    def _mine(self, tx: Tx) -> None:
        """EIP-3009: strictly inside its window, its nonce never used before, money there. Anything else reverts."""
        a, block = tx.authorization, self.head
        valid = tx.cancels or a.valid_after < self.time_of(block) < a.valid_before
        if valid and a.nonce not in self.used and tx.moved <= self.balance:
            tx.block = block
            self.used[a.nonce] = tx
            self.log.append(tx)
            self.balance -= tx.moved
            self.on_mined(tx)
        else:
            tx.reverted = True
        if tx.mined is not None and not tx.mined.done():
            tx.mined.set_result(not tx.reverted)

    def reorg(self) -> None:
        """Replace blocks that nobody called final yet. Their transactions are mined again later, or are gone."""
        start = self.head - self._chance.randint(0, self._finality - 2)
        self._count += 1
        undone = [tx for tx in self.log if tx.block is not None and tx.block >= start]
        self.log = [tx for tx in self.log if tx.block is not None and tx.block < start]
        self._forks = [fork for fork in self._forks if fork[0] < start] + [(start, self._count)]
        self._old_blocks_return(start)
        for tx in undone:
            tx.was_in, tx.block = tx.block, None
            del self.used[tx.authorization.nonce]
            self.balance += tx.moved
            self.on_undone(tx)
            self._after_reorg(tx, start)

    def _after_reorg(self, tx: Tx, start: int) -> None:
        fate = self._chance.random()
        if fate < 0.3:
            self._orphans.append(tx)
        elif fate < 0.6:
            self._remine(tx, self._chance.randint(start, self.head))
        else:
            self._queue(tx, self._loop.time() + self._chance.choice((0, 4, 60, 150)))

    def _old_blocks_return(self, start: int) -> None:
        """The chain that was given up wins after all: what it held is back, where it was."""
        orphans, self._orphans = self._orphans, []
        for tx in orphans:
            if tx.was_in is not None and tx.was_in >= start and self._chance.random() < 0.5:
                self._remine(tx, tx.was_in)

    def _remine(self, tx: Tx, block: int) -> None:
        """The new blocks hold it, too, maybe lower than it was."""
        a = tx.authorization
        if (tx.cancels or a.valid_after < self.time_of(block) < a.valid_before) and a.nonce not in self.used:
            tx.block = block
            self.used[a.nonce] = tx
            self.log.append(tx)
            self.balance -= tx.moved
            self.on_mined(tx)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def used_at(self, nonce: str, block: int) -> Tx | None:
        """The transaction that used or cancelled a nonce, as of a block."""
        tx = self.used.get(nonce)
        return tx if tx is not None and tx.block is not None and tx.block <= block else None

    def transfers(self) -> dict[str, int]:
        """Atomic units moved, by nonce: every transfer out of the wallet on the canonical chain."""
        return {nonce: tx.moved for nonce, tx in self.used.items() if not tx.cancels}
