"""The chain as the payer sees it: the protocol that `reader` implements over JSON-RPC, its values, what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

from payer.values.chain_view import ChainView, TransferOut
from payer.values.money import Asset

P = ParamSpec("P")
T = TypeVar("T")

PAGE_BLOCKS = 9_000
"""The widest range of blocks that a server is asked for logs of."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block and the newest that policy's finality tag allows, read together. Times are unix seconds."""

    number: int
    time: int
    final_number: int
    final_time: int


@dataclass(frozen=True, slots=True)
class Account:
    """An owner's balance before some blocks and after them, and what it received in them; all in atomic units."""

    before: int
    after: int
    received: int


@dataclass(frozen=True, slots=True)
class TokenData:
    """A token contract's own word about itself. None: it has no such function (name and version are optional)."""

    decimals: int
    name: str | None
    version: str | None
    domain_separator: bytes | None


Progress = Callable[[int, int], None]
"""Called with the blocks that were read and those there are to read, before the first stretch and after each."""


def unwatched(_read: int, _of: int) -> None:
    """The Progress that shows nothing."""


def stretches(first: int, last: int, blocks: int, progress: Progress) -> Iterator[range]:
    """The blocks first…last (inclusive), so many at once; each stretch counts as read when the next is asked for."""
    progress(0, max(0, last + 1 - first))
    for start in range(first, last + 1, blocks):
        stretch = range(start, min(start + blocks, last + 1))
        yield stretch
        progress(stretch.stop - first, last + 1 - first)


class ChainReader(Protocol):
    """Reads of a chain, as the payer uses them. Every method raises ChainUnreachable rather than guess (I9)."""

    async def head(self) -> Head:
        """The newest and the newest final block. Raises for another chain, and for a block time that is too far off."""

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        """The state of each nonce. Each is given with the block it was signed at, None when that is unknown."""

    async def balance(self, asset: Asset, owner: str) -> int:
        """An owner's balance now, in atomic units."""

    async def token(self, asset: Asset) -> TokenData:
        """The token contract's word about itself, to be compared with policy's asset."""

    async def code(self, address: str) -> bytes:
        """The code at an address now; none where it is a key's own address."""

    async def ask(self, contract: str, data: str) -> str | None:
        """A contract's answer to a call (eth_call) now, as 0x hex; None when it reverts, or answers nothing."""

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        """Every transfer out of the payer in the blocks, both ends included, in the chain's order."""

    async def paid(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        """As `transfers`, of all that any server shows: for counting what was spent."""

    async def block_times(self, blocks: Collection[int]) -> Mapping[int, int]:
        """The times of blocks, in unix seconds."""

    async def account(self, asset: Asset, owner: str, from_block: int, to_block: int) -> Account | None:
        """The owner's account over the blocks, both ends included; None when the server no longer has such balances."""


class LogRanges(Protocol):
    """Keeps the block ranges that servers, named by their hosts, answer for, learned from errors; the ledger does."""

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call one of the others where it may wait for a database."""

    def log_range(self, server: str, now: datetime) -> int | None:
        """The range that is known for a server, None when there is none."""

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        """Keep the range of a server."""


class RangesInMemory:
    """Ranges for as long as the process lives."""

    def __init__(self) -> None:
        self._blocks: dict[str, int] = {}

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)

    def log_range(self, server: str, now: datetime) -> int | None:
        return self._blocks.get(server)

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        self._blocks[server] = blocks
