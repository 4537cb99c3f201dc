"""Scan the wallet's transfers on the chain, up to its final block: a stretch at a time, resumable, checked.

A stretch is closed only if the wallet's balances before and after it show that no log was left out. The newest closed
blocks are read again each time, so that a reorg which reached below them is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from payer.chain.chain import PAGE_BLOCKS, Progress, stretches, unwatched
from payer.context import PayerContext
from payer.values.chain_view import TransferOut
from payer.values.money import Asset
from payer.values.purchase import Purchase

OVERLAP = 128
STRETCH = 50_000


class Balance(StrEnum):
    """The result of comparing the transfers that were read with the change of the wallet's balance."""

    EQUAL = "equal"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Scan:
    """The last closed block, and the check of the stretch above it.

    `unexplained` atomic units left the wallet (or came to it, if negative) above that block without a log.
    """

    through: int
    balance: Balance
    unexplained: int = 0


async def scan(
    context: PayerContext,
    asset: Asset,
    wallet: str,
    mine: Sequence[Purchase],
    *,
    rescan: bool,
    progress: Progress = unwatched,
) -> Scan:
    """Read on from the last closed block; with `rescan`, from the first in which a purchase may have settled.

    Each stretch is kept as it is closed, so that a scan which is interrupted goes on there. Raises ChainUnreachable.
    """
    final = (await context.chain.head()).final_number
    closed = await context.ledger.in_thread(context.ledger.scanned_through, asset, wallet)
    if closed is None or rescan:
        settled = [p.settlement.block_number for p in mine if p.settlement is not None]
        unused = [p.from_block for p in mine if p.from_block is not None]
        start = max(0, min([final - context.policy.lookback_blocks, *settled, *unused]))
    else:
        start = max(0, closed + 1 - OVERLAP)
    balance = Balance.EQUAL if start <= final else Balance.NOT_CHECKED
    for blocks in stretches(start, final, STRETCH, progress):
        first, last = blocks[0], blocks[-1]
        transfers = await context.chain.transfers(asset, wallet, first, last)
        account = await context.chain.account(asset, wallet, first, last)
        if account is None:
            balance = Balance.NOT_CHECKED
        elif unexplained := account.before + account.received - account.after - sum(one.value for one in transfers):
            return Scan(max(first - 1, closed or 0), Balance.DIFFERS, unexplained)
        await _close(context, asset, wallet, first, last, transfers)
    return Scan(max(final, closed or 0), balance)


async def read_again(context: PayerContext, asset: Asset, wallet: str, blocks: Iterable[int]) -> None:
    """Read closed blocks again that lack an expected transfer.

    Its log was left out by the server, or the first scan of an older tollbook began above it.
    """
    for first, last in _ranges(sorted(blocks)):
        transfers = await context.chain.transfers(asset, wallet, first, last)
        await _close(context, asset, wallet, first, last, transfers)


def _ranges(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Group sorted block numbers into ranges no wider than a server answers at once."""
    group: list[int] = []
    for block in blocks:
        if group and block - group[0] >= PAGE_BLOCKS:
            yield group[0], group[-1]
            group = []
        group.append(block)
    if group:
        yield group[0], group[-1]


async def _close(
    context: PayerContext, asset: Asset, wallet: str, first: int, last: int, transfers: Sequence[TransferOut]
) -> None:
    now = context.clock.now()
    await context.ledger.in_thread(context.ledger.close_scan, asset, wallet, first, last, transfers, now)
