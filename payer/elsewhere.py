"""Count what the wallet paid elsewhere, up to the chain's newest block, before a bill is reserved: caps hold for the
whole wallet. Pieces that another home bought are known by their nonces, and told as such.

Two homes with ledgers of their own over one wallet see each other's payments by this, and so does a new ledger what
was paid before it. An authorization that another home has signed, and that is not settled, is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from payer.chain.chain import ChainReader, Head, stretches
from payer.context import PayerContext
from payer.ledger import Ledger
from payer.ledger.transfers import SpendScan
from payer.policy.file import COUNT_NOTHING
from payer.values.crashpoints import crash_point
from payer.values.errors import ChainUnreachable
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Asset
from payer.values.request import Order
from payer.wallet.sign import Signer

STRETCH = 45_000
"""Blocks that are kept at once: five pages of the widest range that is asked for."""

OVERLAP = 128
"""Blocks that are read again where policy calls every block final."""

FRESH = timedelta(seconds=10)
"""Time for which a count holds for further bills of the same process."""

CLOSE = 256
"""Blocks before a period's first one that are near enough: reading them costs less than finding it."""

_PROBES = 15


def period_start(period: str, at: datetime) -> datetime:
    """Return when the day or the month of a time began, in UTC."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if period == "day" else midnight.replace(day=1)


async def count_elsewhere(context: PayerContext, started_at: datetime, assets: Iterable[Asset]) -> None:
    """Read the wallet's transfers since the last count, the first time since the beginning of the policy's period.

    Raises ChainUnreachable where they can't be read: what is unknown is not zero (I9), so nothing is signed then.
    """
    period, now = context.policy.count_chain_spend, context.clock.now()
    if period == COUNT_NOTHING:
        return
    since = period_start(period, min(started_at, now))
    for asset in assets:
        counted = context.counted.get(asset)
        if counted is not None and counted[0] <= since and timedelta(0) <= now - counted[1] < FRESH:
            continue
        try:
            await _count(context, asset, since)
        except ChainUnreachable as error:
            raise _unknown(error, period) from None
        context.counted[asset] = since, now


async def _count(context: PayerContext, asset: Asset, since: datetime) -> None:
    wallet, head = context.signer().address, await context.chain.head()
    final = min(head.final_number, head.number - OVERLAP) if context.policy.finality == "latest" else head.final_number
    scan = await _begun(context, asset, wallet, head, since)
    for blocks in stretches(scan.through_block + 1, head.number, STRETCH, context.progress):
        await _read(context, asset, wallet, blocks, min(blocks[-1], final))


async def _begun(context: PayerContext, asset: Asset, wallet: str, head: Head, since: datetime) -> SpendScan:
    """Return the scan to go on with: the one that is kept, or a new one where that begins too late, or ended so long
    ago that finding the period's first block costs less than reading up to it."""
    in_thread, elsewhere = context.ledger.in_thread, context.ledger.elsewhere
    kept = await in_thread(elsewhere.scan, asset, wallet)
    if kept is not None and kept.since <= since and head.number - kept.through_block <= STRETCH:
        return kept
    first = await first_block(context.chain, head, since.timestamp())
    if kept is not None and kept.since <= since and first <= kept.through_block + 1:
        return kept
    return await in_thread(elsewhere.begin, asset, wallet, SpendScan(since, first, first - 1), context.clock.now())


async def _read(context: PayerContext, asset: Asset, wallet: str, blocks: range, through: int) -> None:
    """Keep the transfers of some blocks that this ledger has not booked as spent."""
    out = await context.chain.paid(asset, wallet, blocks[0], blocks[-1])
    moved = [transfer for transfer in out if transfer.value and transfer.pay_to.lower() != wallet.lower()]
    in_thread, elsewhere = context.ledger.in_thread, context.ledger.elsewhere
    counted = await in_thread(elsewhere.not_settled_here, moved)
    times = await context.chain.block_times({transfer.block_number for transfer in counted}) if counted else {}
    timed = [(each, datetime.fromtimestamp(times[each.block_number], UTC)) for each in counted]
    await in_thread(elsewhere.close, asset, wallet, blocks, timed, through, context.clock.now())
    crash_point("counted")


def _unknown(error: ChainUnreachable, period: str) -> ChainUnreachable:
    when, narrower = ("today", '"off"') if period == "day" else ("this month", '"day" or "off"')
    return ChainUnreachable(
        f"the chain can't be read, so what this wallet paid elsewhere {when} is unknown and nothing was signed: "
        f"{error.what}",
        advice=f"{error.fix}; or set payment.count_chain_spend to {narrower} in the policy file: then caps "
        "count what this ledger knows",
    )


async def first_block(chain: ChainReader, head: Head, since: float) -> int:
    """Return the first block that is not before `since` (unix seconds), or one at most CLOSE blocks lower.

    Reads the times of blocks twice as far from the head each, then of a few between two of them: four requests on a
    chain of forty million blocks. Above the head when nothing is that new. Raises ChainUnreachable.
    """
    if head.time < since:
        return head.number + 1
    low, high = -1, head.number
    probes = [head.number - CLOSE * 2**power for power in range(40) if CLOSE * 2**power <= head.number]
    while probes:
        times = await chain.block_times(probes)
        high = min([high, *(block for block, time in times.items() if time >= since)])
        low = max([low, *(block for block, time in times.items() if time < since and block < high)])
        probes = _between(low, high)
    return low + 1


def _between(low: int, high: int) -> list[int]:
    """Blocks spread evenly between two; none once they are close to each other."""
    if high - low <= CLOSE:
        return []
    return sorted({low + (high - low) * part // (_PROBES + 1) for part in range(1, _PROBES + 1)} - {low, high})


def bought_elsewhere(ledger: Ledger, wallet: Signer, asset: Asset, orders: Iterable[Order], at: datetime) -> set[str]:
    """Return the purchase keys of orders over whose nonces the wallet paid elsewhere in the month of a time.

    Reserving them adds nothing to a cap: their transfers count already.
    """
    used = ledger.elsewhere.nonces(asset, wallet.address, at)
    keys = {purchase_key(order.request, order.edition) for order in orders} if used else set()
    return {key for key in keys if nonce(wallet.nonce_secret, asset, key, _generation(ledger, key)) in used}


def _generation(ledger: Ledger, key: str) -> int:
    latest = ledger.find(key)
    return 0 if latest is None else latest.generation + latest.loss_accepted
