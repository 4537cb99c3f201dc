"""Reading the wallet's transfers off the chain, up to its final block: a stretch at a time, resumable, checked.

Each stretch is closed only if the wallet's balance before and after it says that its logs were all there; the newest
closed blocks are read again each time, so a reorg that reached below them is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from payer.chain.chain import Account
from payer.chain.logs import PAGE_BLOCKS
from payer.services import Services
from payer.values.money import Asset
from payer.values.transfers import TransferOut
from payer.values.types import Purchase

OVERLAP = 128
STRETCH = 50_000


class Balance(StrEnum):
    """Whether the transfers that were read are all that moved the wallet's balance."""

    EQUAL = "equal"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Scan:
    """How far the transfers are closed. `unexplained` atoms left the wallet (or came, below 0) without a log above."""

    through: int
    balance: Balance
    unexplained: int = 0


async def scan(services: Services, asset: Asset, wallet: str, mine: Sequence[Purchase], *, anew: bool) -> Scan:
    """Read on from where the last scan closed, `anew` from the first block in which one of these may have been paid."""
    final = (await services.chain.head()).final_number
    closed = services.ledger.scanned_through(asset, wallet)
    start = _first_block(services, mine, final) if closed is None or anew else max(0, closed + 1 - OVERLAP)
    balance = Balance.EQUAL if start <= final else Balance.NOT_CHECKED
    while start <= final:
        end = min(start + STRETCH - 1, final)
        found = await services.chain.transfers(asset, wallet, start, end)
        account = await services.chain.account(asset, wallet, start, end)
        if account is None:
            balance = Balance.NOT_CHECKED
        elif unexplained := _unexplained(account, found):
            return Scan(max(start - 1, closed or 0), Balance.DIFFERS, unexplained)
        _keep(services, asset, wallet, start, end, found)
        start = end + 1
    return Scan(max(final, closed or 0), balance)


async def read_again(services: Services, asset: Asset, wallet: str, blocks: Iterable[int]) -> None:
    """Read closed blocks once more, where a transfer that should be there is not: its log was left out, or the first
    scan of an older tollbook began above it."""
    for first, last in _ranges(sorted(blocks)):
        found = await services.chain.transfers(asset, wallet, first, last)
        _keep(services, asset, wallet, first, last, found)


def _first_block(services: Services, mine: Sequence[Purchase], final: int) -> int:
    settled = [p.settlement.block_number for p in mine if p.settlement is not None]
    unused = [p.from_block for p in mine if p.from_block is not None]
    return max(0, min([final - services.policy.lookback_blocks, *settled, *unused]))


def _unexplained(account: Account, found: list[TransferOut]) -> int:
    return account.before + account.received - sum(transfer.value for transfer in found) - account.after


def _ranges(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together, no wider than a server answers at once."""
    group: list[int] = []
    for block in blocks:
        if group and block - group[0] >= PAGE_BLOCKS:
            yield group[0], group[-1]
            group = []
        group.append(block)
    if group:
        yield group[0], group[-1]


def _keep(services: Services, asset: Asset, wallet: str, first: int, last: int, found: Sequence[TransferOut]) -> None:
    services.ledger.close_scan(asset, wallet, first, last, found, services.clock.now())
